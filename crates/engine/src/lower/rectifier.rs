//! Where rectifiers are computed, and where they stop gradients.

use deepinside_graph::op::{Eltwise, PoolKind, Unary};
use deepinside_graph::{Node, NodeId, Op, ValueId};

use super::Lowerer;
use crate::BackwardRule;
use crate::kernel::activation::Activation;

impl Lowerer<'_> {
    /// The rectifier that is the only one to read the result of a convolution, a normalisation with stored statistics or a sum, where that
    /// result is not observed, or by nothing but the maxima of its channels, which are taken before it is rectified where it lies.
    pub(super) fn rectifier_behind(&self, node: &Node) -> Option<(NodeId, Activation)> {
        let (Op::BatchNormalization(_) | Op::Convolution(_) | Op::Eltwise(Eltwise::Sum { .. })) = node.op
        else {
            return None;
        };
        // Under a rule that no fused gate knows each rectifier has a kernel of its own.
        self.options.rule.asks()?;
        let result = node.outputs[0];
        let [consumer] = self.consumers[result.index()][..] else { return None };
        let Op::Unary(function) = &self.graph.node(consumer).op else { return None };
        let is_observed = self.options.keep.contains(result) && !self.is_rectified_afterwards(result);
        if is_observed || self.graph.outputs().contains(&result) {
            return None;
        }
        Some((consumer, Activation::of(function)?))
    }

    /// Whether what a kernel writes is rectified only when the maxima of its channels were taken.
    pub(super) fn is_rectified_afterwards(&self, value: ValueId) -> bool {
        self.options.only_maxima.contains(&value) && self.whole.value(value).shape.rank() > 2
    }

    /// The rectifier of the values whose maxima a node takes, if it can be left to them to stop gradients: it is shut for all maxima of one
    /// element or for none, so a maximum that it stops needs no position, and what the maxima were taken of is not read again.
    ///
    /// Only for the gradient itself: other rules ask for the sign of the sum of what comes back from all maxima of an element.
    fn gate_of_maxima(&self, node: &Node) -> Option<Activation> {
        let Op::Pool(pool) = &node.op else { return None };
        let taken = pool.kind == PoolKind::Maximum && !pool.with_positions;
        if !taken || self.options.rule != BackwardRule::Gradient || !self.options.backward {
            return None;
        }
        let value = node.inputs[0];
        let producer = self.graph.node(self.producers[value.index()]?);
        if !matches!(producer.op, Op::Concat(_)) {
            return self.rectifier_of(value);
        }
        if !self.is_private(value) {
            return None;
        }
        let written_in_place = producer.inputs.iter().all(|input| self.parts.contains_key(input));
        let first = self.rectifier_of(*producer.inputs.first()?)?;
        let alike = producer.inputs.iter().all(|&input| self.rectifier_of(input) == Some(first));
        (written_in_place && alike).then_some(first)
    }

    /// Finds the maxima that stop gradients in the place of a rectifier.
    pub(super) fn find_gates(&mut self) {
        let gate = |node: &Node| Some((*node.outputs.first()?, self.gate_of_maxima(node)?));
        self.gates = self.graph.nodes().iter().filter_map(gate).collect();
    }

    /// Whether the maxima of a rectified value, which may be a part of a concatenation, stop gradients in the rectifier's place.
    pub(super) fn is_stopped_by_maxima(&self, result: ValueId) -> bool {
        let reader = |value: ValueId| match self.consumers[value.index()][..] {
            [reader] => Some(self.graph.node(reader)),
            _ => None,
        };
        let Some(first) = reader(result) else { return false };
        let last = if matches!(first.op, Op::Concat(_)) { reader(first.outputs[0]) } else { Some(first) };
        last.is_some_and(|node| self.gates.contains_key(&node.outputs[0]))
    }

    /// The rectifier that made a value which one node reads and which is not observed, where it is computed by the kernel before it.
    fn rectifier_of(&self, value: ValueId) -> Option<Activation> {
        let rectifier = self.producers[value.index()]?;
        let argument = *self.graph.node(rectifier).inputs.first()?;
        let before = self.graph.node(self.producers[argument.index()]?);
        let (fused, activation) = self.rectifier_behind(before)?;
        (fused == rectifier && self.is_private(value)).then_some(activation)
    }

    /// Whether nothing uses the gradient of an element of this value that is zero: on its way back it meets nothing but
    /// copies and maxima before a rectifier, which stops it there.
    pub(super) fn dead_at_zero(&self, mut value: ValueId) -> bool {
        if !matches!(self.options.rule, BackwardRule::Gradient | BackwardRule::Guided) {
            return false;
        }
        loop {
            let Some(producer) = self.producers[value.index()] else { return false };
            if self.options.keep.contains(value) {
                return false;
            }
            let node = self.graph.node(producer);
            match &node.op {
                Op::Unary(Unary::Relu { negative_slope: 0.0 }) => return true,
                Op::Identity(_) | Op::Reshape(_) => value = node.inputs[0],
                // An average over one element is a copy: so networks say that their size already fits.
                Op::Pool(pool)
                    if pool.kind == PoolKind::Maximum
                        || pool.window.kernel.iter().all(|&extent| extent == 1) =>
                {
                    value = node.inputs[0];
                }
                _ => return false,
            }
        }
    }
}
