//! The logarithm of softmax.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// `x − ln Σ exp(x)` along an axis, computed without overflow and without the loss of a logarithm of tiny numbers.
/// Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSoftmax {
    /// The axis whose exponentials sum to one.
    pub axis: usize,
}

impl Operator for LogSoftmax {
    fn name(&self) -> &'static str {
        "LogSoftmax"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        expect_axis(inputs[0], self.axis)?;
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for LogSoftmax {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "axis {}", self.axis)
    }
}
