//! Interpolation along an axis.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Makes each position of an axis a weighted sum of a few of the operand's positions: linear and cubic resizing, one axis at
/// a time.
///
/// Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Resample {
    /// The axis.
    pub axis: usize,
    /// For each position of the result the operand's positions with their weights.
    pub taps: Vec<Vec<(usize, f32)>>,
}

impl Operator for Resample {
    fn name(&self) -> &'static str {
        "Resample"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let extent = expect_axis(inputs[0], self.axis)?;
        if let Some((position, _)) = self.taps.iter().flatten().find(|(position, _)| *position >= extent) {
            return Err(Inconsistency::new(
                format!("position along axis {}", self.axis),
                format!("below {extent}"),
                position,
            ));
        }
        Ok(vec![inputs[0].with_extent(self.axis, self.taps.len())?])
    }
}

impl fmt::Display for Resample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {} to {}", self.axis, self.taps.len())
    }
}
