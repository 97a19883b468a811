//! Steps that take the maxima of layers as soon as these are computed.

use std::collections::HashMap;

use deepinside_graph::{Inconsistency, Shape, ValueId};

use super::{Lowerer, Step, TensorId};
use crate::Layout;
use crate::kernel::activation::Activation;
use crate::kernel::channel_maxima;
use crate::kernel::convolution::Part;

impl Lowerer<'_> {
    /// Puts behind the last step that writes each of these values one that takes its maxima. What no step writes has none.
    pub(super) fn add_channel_maxima(&mut self, values: &[ValueId]) {
        // A concatenation is written by several steps.
        let writers = self.program.steps.iter().enumerate();
        let writer: HashMap<TensorId, usize> = writers
            .flat_map(|(index, step)| step.results.iter().map(move |&result| (result, index)))
            .collect();
        let mut behind: Vec<(usize, Step)> = Vec::new();
        for &value in values {
            let Some(&tensor) = self.program.of_value.get(&value) else { continue };
            let Some(&index) = writer.get(&tensor) else { continue };
            if self.program.maxima.contains_key(&value) {
                continue;
            }
            if let Some(step) = self.channel_maxima(value, tensor, index) {
                self.program.maxima.insert(value, step.results[0]);
                behind.push((index, step));
            }
        }
        behind.sort_by_key(|(index, _)| *index);
        let mut behind = behind.into_iter().peekable();
        for (index, step) in std::mem::take(&mut self.program.steps).into_iter().enumerate() {
            self.program.steps.push(step);
            while let Some((_, step)) = behind.next_if(|(after, _)| *after == index) {
                self.program.steps.push(step);
            }
        }
    }

    /// Takes the maxima of a value that was written to a tensor, or to a part of one, and rectifies it there: one pass over its numbers
    /// instead of three, and convolutions can write it where it is joined to others.
    pub(super) fn rectify_afterwards(
        &mut self,
        value: ValueId,
        tensor: TensorId,
        activation: Activation,
        part: Option<Part>,
    ) -> Result<(), Inconsistency> {
        let known = self.whole.value(value);
        let maxima = Shape::new([known.shape.extents()[0], known.shape.extents()[1], 2])?;
        let of_one_run = &self.graph.value(value).shape;
        let layout = self.program.tensors[tensor].layout;
        let kernel = channel_maxima::rectifying(of_one_run, layout, activation, part);
        let result = self.tensor(maxima, Layout::Plain);
        self.program.maxima.insert(value, result);
        self.program.steps.push(Step {
            name: format!("{} (maxima)", known.name),
            stage: self.stage,
            kernel,
            operands: Vec::new(),
            results: vec![result, tensor],
            operations: 0,
            bytes: 8 * known.shape.elements() as u64,
        });
        Ok(())
    }

    fn channel_maxima(&mut self, value: ValueId, tensor: TensorId, writer: usize) -> Option<Step> {
        let stage = self.program.steps[writer].stage;
        let known = self.whole.value(value);
        if known.shape.rank() < 3 {
            return None;
        }
        let (pictures, channels) = (known.shape.extents()[0], known.shape.extents()[1]);
        let mut extents = known.shape.extents().to_vec();
        extents[0] /= self.program.runs[stage];
        let part = Shape::new(extents).ok()?;
        let kernel = channel_maxima::kernel(&part, self.layout_of(value));
        let result = self.tensor(Shape::new([pictures, channels, 2]).ok()?, Layout::Plain);
        Some(Step {
            name: format!("{} (maxima)", known.name),
            stage,
            kernel,
            operands: vec![tensor],
            results: vec![result],
            operations: 0,
            bytes: 4 * known.shape.elements() as u64,
        })
    }
}
