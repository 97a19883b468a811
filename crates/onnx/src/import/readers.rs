//! Who still reads a tensor, so that a constant can be freed when nothing does.

use std::collections::HashMap;

use crate::proto;

/// For every name the number of times that it is still read. Results of the graph are read for ever.
pub(super) struct Readers<'a>(HashMap<&'a str, usize>);

impl<'a> Readers<'a> {
    /// Counts all nodes of a graph with their branches.
    pub fn of(graph: &'a proto::Graph) -> Self {
        let mut counts = HashMap::new();
        for node in &graph.node {
            each_read(node, &mut |name| *counts.entry(name).or_insert(0) += 1);
        }
        graph.output.iter().for_each(|output| *counts.entry(output.name.as_str()).or_insert(0) += 1);
        Self(counts)
    }

    /// The names that nothing reads any more once this node has been imported, its own results among them.
    pub fn done(&mut self, node: &'a proto::Node) -> Vec<&'a str> {
        let mut names: Vec<&str> =
            node.output.iter().map(String::as_str).filter(|name| !self.0.contains_key(name)).collect();
        each_read(node, &mut |name| {
            if let Some(count) = self.0.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    names.push(name);
                }
            }
        });
        names
    }
}

/// Calls `count` for each tensor that a node or a node of its branches reads, as often as it does.
pub(crate) fn each_read<'a>(node: &'a proto::Node, count: &mut dyn FnMut(&'a str)) {
    node.input.iter().for_each(|name| count(name));
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        graph.node.iter().for_each(|node| each_read(node, count));
        graph.output.iter().for_each(|output| count(&output.name));
    }
}
