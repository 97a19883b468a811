//! Detectors: what chooses among their boxes is left out, and what it reads becomes the network's results.

use std::collections::{HashMap, HashSet};

use crate::import::each_read;
use crate::proto;

/// Operators that choose among boxes by their overlap: how many of the results depends on the picture, and no gradient passes.
const SELECTIONS: [(&str, &str); 4] = [
    ("", "NonMaxSuppression"),
    ("TRT", "EfficientNMS_TRT"),
    ("", "EfficientNMS_TRT"),
    ("", "BatchedNMS_TRT"),
];

/// What was left out of a detector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// A sentence about it.
    pub sentence: String,
    /// Whether all results of the file went with it, so that those of the network are a detector's.
    pub are_all_results: bool,
}

/// What only says how large a value is: where sizes are fixed, nothing of the picture passes it.
const SIZES: [&str; 2] = ["Shape", "Size"];

/// Leaves out every selection of boxes with all that depends on it.
///
/// Where boxes below a threshold are left out first (`NonZero`, as torchvision's detectors do), that is part of the selection.
pub(crate) fn leave_selection_out(graph: &mut proto::Graph) -> Option<LeftOut> {
    let kind = graph.node.iter().find_map(selects)?.to_owned();
    let flow = Flow::of(graph);
    let is_root = |node: &proto::Node, of_picture: &[bool], index: usize| {
        selects(node).is_some() || node.op_type == "NonZero" && of_picture[index]
    };
    let fed = graph.input.iter().map(|input| input.name.as_str());
    let fed = fed.filter(|name| graph.initializer.iter().all(|tensor| tensor.name != *name));
    let first = fed.flat_map(|name| flow.readers_of(name)).copied();
    let of_picture = flow.behind(graph, first.collect(), |node| SIZES.contains(&node.op_type.as_str()));
    let roots = (0..graph.node.len()).filter(|&index| is_root(&graph.node[index], &of_picture, index));
    let goes = flow.behind(graph, roots.collect(), |_| false);
    let names = |kept: &[bool]| -> HashSet<String> {
        let made = graph.node.iter().zip(kept).filter(|(_, kept)| **kept).flat_map(|(node, _)| &node.output);
        made.filter(|name| !name.is_empty()).cloned().collect()
    };
    let (left_out, of_picture) = (names(&goes), names(&of_picture));
    // Conditions on boxes are no results; what is chosen by them is.
    let readers = graph.node.iter().zip(&goes).filter(|(node, goes)| **goes && node.op_type != "NonZero");
    let mut read: Vec<String> = Vec::new();
    for (node, _) in readers {
        let mut keep = |name: &str| {
            let is_result = of_picture.contains(name) && !left_out.contains(name);
            if is_result && !read.iter().any(|known| known == name) {
                read.push(name.to_owned());
            }
        };
        match SELECTIONS.iter().any(|(_, kind)| *kind == node.op_type) {
            true => node.input.iter().take(2).for_each(|name| keep(name)),
            false => each_read(node, &mut keep),
        }
    }
    let read = join_parts(graph, &of_picture, read);
    let mut goes = goes.into_iter();
    graph.node.retain(|_| !goes.next().unwrap_or(false));
    graph.output.retain(|output| !left_out.contains(&output.name));
    let are_all_results = graph.output.is_empty();
    for name in &read {
        if graph.output.iter().all(|output| output.name != *name) {
            graph.output.push(proto::ValueInfo { name: name.clone(), ..Default::default() });
        }
    }
    let sentence = format!(
        "{kind} chooses among boxes, which depends on the picture in steps; it is left out, and the results are the boxes and scores that \
         it reads ({})",
        read.join(", ")
    );
    Some(LeftOut { sentence, are_all_results })
}

/// The selection of boxes that a node or one of its branches makes.
fn selects(node: &proto::Node) -> Option<&str> {
    let domain = if node.domain == "ai.onnx" { "" } else { &node.domain };
    if SELECTIONS.contains(&(domain, &node.op_type)) {
        return Some(&node.op_type);
    }
    let branches = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
    branches.flat_map(|branch| &branch.node).find_map(selects)
}

/// Which nodes read a name. Nodes may lie in any order, so what depends on a name is followed from reader to reader.
struct Flow(HashMap<String, Vec<usize>>);

impl Flow {
    fn of(graph: &proto::Graph) -> Self {
        let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            each_read(node, &mut |name| readers.entry(name.to_owned()).or_default().push(index));
        }
        Self(readers)
    }

    fn readers_of(&self, name: &str) -> &[usize] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether each node is one of these or depends on one, not through those at which it ends.
    fn behind(
        &self,
        graph: &proto::Graph,
        mut open: Vec<usize>,
        ends: impl Fn(&proto::Node) -> bool,
    ) -> Vec<bool> {
        let mut reached = vec![false; graph.node.len()];
        while let Some(index) = open.pop() {
            let node = &graph.node[index];
            if ends(node) || std::mem::replace(&mut reached[index], true) {
                continue;
            }
            let names = node.output.iter().filter(|name| !name.is_empty());
            open.extend(names.flat_map(|name| self.readers_of(name)));
        }
        reached
    }
}

