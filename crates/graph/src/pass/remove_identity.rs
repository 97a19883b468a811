//! Removal of nodes that compute nothing.

use super::Keep;
use crate::{Graph, Op};

/// Removes identities (dropout outside of training) whose result is not observed; readers then read the operand.
pub fn remove_identity(mut graph: Graph, keep: &Keep) -> Graph {
    let mut replaced: Vec<usize> = (0..graph.values.len()).collect();
    let outputs = graph.outputs.clone();
    graph.nodes.retain_mut(|node| {
        for input in &mut node.inputs {
            input.0 = replaced[input.0];
        }
        let removable = matches!(node.op, Op::Identity(_))
            && node.outputs.iter().all(|output| !keep.contains(*output) && !outputs.contains(output));
        if removable {
            replaced[node.outputs[0].0] = node.inputs[0].0;
        }
        !removable
    });
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Identity, Unary};
    use crate::{GraphBuilder, Shape};

    #[test]
    fn readers_read_the_operand() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let d = builder.node("d", Identity, &[x], &["d"]).unwrap()[0];
        let e = builder.node("e", Identity, &[d], &["e"]).unwrap()[0];
        let y = builder.node("y", Unary::Tanh, &[e], &["y"]).unwrap()[0];
        let graph = builder.finish(&[y]);
        let removed = remove_identity(graph.clone(), &Keep::from_iter([]));
        assert_eq!(removed.nodes().len(), 1);
        assert_eq!(removed.nodes()[0].inputs, [x]);
        let kept = remove_identity(graph.clone(), &Keep::from_iter([d]));
        assert_eq!(kept.nodes().len(), 2);
        assert_eq!(kept.nodes()[1].inputs, [d]);
        assert_eq!(remove_identity(graph, &Keep::All).nodes().len(), 3);
    }
}
