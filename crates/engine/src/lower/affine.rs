//! Scales and shifts that the kernel of a normalisation applies to its result.

use deepinside_graph::op::Eltwise;
use deepinside_graph::{Node, NodeId, Op};

use super::Lowerer;
use crate::Layout;
use crate::kernel::mean_variance_normalization::{Affine, along_rows, row_length};

impl Lowerer<'_> {
    /// The product with a constant and the sum with one, in this order and each the only reader of what is before it, that
    /// follow a normalisation of rows; what lies between is not observed.
    pub(super) fn affine_behind(&self, node: &Node, layout: Layout) -> (Vec<NodeId>, Affine) {
        let (mut nodes, mut affine) = (Vec::new(), Affine::default());
        let Op::MeanVarianceNormalization(op) = &node.op else { return (nodes, affine) };
        let shape = &self.graph.value(node.inputs[0]).shape;
        // The constant's numbers lie as the row's do.
        let in_order = layout == Layout::Plain || op.axes.len() == 1;
        if row_length(op, shape, layout).is_none() || !in_order {
            return (nodes, affine);
        }
        let mut result = node.outputs[0];
        while self.is_private(result) {
            let [reader] = self.consumers[result.index()][..] else { break };
            let Node { op: Op::Eltwise(operation), inputs, outputs, .. } = self.graph.node(reader) else {
                break;
            };
            let [first, second] = inputs[..] else { break };
            let other = self.graph.value(if first == result { second } else { first });
            if self.graph.value(outputs[0]).shape != *shape {
                break;
            }
            let Some(numbers) = other.weights().and_then(|weights| along_rows(op, shape, weights)) else {
                break;
            };
            match operation {
                Eltwise::Product if affine == Affine::default() => affine.scale = Some(numbers),
                Eltwise::Sum { coefficients } if affine.shift.is_none() && coefficients[..] == [1.0, 1.0] => {
                    affine.shift = Some(numbers);
                }
                _ => break,
            }
            nodes.push(reader);
            result = outputs[0];
        }
        (nodes, affine)
    }
}
