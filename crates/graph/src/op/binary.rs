//! Elementwise functions of two operands.

use std::fmt;

use super::{Operator, broadcast, expect_inputs};
use crate::{Inconsistency, Shape};

/// An elementwise function of two operands, with NumPy's broadcasting (see [`Eltwise`](super::Eltwise), which has the
/// functions that take any number of operands).
///
/// Comparisons give 1 where they hold and 0 elsewhere; their gradients, and those of functions of bits, are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binary {
    /// `a / b`.
    Divide,
    /// `aᵇ`. The gradient to the exponent is 0 where `a` is not positive.
    Power,
    /// `a = b`.
    Equal,
    /// `a > b`.
    Greater,
    /// `a ≥ b`.
    GreaterOrEqual,
    /// `a < b`.
    Less,
    /// `a ≤ b`.
    LessOrEqual,
    /// The bits that both of two whole numbers have, negative ones in two's complement.
    BitwiseAnd,
    /// The bits that either has.
    BitwiseOr,
    /// The bits that only one of them has.
    BitwiseXor,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self {
            Self::Divide => "Divide",
            Self::Power => "BinaryPower",
            Self::Equal => "Equal",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::BitwiseAnd => "BitwiseAnd",
            Self::BitwiseOr => "BitwiseOr",
            Self::BitwiseXor => "BitwiseXor",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        Ok(vec![broadcast(inputs[0], inputs[1])?])
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
