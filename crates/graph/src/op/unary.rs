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
    /// `x · (1 + erf(x/√2)) / 2`, or its approximation `x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2` (Hendrycks and
    /// Gimpel 2016).
    Gelu {
        /// Whether it is the approximation.
        approximate: bool,
    },
    /// `min(max(αx + β, 0), 1)`.
    HardSigmoid {
        /// The slope α.
        alpha: f32,
        /// The offset β.
        beta: f32,
    },
    /// `x · min(max(x/6 + 1/2, 0), 1)` (Howard et al. 2019, §5.2).
    HardSwish,
    /// `x · tanh(ln(1 + eˣ))` (Misra 2019).
    Mish,
    /// `x / (1 + |x|)`.
    Softsign,
    /// The error function.
    Erf,
    /// −1, 0 or 1; its gradient is zero.
    Sign,
    /// A neighbouring whole number; its gradient is zero.
    Round(Rounding),
    /// 1 above the threshold, 0 elsewhere; its gradient is zero.
    Threshold {
        /// The threshold.
        threshold: f32,
    },
}

/// Which of two neighbouring whole numbers is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// The one below.
    Down,
    /// The one above.
    Up,
    /// The nearer one; halfway the even one.
    Nearest,
    /// The one nearer to zero, as conversions to whole numbers do.
    TowardsZero,
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
            Self::Gelu { .. } => "Gelu",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::Mish => "Mish",
            Self::Softsign => "Softsign",
            Self::Erf => "Erf",
            Self::Sign => "Sign",
            Self::Round(_) => "Round",
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
            Self::Gelu { approximate: true } => formatter.write_str("approximate"),
            Self::HardSigmoid { alpha, beta } => write!(formatter, "α {alpha}, β {beta}"),
            Self::Round(rounding) => write!(formatter, "{rounding:?}"),
            Self::Threshold { threshold } => write!(formatter, "above {threshold}"),
            _ => Ok(()),
        }
    }
}
