//! Whether a network would see pictures as it saw them in training, as far as its first batch normalisation remembers.

use deepinside_graph::op::{BatchNormalization, Convolution};
use deepinside_graph::{Graph, Node, Op, ValueId, Weights};
use deepinside_vision::Transformer;

/// The deviation of photographs' pixels in `[0, 1]`, over ImageNet.
const DEVIATION: f64 = 0.226;

/// How alike two colours of a pixel are.
const COLOURS: f64 = 0.9;

/// How alike neighbouring pixels are; the likeness of distant ones is its power.
const NEIGHBOURS: f64 = 0.95;

/// Photographs, and what networks are trained on, differ by less than this factor; a wrong range (255 for 1, or the
/// reverse; a forgotten deviation) by more, except that a deviation of 58 on 0 to 255 is like one of 0.23 on 0 to 1.
const TOLERANCE: f64 = 8.0;

/// The largest filter that is looked at, in weights; 11 × 11 pixels of three colours are 363.
const LARGEST: usize = 1024;

/// A sentence, where the first batch normalisation remembers responses of quite another size than photographs give with
/// this preprocessing.
pub(crate) fn suspicious_preprocessing(
    graph: &Graph,
    input: ValueId,
    transformer: &Transformer,
) -> Option<String> {
    let (node, convolution, normalisation, statistics) = first_normalisation(graph, input)?;
    let ratio = ratio(graph, node, convolution, transformer, normalisation, statistics)?;
    let (factor, how) = if ratio > 1.0 { (ratio, "larger") } else { (1.0 / ratio, "smaller") };
    (factor > TOLERANCE).then(|| {
        format!(
            "in training, responses of '{}' were about {factor:.0} times {how} than photographs give with the range, mean and \
             scale above; set --raw-scale and --scale (or a model.toml) as the network was trained",
            node.name
        )
    })
}

/// The convolution that reads the pictures, and the batch normalisation that alone reads it.
fn first_normalisation(
    graph: &Graph,
    input: ValueId,
) -> Option<(&Node, &Convolution, &BatchNormalization, &Weights)> {
    let consumers = graph.consumers();
    let only = |value: ValueId| match consumers[value.index()][..] {
        [node] => Some(graph.node(node)),
        _ => None,
    };
    let mut node = only(input)?;
    if let Op::Pad(_) = node.op {
        node = only(node.outputs[0])?;
    }
    let Op::Convolution(convolution) = &node.op else { return None };
    let next = only(node.outputs[0])?;
    let Op::BatchNormalization(normalisation) = &next.op else { return None };
    Some((node, convolution, normalisation, graph.value(next.inputs[2]).weights()?))
}

/// What the normalisation remembers over what photographs give: the quotient of deviations, its geometric mean over
/// filters.
fn ratio(
    graph: &Graph,
    node: &Node,
    convolution: &Convolution,
    transformer: &Transformer,
    normalisation: &BatchNormalization,
    statistics: &Weights,
) -> Option<f64> {
    let weights = graph.value(node.inputs[1]).weights()?;
    let [_, channels, rows, columns] = *weights.shape().extents() else { return None };
    let filter = channels * rows * columns;
    if convolution.groups != 1 || filter > LARGEST {
        return None;
    }
    let scale = |channel: usize| {
        let scale = &transformer.input_scale;
        f64::from(scale.get(channel).or(scale.first()).copied().unwrap_or(1.0))
            * f64::from(transformer.raw_scale)
            * DEVIATION
    };
    let place = |tap: usize| (tap / (rows * columns), tap / columns % rows, tap % columns);
    // The variance of a filter's response is wᵀ C w, where C is how pixels vary together.
    let together: Vec<f64> = (0..filter * filter)
        .map(|pair| {
            let ((channel, row, column), (other, below, beside)) =
                (place(pair / filter), place(pair % filter));
            let distance = (row.abs_diff(below) + column.abs_diff(beside)) as f64;
            let alike = if channel == other { 1.0 } else { COLOURS };
            scale(channel) * scale(other) * alike * NEIGHBOURS.powf(distance)
        })
        .collect();
    let epsilon = f64::from(normalisation.epsilon);
    let quotients: Vec<f64> = weights
        .to_vec()
        .chunks_exact(filter)
        .zip(statistics.to_vec())
        .filter_map(|(filter_weights, variance)| {
            let expected: f64 = together
                .chunks_exact(filter)
                .zip(filter_weights)
                .map(|(row, &own)| {
                    let sum: f64 =
                        row.iter().zip(filter_weights).map(|(alike, &other)| alike * f64::from(other)).sum();
                    f64::from(own) * sum
                })
                .sum();
            let quotient = (f64::from(variance) / expected).ln();
            // Filters that died in training say nothing.
            (f64::from(variance) > epsilon && quotient.is_finite()).then_some(quotient)
        })
        .collect();
    (!quotients.is_empty()).then(|| (quotients.iter().sum::<f64>() / quotients.len() as f64 / 2.0).exp())
}
