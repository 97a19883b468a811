//! Repeating.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Repeats its operand along an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// The axis.
    pub axis: usize,
    /// How often, at least once.
    pub repeats: usize,
}

impl Operator for Tile {
    fn name(&self) -> &'static str {
        "Tile"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let extent = expect_axis(inputs[0], self.axis)?;
        if self.repeats == 0 {
            return Err(Inconsistency::new("repeats", "at least 1", 0));
        }
        Ok(vec![inputs[0].with_extent(self.axis, extent.saturating_mul(self.repeats))?])
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {} × {}", self.axis, self.repeats)
    }
}
