//! From probabilities back to scores.

use crate::{Graph, Op};

/// Makes the operand of a final softmax the network's result.
///
/// The class model and the saliency map need the *unnormalised* score: the posterior can also be raised by lowering the
/// other classes (Simonyan, Vedaldi, Zisserman 2013, §2).
pub fn cut_softmax(mut graph: Graph) -> Graph {
    let producers = graph.producers();
    for position in 0..graph.outputs.len() {
        let mut value = graph.outputs[position];
        // Dropout, splits and flattening between softmax and result are looked through.
        while let Some(node) = producers[value.index()].map(|id| graph.node(id)) {
            match node.op {
                Op::Softmax(_) | Op::LogSoftmax(_) => {
                    graph.outputs[position] = node.inputs[0];
                    break;
                }
                Op::Identity(_) | Op::Reshape(_) => value = node.inputs[0],
                _ => break,
            }
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Reshape, Softmax, Unary};
    use crate::{GraphBuilder, Shape};

    #[test]
    fn cuts_behind_a_reshape_and_nothing_else() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 5, 1, 1]).unwrap()).unwrap();
        let score = builder.node("tanh", Unary::Tanh, &[x], &["score"]).unwrap()[0];
        let prob = builder.node("softmax", Softmax { axis: 1 }, &[score], &["prob"]).unwrap()[0];
        let flat = builder.node("flat", Reshape::flatten(4, 1, 4), &[prob], &["flat"]).unwrap()[0];
        let graph = cut_softmax(builder.finish(&[flat, score]));
        assert_eq!(graph.outputs(), [score, score]);
    }
}
