//! Values that are another one seen in another shape: they need neither memory nor time.

use deepinside_graph::{Node, NodeId, Op, ValueId};

use super::Lowerer;
use crate::Layout;

impl Lowerer<'_> {
    /// The layout of a value that has been computed.
    pub(super) fn layout_of(&self, value: ValueId) -> Layout {
        let stored = || self.program.tensors[self.program.of_value[&value]].layout;
        self.views.get(&value).copied().unwrap_or_else(stored)
    }

    /// Makes the result of a node a view of its operand, where it has the same numbers in the same order. Says whether it did.
    ///
    /// Both then share their gradient, too, which is the sum over the readers of both. So the result may not be observed; that
    /// of the operand is the same sum by definition.
    pub(super) fn is_view(&mut self, node: &Node) -> bool {
        let graph = self.graph;
        let shape = |value: ValueId| &graph.value(value).shape;
        let is_whole = || shape(node.inputs[0]) == shape(node.outputs[0]);
        let can_be = match &node.op {
            Op::Reshape(_) | Op::Transpose(_) => true,
            // Exporters cut and pad without looking whether there is anything to cut or to add.
            Op::Slice(_) => is_whole(),
            Op::Pad(op) => op.before.iter().chain(&op.behind).all(|&border| border == 0),
            _ => false,
        };
        if !can_be {
            return false;
        }
        let (operand, [result]) = (node.inputs[0], &node.outputs[..]) else { return false };
        let is_computed = self.producers[operand.index()].is_some();
        let Some(mut tensor) = self.program.of_value.get(&operand).copied() else { return false };
        if !is_computed || self.options.keep.contains(*result) {
            return false;
        }
        let own = self.layout_of(operand);
        if self.is_turned(node, own) {
            self.turned.insert(*result);
            self.program.of_value.insert(*result, tensor);
            self.views.insert(*result, Layout::Plain);
            return true;
        }
        let layout = match &node.op {
            Op::Reshape(_) => {
                tensor = self.in_layout(operand, Layout::Plain, &node.name);
                Layout::Plain
            }
            Op::Slice(_) | Op::Pad(_) => own,
            Op::Transpose(op) => {
                let layout = self.transposed_layout(op, own, *result);
                // The operand's axes in the order in which they lie, and where the result puts each of them.
                let rank = op.permutation.len();
                let mut places = vec![(0, 0); rank];
                for (axis, &from) in op.permutation.iter().enumerate() {
                    places[own.axis(from, rank)] = (layout.axis(axis, rank), shape(*result).extents()[axis]);
                }
                let long = places.iter().filter(|(_, extent)| *extent != 1).map(|(place, _)| place);
                if !long.is_sorted() {
                    return false;
                }
                layout
            }
            _ => return false,
        };
        self.program.of_value.insert(*result, tensor);
        self.views.insert(*result, layout);
        true
    }

    /// Whether a node exchanges the rows and columns of matrices that only products read, which can do that by themselves.
    fn is_turned(&self, node: &Node, own: Layout) -> bool {
        let Op::Transpose(op) = &node.op else { return false };
        let mut turned: Vec<usize> = (0..op.permutation.len()).collect();
        if let [.., rows, columns] = &mut turned[..] {
            std::mem::swap(rows, columns);
        }
        let multiplies = |reader: &NodeId| matches!(self.graph.node(*reader).op, Op::MatrixProduct(_));
        // What is turned twice would have to be told apart from what is turned once.
        let is_straight = !self.turned.contains(&node.inputs[0]);
        own == Layout::Plain
            && is_straight
            && op.permutation == turned
            && self.consumers[node.outputs[0].index()].iter().all(multiplies)
    }
}
