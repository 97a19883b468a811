//! Cutting.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Cuts its operand along an axis into consecutive parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The axis.
    pub axis: usize,
    /// The extents of the parts, in order; they add up to the operand's extent.
    pub sizes: Vec<usize>,
}

impl Operator for Split {
    fn name(&self) -> &'static str {
        "Split"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let extent = expect_axis(inputs[0], self.axis)?;
        if self.sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) != Some(extent) {
            return Err(Inconsistency::new(
                "parts",
                format!("sizes that add up to {extent}"),
                format!("{:?}", self.sizes),
            ));
        }
        self.sizes.iter().map(|&size| inputs[0].with_extent(self.axis, size)).collect()
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {} into {:?}", self.axis, self.sizes)
    }
}
