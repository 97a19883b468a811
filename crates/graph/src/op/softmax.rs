//! Softmax.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// `exp(x) / Σ exp(x)` along an axis, computed without overflow. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// The axis that sums to one.
    pub axis: usize,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        "Softmax"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        expect_axis(inputs[0], self.axis)?;
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for Softmax {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {}", self.axis)
    }
}
