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

/// Leaves out every selection of boxes with all that depends on it; returns a sentence about it.
pub(crate) fn leave_selection_out(graph: &mut proto::Graph) -> Option<String> {
    let selects = |node: &proto::Node| {
        let domain = if node.domain == "ai.onnx" { "" } else { &node.domain };
        SELECTIONS.contains(&(domain, &node.op_type))
    };
    let kind = graph.node.iter().find(|node| selects(node)).map(|node| node.op_type.clone())?;
    // Nodes may lie in any order, so what depends on a selection is followed from reader to reader.
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        each_read(node, &mut |name| readers.entry(name).or_default().push(index));
    }
    let mut open: Vec<usize> = (0..graph.node.len()).filter(|&index| selects(&graph.node[index])).collect();
    let read: Vec<String> = open
        .iter()
        .flat_map(|&index| graph.node[index].input.iter().take(2))
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    let mut goes = vec![false; graph.node.len()];
    let mut tainted: HashSet<String> = HashSet::new();
    while let Some(index) = open.pop() {
        if std::mem::replace(&mut goes[index], true) {
            continue;
        }
        for name in graph.node[index].output.iter().filter(|name| !name.is_empty()) {
            tainted.insert(name.clone());
            open.extend(readers.get(name.as_str()).into_iter().flatten());
        }
    }
    let mut goes = goes.into_iter();
    graph.node.retain(|_| !goes.next().unwrap_or(false));
    graph.output.retain(|output| !tainted.contains(&output.name));
    for name in &read {
        if !tainted.contains(name) && graph.output.iter().all(|output| output.name != *name) {
            graph.output.push(proto::ValueInfo { name: name.clone(), ..Default::default() });
        }
    }
    Some(format!(
        "{kind} chooses among boxes, which depends on the picture in steps; it is left out, and the results are the boxes and scores that \
         it reads ({})",
        read.join(", ")
    ))
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
        let sentence = leave_selection_out(&mut graph).unwrap();
        assert!(sentence.contains("NonMaxSuppression") && sentence.contains("boxes, scores"), "{sentence}");
        let kinds: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(kinds, ["Conv", "Sigmoid"]);
        let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["scores", "boxes"]);
        assert_eq!(leave_selection_out(&mut graph), None);
    }
}
