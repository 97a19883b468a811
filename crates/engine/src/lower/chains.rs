//! Convolutions that are computed in one kernel with the one behind them.

use deepinside_graph::{Inconsistency, NodeId, ValueId};

use super::Lowerer;
use crate::Layout;
use crate::kernel::Kernel;
use crate::kernel::activation::Activation;
use crate::kernel::chain::{self, Link};
use crate::kernel::convolution::Part;

impl Lowerer<'_> {
    /// The kernel of a node together with the one before.
    pub(super) fn chain(
        &self,
        (first, activation): (NodeId, Option<Activation>),
        second: Link<'_>,
        place: Option<Part>,
    ) -> Result<Box<dyn Kernel>, Inconsistency> {
        let node = self.graph.node(first);
        let shapes = self.operand_shapes(node);
        let lowering = self.lowering(node, &shapes, (self.chain_layout(first), Layout::ChannelsLast));
        chain::lower(Link { node, lowering: &lowering, activation }, second, place)
    }

    /// The layout in which a node that is computed with the next one reads its operand.
    pub(super) fn chain_layout(&self, first: NodeId) -> Layout {
        let input = self.graph.node(first).inputs[0];
        chain::operand_layout(&self.graph.value(input).shape, self.layout_of(input))
    }

    /// Finds the convolutions whose results no node reads or observes but one that is computed in one kernel with them, where no
    /// backward pass reads them either.
    pub(super) fn find_chains(&mut self) {
        if self.options.backward {
            return;
        }
        for (index, node) in self.graph.nodes().iter().enumerate() {
            let shape = |value: ValueId| &self.graph.value(value).shape;
            let (Some(&input), [output]) = (node.inputs.first(), &node.outputs[..]) else { continue };
            if self.graph.value(input).weights().is_some()
                || self.options.keep.contains(*output)
                || !chain::can_begin(&node.op, shape(input), shape(*output))
            {
                continue;
            }
            let rectifier = self.rectifier_behind(node);
            let result = rectifier.map_or(*output, |(fused, _)| self.graph.node(fused).outputs[0]);
            let [reader] = self.consumers[result.index()][..] else { continue };
            let reader = self.graph.node(reader);
            let Some(id) = self.producers[output.index()] else { continue };
            if reader.inputs[0] == result
                && self.is_private(result)
                && chain::can_end(&reader.op, shape(result), shape(reader.outputs[0]))
            {
                self.fused.insert(index);
                self.fused.extend(rectifier.map(|(fused, _)| fused.index()));
                self.chains.insert(result, (id, rectifier.map(|(_, activation)| activation)));
            }
        }
    }
}
