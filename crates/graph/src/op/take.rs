//! Elements at given positions.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// The slices of an axis at given positions, in their order, each as often as it is named: NumPy's `take`. A slice with
/// steps, a mirrored border and an enlargement by repeating are all of this kind.
///
/// Operand: input. The gradient of a slice is the sum over the places where it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// The axis.
    pub axis: usize,
    /// The positions, each below the operand's extent.
    pub positions: Vec<usize>,
}

impl Operator for Take {
    fn name(&self) -> &'static str {
        "Take"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let extent = expect_axis(inputs[0], self.axis)?;
        if let Some(position) = self.positions.iter().find(|&&position| position >= extent) {
            return Err(Inconsistency::new(
                format!("position along axis {}", self.axis),
                format!("below {extent}"),
                position,
            ));
        }
        Ok(vec![inputs[0].with_extent(self.axis, self.positions.len())?])
    }
}

impl fmt::Display for Take {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} positions of axis {}", self.positions.len(), self.axis)
    }
}
