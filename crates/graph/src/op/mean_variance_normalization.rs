//! Normalisation by the operand's own statistics.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Where ε is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpsilonPlacement {
    /// `√(variance + ε)`.
    InsideRoot,
    /// `√variance + ε`.
    OutsideRoot,
}

/// Subtracts the mean over some axes and, with `variance`, divides by the (biased) deviation over the same axes.
///
/// Operand: input. The gradient goes through the statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanVarianceNormalization {
    /// The axes over which the statistics are taken, increasing.
    pub axes: Vec<usize>,
    /// Whether the deviation is divided out.
    pub variance: bool,
    /// The ε against a division by zero.
    pub epsilon: f32,
    /// Where ε is added.
    pub placement: EpsilonPlacement,
}

impl Operator for MeanVarianceNormalization {
    fn name(&self) -> &'static str {
        "MeanVarianceNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        super::reduce::check_axes(inputs[0], &self.axes)?;
        for &axis in &self.axes {
            expect_axis(inputs[0], axis)?;
        }
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for MeanVarianceNormalization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "over axes {:?}", self.axes)?;
        if !self.variance {
            write!(formatter, ", mean only")
        } else {
            write!(formatter, ", ε {}", self.epsilon)
        }
    }
}
