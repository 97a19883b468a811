//! Removal of what is not asked for.

use super::Keep;
use crate::Graph;

/// Removes nodes whose results neither lead to a result of the network nor are kept.
pub fn remove_dead_code(mut graph: Graph, keep: &Keep) -> Graph {
    let mut needed: Vec<bool> =
        (0..graph.values.len()).map(|index| keep.contains(crate::ValueId(index))).collect();
    for output in &graph.outputs {
        needed[output.0] = true;
    }
    let mut alive = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|output| needed[output.0]) {
            alive[index] = true;
            for input in &node.inputs {
                needed[input.0] = true;
            }
        }
    }
    let mut alive = alive.into_iter();
    graph.nodes.retain(|_| alive.next() == Some(true));
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Unary;
    use crate::{GraphBuilder, Shape};

    #[test]
    fn removes_only_what_is_neither_kept_nor_needed() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let a = builder.node("a", Unary::Tanh, &[x], &["a"]).unwrap()[0];
        let b = builder.node("b", Unary::Tanh, &[a], &["b"]).unwrap()[0];
        builder.node("c", Unary::Tanh, &[b], &["c"]).unwrap();
        let graph = builder.finish(&[a]);
        assert_eq!(remove_dead_code(graph.clone(), &Keep::All).nodes().len(), 3);
        assert_eq!(remove_dead_code(graph.clone(), &Keep::from_iter([b])).nodes().len(), 2);
        assert_eq!(remove_dead_code(graph, &Keep::from_iter([])).nodes().len(), 1);
    }
}
