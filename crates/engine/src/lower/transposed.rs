//! The layout of what a transposition gives.

use deepinside_graph::op::Transpose;
use deepinside_graph::{Op, ValueId};

use super::Lowerer;
use crate::Layout;
use crate::kernel::transpose::free_layout;

/// How many readers are asked, directly or behind each other.
const MOST: usize = 32;

impl Lowerer<'_> {
    /// The layout that leaves the elements where they are, if there is one and it suits those who read them. A transformer's
    /// tokens, read along their last axis by every layer, would be converted before each of them.
    pub(super) fn transposed_layout(&self, op: &Transpose, own: Layout, result: ValueId) -> Layout {
        match free_layout(op, own) {
            Some(Layout::ChannelsLast) if self.is_read_plainly(result) => Layout::Plain,
            free => free.unwrap_or(Layout::Plain),
        }
    }

    /// Whether the first reader that works along some axis, behind elementwise ones, wants the last axis innermost.
    fn is_read_plainly(&self, value: ValueId) -> bool {
        let mut asked = vec![value];
        let mut next = 0;
        while next < asked.len() && next < MOST {
            for &reader in &self.consumers[asked[next].index()] {
                let node = self.graph.node(reader);
                let rank = self.graph.value(asked[next]).shape.rank();
                match &node.op {
                    Op::InnerProduct(product) if product.axis > 1 => return true,
                    Op::MatrixProduct(_) => return true,
                    Op::MeanVarianceNormalization(op) if op.axes.last() == Some(&(rank - 1)) => return true,
                    Op::Softmax(op) if op.axis + 1 == rank => return true,
                    Op::Eltwise(_)
                    | Op::Binary(_)
                    | Op::Unary(_)
                    | Op::Select(_)
                    | Op::Concat(_)
                    | Op::Slice(_)
                    | Op::Pad(_) => asked.extend(&node.outputs),
                    _ => return false,
                }
            }
            next += 1;
        }
        false
    }
}