/// The same values, but where several are parts of one, cut out by an index (a detector's scores class by class), that one instead.
fn join_parts(graph: &proto::Graph, of_picture: &HashSet<String>, names: Vec<String>) -> Vec<String> {
    let makers: HashMap<&str, &proto::Node> = graph
        .node
        .iter()
        .filter(|node| matches!(node.op_type.as_str(), "Gather" | "Slice" | "Split"))
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let whole = |name: &String| {
        makers.get(name.as_str())?.input.first().filter(|whole| of_picture.contains(*whole)).cloned()
    };
    let mut parts: HashMap<String, usize> = HashMap::new();
    names.iter().filter_map(whole).for_each(|name| *parts.entry(name).or_default() += 1);
    let mut joined: Vec<String> = Vec::new();
    for name in &names {
        let name = whole(name).filter(|whole| parts[whole] > 1).unwrap_or_else(|| name.clone());
        if !joined.contains(&name) {
            joined.push(name);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, inputs: &[&str], output: &str) -> proto::Node {
        proto::Node {
            op_type: kind.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        }
    }

    #[test]
    fn boxes_and_scores_before_their_selection_become_the_results() {
        let value = |name: &str| proto::ValueInfo { name: name.to_owned(), ..Default::default() };
        let mut graph = proto::Graph {
            input: vec![value("x")],
            node: vec![
                node("Gather", &["boxes", "places"], "chosen"),
                node("Cast", &["selected"], "places"),
                node("NonMaxSuppression", &["boxes", "scores", "most"], "selected"),
                node("Conv", &["x"], "boxes"),
                node("Sigmoid", &["boxes"], "scores"),
            ],
            output: vec![value("chosen"), value("scores")],
            ..Default::default()
        };
        let LeftOut { sentence, are_all_results } = leave_selection_out(&mut graph).unwrap();
        assert!(!are_all_results);
        assert!(sentence.contains("NonMaxSuppression") && sentence.contains("boxes, scores"), "{sentence}");
        let kinds: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(kinds, ["Conv", "Sigmoid"]);
        let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["scores", "boxes"]);
        assert_eq!(leave_selection_out(&mut graph), None);
    }

    #[test]
    fn what_is_cut_by_a_threshold_before_boxes_are_chosen_goes_too() {
        // As torchvision's detectors are exported: scores class by class above a threshold, and the selection in a branch.
        let value = |name: &str| proto::ValueInfo { name: name.to_owned(), ..Default::default() };
        let branch = proto::Graph {
            node: vec![node("NonMaxSuppression", &["some boxes", "some scores"], "chosen in branch")],
            output: vec![value("chosen in branch")],
            ..Default::default()
        };
        let mut choice = node("If", &["any"], "chosen");
        choice.attribute.push(proto::Attribute { g: Some(branch), ..Default::default() });
        let mut graph = proto::Graph {
            input: vec![value("x")],
            node: vec![
                node("Conv", &["x", "filters"], "boxes"),
                node("Softmax", &["boxes"], "scores"),
                node("Gather", &["scores", "1"], "first"),
                node("Gather", &["scores", "2"], "second"),
                node("Greater", &["first", "threshold"], "high"),
                node("NonZero", &["high"], "places"),
                node("GatherND", &["first", "places"], "some scores"),
                node("GatherND", &["boxes", "places"], "some boxes"),
                node("GatherND", &["second", "places"], "others"),
                node("Size", &["others"], "any"),
                choice,
                // A table of sizes is none of the picture's.
                node("Shape", &["x"], "extents"),
                node("NonZero", &["extents"], "axes"),
            ],
            output: vec![value("chosen"), value("others"), value("axes")],
            ..Default::default()
        };
        let LeftOut { sentence, are_all_results } = leave_selection_out(&mut graph).unwrap();
        assert!(!are_all_results);
        assert!(
            sentence.starts_with("NonMaxSuppression") && sentence.contains("(scores, boxes)"),
            "{sentence}"
        );
        let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["axes", "scores", "boxes"]);
        let kinds: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(kinds, ["Conv", "Softmax", "Gather", "Gather", "Greater", "Shape", "NonZero"]);
    }

    #[test]
    fn a_network_without_boxes_is_not_cut() {
        let mut graph = proto::Graph { node: vec![node("NonZero", &["x"], "places")], ..Default::default() };
        assert_eq!(leave_selection_out(&mut graph), None);
        assert_eq!(graph.node.len(), 1);
    }
}
