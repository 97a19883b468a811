//! Elementwise functions of one operand.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Unary {
    /// `max(x, 0) + negative_slope · min(x, 0)`.
    Relu {
        /// The slope for negative arguments; 0 for the plain rectifier.
        negative_slope: f32,
    },
    /// `min(max(x, minimum), maximum)`; ReLU6 is 0 to 6.
    Clip {
        /// The lower bound.
        minimum: f32,
        /// The upper bound.
        maximum: f32,
    },
    /// `x` for positive `x`, `α (eˣ − 1)` otherwise.
    Elu {
        /// The α.
        alpha: f32,
    },
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `|x|`.
    Absolute,
    /// `(shift + scale · x)^power`.
    Power {
        /// The exponent.
        power: f32,
        /// What the argument is multiplied with.
        scale: f32,
        /// What is added then.
        shift: f32,
    },
    /// `outer_scale · exp(inner_scale · x)`.
    Exponential {
        /// What the argument is multiplied with.
        inner_scale: f32,
        /// What the exponential is multiplied with.
        outer_scale: f32,
    },
    /// `outer_scale · ln(scale · x + shift)`.
    Logarithm {
        /// What the argument is multiplied with.
        scale: f32,
        /// What is added then.
        shift: f32,
        /// What the logarithm is multiplied with.
        outer_scale: f32,
    },
    /// `ln(1 + eˣ)` (Caffe's BNLL).
    Softplus,
    /// `x / (1 + e^(−βx))`.
    Swish {
        /// The β.
        beta: f32,
    },
    /// 1 above the threshold, 0 elsewhere; its gradient is zero.
    Threshold {
        /// The threshold.
        threshold: f32,
    },
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu { .. } => "Relu",
            Self::Clip { .. } => "Clip",
            Self::Elu { .. } => "Elu",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Absolute => "Absolute",
            Self::Power { .. } => "Power",
            Self::Exponential { .. } => "Exponential",
            Self::Logarithm { .. } => "Logarithm",
            Self::Softplus => "Softplus",
            Self::Swish { .. } => "Swish",
            Self::Threshold { .. } => "Threshold",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for Unary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relu { negative_slope } if *negative_slope != 0.0 => {
                write!(formatter, "slope {negative_slope}")
            }
            Self::Clip { minimum, maximum } => write!(formatter, "{minimum} to {maximum}"),
            Self::Elu { alpha } => write!(formatter, "α {alpha}"),
            Self::Power { power, scale, shift } => write!(formatter, "({scale}·x + {shift})^{power}"),
            Self::Exponential { inner_scale, outer_scale } => {
                write!(formatter, "{outer_scale}·exp({inner_scale}·x)")
            }
            Self::Logarithm { scale, shift, outer_scale } => {
                write!(formatter, "{outer_scale}·ln({scale}·x + {shift})")
            }
            Self::Swish { beta } => write!(formatter, "β {beta}"),
            Self::Threshold { threshold } => write!(formatter, "above {threshold}"),
            _ => Ok(()),
        }
    }
}
