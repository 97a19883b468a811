//! Fully connected layers.

use std::fmt;

use super::{Operator, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// A fully connected layer: the axes from `axis` on are flattened to `K` numbers and multiplied with a matrix.
///
/// Operands: input, weights `O × K` (or `K × O` when `transposed`), [bias `O`]. The result keeps the axes before `axis`
/// and ends in `O`.
#[derive(Debug, Clone, PartialEq)]
pub struct InnerProduct {
    /// The first axis that is flattened.
    pub axis: usize,
    /// Whether the weights are stored `K × O`.
    pub transposed: bool,
}

impl Operator for InnerProduct {
    fn name(&self) -> &'static str {
        "InnerProduct"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=3)?;
        if self.axis > inputs[0].rank() {
            return Err(Inconsistency::new("axis", format!("at most {}", inputs[0].rank()), self.axis));
        }
        let flattened = inputs[0].product(self.axis..inputs[0].rank());
        let outputs = inputs[1].extent(usize::from(self.transposed)).unwrap_or(0);
        let expected = if self.transposed { [flattened, outputs] } else { [outputs, flattened] };
        expect_shape("weights", inputs[1], &expected)?;
        if let Some(bias) = inputs.get(2) {
            expect_shape("bias", bias, &[outputs])?;
        }
        let mut extents = inputs[0].extents()[..self.axis].to_vec();
        extents.push(outputs);
        Ok(vec![Shape::new(extents)?])
    }
}

impl fmt::Display for InnerProduct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.axis != 1 { write!(formatter, "from axis {}", self.axis) } else { Ok(()) }
    }
}
