//! Joining.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Joins operands along an axis; all other extents must be equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=usize::MAX)?;
        let mut extent = expect_axis(inputs[0], self.axis)?;
        for input in &inputs[1..] {
            let own = expect_axis(input, self.axis)?;
            if input.rank() != inputs[0].rank()
                || *inputs[0] != input.with_extent(self.axis, inputs[0].extents()[self.axis])?
            {
                return Err(Inconsistency::new(
                    "inputs",
                    format!("shapes that differ from {} only along axis {}", inputs[0], self.axis),
                    input,
                ));
            }
            extent = extent.saturating_add(own);
        }
        Ok(vec![inputs[0].with_extent(self.axis, extent)?])
    }
}

impl fmt::Display for Concat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {}", self.axis)
    }
}
