//! The order in which nodes can be computed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::readers::each_read;
use crate::proto;

/// The nodes, each behind those whose results it reads; as they lie in the file where they are in order there.
///
/// What `known` knows no node has to make.
///
/// # Errors
/// The nodes of a cycle, each of which reads a result of the next one, and the last of the first.
pub(super) fn in_order(
    nodes: &[proto::Node],
    known: impl Fn(&str) -> bool,
) -> Result<Vec<&proto::Node>, Vec<&proto::Node>> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|output| !output.is_empty() && !known(output)) {
            makers.entry(output).or_insert(index);
        }
    }
    // For each node those that it reads, and those that read it.
    let mut sources = vec![Vec::new(); nodes.len()];
    let mut readers = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        each_read(node, &mut |name| {
            if let Some(&maker) = makers.get(name) {
                sources[index].push(maker);
            }
        });
        sources[index].sort_unstable();
        sources[index].dedup();
        sources[index].iter().for_each(|&maker| readers[maker].push(index));
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    // Of those that can be computed always the first of the file.
    let ready = waiting.iter().enumerate().filter(|(_, count)| **count == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = ready.map(|(index, _)| Reverse(index)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(&nodes[index]);
        for &reader in &readers[index] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() == nodes.len() {
        return Ok(order);
    }
    // Every node that waits has a source that waits: going from source to source ends in a cycle.
    let mut at = waiting.iter().position(|&count| count > 0).unwrap_or(0);
    let mut met: HashMap<usize, usize> = HashMap::new();
    let mut path = Vec::new();
    while !met.contains_key(&at) {
        met.insert(at, path.len());
        path.push(at);
        at = sources[at].iter().copied().find(|&source| waiting[source] > 0).unwrap_or(at);
    }
    Err(path[met[&at]..].iter().map(|&index| &nodes[index]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, inputs: &[&str], outputs: &[&str]) -> proto::Node {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        proto::Node { name: name.to_owned(), input: own(inputs), output: own(outputs), ..Default::default() }
    }

    fn names<'a>(nodes: &[&'a proto::Node]) -> Vec<&'a str> {
        nodes.iter().map(|node| node.name.as_str()).collect()
    }

    #[test]
    fn nodes_are_sorted_and_otherwise_left_in_the_files_order() {
        let nodes = [
            node("last", &["b", "c"], &["d"]),
            node("third", &["a"], &["c"]),
            node("other", &["x"], &["e"]),
            node("second", &["a", ""], &["b"]),
            node("first", &["x", "unknown"], &["a"]),
        ];
        assert_eq!(
            names(&in_order(&nodes, |name| name == "x").unwrap()),
            ["other", "first", "third", "second", "last"]
        );
    }

    #[test]
    fn what_a_branch_reads_of_the_graph_around_it_is_made_before() {
        let branch = proto::Graph { node: vec![node("inner", &["a"], &["i"])], ..Default::default() };
        let mut outer = node("if", &["x"], &["y"]);
        outer.attribute.push(proto::Attribute { g: Some(branch), ..Default::default() });
        let nodes = [outer, node("first", &["x"], &["a"])];
        assert_eq!(names(&in_order(&nodes, |name| name == "x").unwrap()), ["first", "if"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let nodes = [
            node("behind", &["c"], &["d"]),
            node("one", &["x", "b"], &["a"]),
            node("two", &["a"], &["b", "c"]),
            node("alone", &["x"], &["e"]),
        ];
        let mut found = names(&in_order(&nodes, |name| name == "x").unwrap_err());
        found.sort_unstable();
        assert_eq!(found, ["one", "two"]);
        let own = [node("itself", &["a"], &["a"])];
        assert_eq!(names(&in_order(&own, |name| name == "x").unwrap_err()), ["itself"]);
    }
}
