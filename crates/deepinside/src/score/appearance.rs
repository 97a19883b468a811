//! What a network's result looks like where it does not look like class scores.

use deepinside_graph::op::{Binary, Reduction};
use deepinside_graph::{Graph, NodeId, Op, ValueId};

use super::ScoreQuestion;

/// What a network's result looks like, where not like class scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appearance {
    /// A sentence.
    pub sentence: String,
    /// Whether the numbers along the class axis cannot be classes.
    pub is_certain: bool,
}

/// What is said behind a description of a result.
const REMEDY: &str = "name the value that holds class scores with --score (`deepinside graph` lists them)";

impl Appearance {
    /// What a result looks like; `None` for class scores.
    pub(super) fn of(
        graph: &Graph,
        producers: &[Option<NodeId>],
        result: ValueId,
        question: &ScoreQuestion<'_>,
    ) -> Option<Self> {
        let value = graph.value(result);
        let extents = value.shape.extents();
        let found = format!("'{}' has the shape {}", value.name, value.shape);
        let certain = |what: String| {
            Some(Self { sentence: format!("{found}: {what}, not class scores; {REMEDY}"), is_certain: true })
        };
        if question.is_detector {
            return certain("it is one of a detector's boxes or scores of boxes".to_owned());
        }
        let long = extents.iter().skip(1).filter(|&&extent| extent != 1).count();
        // The network is one for one picture by now.
        let pictures =
            graph.inputs().first().and_then(|&input| graph.value(input).shape.extent(0)).unwrap_or(1);
        match *extents {
            [rows, ref rest @ ..] if rows > pictures && !rest.is_empty() && long > 0 => certain(format!(
                "it looks like {rows} steps of a sequence (as readers of text give), windows or boxes with numbers of their own"
            )),
            // Detectors' boxes have other proportions than the picture.
            [_, height, width]
                if long == 2
                    && question.picture.is_some_and(|[rows, columns]| {
                        height * columns == width * rows && height * FINEST >= rows && height.max(width) >= SMALLEST_MAP
                    }) =>
            {
                certain(format!(
                    "it looks like a map of {height}×{width} positions (a segmentation, a depth map, a picture)"
                ))
            }
            [_, first, second] if long == 2 => certain(boxes_or_tokens(graph, [first, second], question.picture)),
            [_, channels, height, width] if height * width > 1 => {
                let heads = raw_heads(graph, channels);
                if heads > 1 {
                    return certain(format!(
                        "with {heads} results of {channels} channels and different sizes it looks like the raw boxes of a detector"
                    ));
                }
                if let Some([rows, columns]) = question.picture
                    && height * FINEST >= rows
                    && width * FINEST >= columns
                    && height.max(width) >= SMALLEST_MAP
                {
                    return certain(format!(
                        "it looks like a map of {height}×{width} positions (a segmentation, a depth map, a picture)"
                    ));
                }
                None
            }
            [_, ..] if long > 2 => certain(format!("it looks like an array with {long} axes")),
            _ if Some(value.shape.elements()) == question.names => None,
            _ => embedding(graph, producers, result).map(|why| Self {
                sentence: format!(
                    "{found} and {why}: it looks like an embedding, not like class scores; its numbers are treated as classes"
                ),
                is_certain: false,
            }),
        }
    }
}

/// Maps of classifiers are coarser than this: their convolutions halve pictures five times.
const FINEST: usize = 8;

/// Maps with fewer rows and columns than this, of tiny networks, are not told from class maps.
const SMALLEST_MAP: usize = 8;

/// The strides at which detectors place boxes.
const STRIDES: [usize; 5] = [4, 8, 16, 32, 64];

/// What a result of three axes looks like.
fn boxes_or_tokens(graph: &Graph, extents: [usize; 2], picture: Option<[usize; 2]>) -> String {
    let [first, second] = extents;
    let numbers_first = first < second;
    let (numbers, places) = if numbers_first { (first, second) } else { (second, first) };
    // Boxes in a result of their own: four numbers for each place.
    let has_boxes = graph.outputs().iter().any(|&output| {
        let extents = graph.value(output).shape.extents();
        extents.len() == 3 && extents[1..].contains(&4) && extents[1..].contains(&places)
    });
    if has_boxes {
        return format!(
            "beside a result with four numbers for each of {places} places it looks like the classes of a detector's boxes"
        );
    }
    let anchors = picture.and_then(|picture| anchors(picture, places));
    match anchors {
        Some(strides) if numbers > 4 && (numbers_first || strides > 1) => format!(
            "it looks like the boxes of a detector (4 numbers and {} for each of {places} anchors)",
            match (numbers - 4, numbers_first) {
                (1, _) => "one class".to_owned(),
                (classes, true) => format!("{classes} classes"),
                (classes, false) =>
                    format!("an objectness and {} classes, or {classes} classes,", classes - 1),
            }
        ),
        _ => "it looks like the boxes of a detector, the tokens of a transformer or the steps of a sequence"
            .to_owned(),
    }
}

/// How many strides' grids have this many boxes together, where any have.
fn anchors([height, width]: [usize; 2], places: usize) -> Option<usize> {
    let grids = STRIDES.map(|stride| height.div_ceil(stride) * width.div_ceil(stride));
    let ranges = (0..STRIDES.len()).flat_map(|from| (from + 1..=STRIDES.len()).map(move |to| from..to));
    ranges
        .filter(|range| {
            let sum: usize = grids[range.clone()].iter().sum();
            (1..=9).any(|boxes| boxes * sum == places)
        })
        .map(|range| range.len())
        .max()
}

/// How many results have so many channels and each another size.
fn raw_heads(graph: &Graph, channels: usize) -> usize {
    let mut sizes: Vec<&[usize]> = graph
        .outputs()
        .iter()
        .map(|&output| graph.value(output).shape.extents())
        .filter(|extents| extents.len() == 4 && extents[1] == channels)
        .map(|extents| &extents[2..])
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.len()
}

/// Why a vector looks like an embedding.
fn embedding(graph: &Graph, producers: &[Option<NodeId>], result: ValueId) -> Option<&'static str> {
    const WORDS: [&str; 6] = ["embed", "feature", "hidden", "pooler", "descriptor", "latent"];
    let name = graph.value(result).name.to_lowercase();
    if WORDS.iter().any(|word| name.contains(word)) {
        return Some("is named like one");
    }
    let producer = |mut value: ValueId| loop {
        let node = graph.node(producers[value.index()]?);
        if !matches!(node.op, Op::Identity(_) | Op::Reshape(_)) {
            return Some(node);
        }
        value = node.inputs[0];
    };
    let last = producer(result)?;
    if matches!(last.op, Op::Binary(Binary::Divide)) && graph.value(last.inputs[1]).weights().is_none() {
        // x / |x|: the length is computed by a sum of squares.
        let mut value = last.inputs[1];
        for _ in 0..6 {
            let node = graph.node(producers[value.index()]?);
            if let Op::Reduce(reduce) = &node.op
                && reduce.reduction == Reduction::SquareSum
            {
                return Some("is divided by its own length");
            }
            value = node.inputs[0];
        }
    }
    None
}
