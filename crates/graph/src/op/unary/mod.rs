//! Elementwise functions of one operand: one file each, with the value and the derivative.

mod absolute;
mod acos;
mod acosh;
mod asin;
mod asinh;
mod atan;
mod atanh;
mod clip;
mod cos;
mod cosh;
mod detach;
mod elu;
mod erf;
mod exponential;
mod function;
mod gelu;
mod hard_sigmoid;
mod hard_swish;
mod is_infinite;
mod is_nan;
mod leaky_relu;
mod logarithm;
mod mish;
mod power;
mod relu;
mod round;
mod sigmoid;
mod sign;
mod sin;
mod sinh;
mod softplus;
mod softsign;
mod straight_through;
mod swish;
mod tan;
mod tanh;
mod threshold;

use std::fmt;

pub use function::{Function, Reads, Real};

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
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The tangent.
    Tan,
    /// The inverse sine.
    Asin,
    /// The inverse cosine.
    Acos,
    /// The inverse tangent.
    Atan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The inverse hyperbolic sine.
    Asinh,
    /// The inverse hyperbolic cosine.
    Acosh,
    /// The inverse hyperbolic tangent.
    Atanh,
    /// 1 where `x` is not a number, 0 elsewhere; its gradient is zero.
    IsNan,
    /// 1 where `x` is infinite, 0 elsewhere; its gradient is zero.
    IsInfinite {
        /// Whether −∞ counts.
        negative: bool,
        /// Whether +∞ counts.
        positive: bool,
    },
    /// The nearest whole number, halfway the even one, with the gradient of the identity: the
    /// rounding of quantised networks, passed straight through.
    StraightThrough,
    /// `x`, counted as a constant on the way back.
    Detach,
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

/// Something done with a [`Function`].
pub trait Visitor {
    /// What it gives.
    type Output;

    /// Does it.
    fn visit(self, function: impl Function) -> Self::Output;
}

impl Unary {
    /// Hands the function over; compiled for each function by itself, so that loops over it are fast.
    pub fn accept<V: Visitor>(self, visitor: V) -> V::Output {
        match self {
            Self::Relu { negative_slope: 0.0 } => visitor.visit(relu::Relu),
            Self::Relu { negative_slope } => visitor.visit(leaky_relu::LeakyRelu { negative_slope }),
            Self::Clip { minimum, maximum } => visitor.visit(clip::Clip { minimum, maximum }),
            Self::Elu { alpha } => visitor.visit(elu::Elu { alpha }),
            Self::Sigmoid => visitor.visit(sigmoid::Sigmoid),
            Self::Tanh => visitor.visit(tanh::Tanh),
            Self::Absolute => visitor.visit(absolute::Absolute),
            Self::Power { power: exponent, scale, shift } => {
                let base = power::Line { scale, shift };
                match exponent {
                    0.0 => visitor.visit(power::Always(1.0)),
                    _ if scale == 0.0 => visitor.visit(power::Always(shift.powf(exponent))),
                    1.0 => visitor.visit(power::Affine(base)),
                    2.0 => visitor.visit(power::Square(base)),
                    0.5 => visitor.visit(power::SquareRoot(base)),
                    -1.0 => visitor.visit(power::Reciprocal(base)),
                    _ => visitor.visit(power::Power { base, power: exponent }),
                }
            }
            Self::Exponential { inner_scale, outer_scale } => {
                visitor.visit(exponential::Exponential { inner_scale, outer_scale })
            }
            Self::Logarithm { scale, shift, outer_scale } => {
                visitor.visit(logarithm::Logarithm { scale, shift, outer_scale })
            }
            Self::Softplus => visitor.visit(softplus::Softplus),
            Self::Swish { beta } => visitor.visit(swish::Swish { beta }),
            Self::Gelu { approximate: false } => visitor.visit(gelu::Gelu),
            Self::Gelu { approximate: true } => visitor.visit(gelu::ApproximateGelu),
            Self::HardSigmoid { alpha, beta } => visitor.visit(hard_sigmoid::HardSigmoid { alpha, beta }),
            Self::HardSwish => visitor.visit(hard_swish::HardSwish),
            Self::Mish => visitor.visit(mish::Mish),
            Self::Softsign => visitor.visit(softsign::Softsign),
            Self::Erf => visitor.visit(erf::Erf),
            Self::Sign => visitor.visit(sign::Sign),
            Self::Round(Rounding::Down) => visitor.visit(round::Floor),
            Self::Round(Rounding::Up) => visitor.visit(round::Ceil),
            Self::Round(Rounding::Nearest) => visitor.visit(round::RoundTiesEven),
            Self::Round(Rounding::TowardsZero) => visitor.visit(round::Truncate),
            Self::Threshold { threshold } => visitor.visit(threshold::Threshold { threshold }),
            Self::Sin => visitor.visit(sin::Sin),
            Self::Cos => visitor.visit(cos::Cos),
            Self::Tan => visitor.visit(tan::Tan),
            Self::Asin => visitor.visit(asin::Asin),
            Self::Acos => visitor.visit(acos::Acos),
            Self::Atan => visitor.visit(atan::Atan),
            Self::Sinh => visitor.visit(sinh::Sinh),
            Self::Cosh => visitor.visit(cosh::Cosh),
            Self::Asinh => visitor.visit(asinh::Asinh),
            Self::Acosh => visitor.visit(acosh::Acosh),
            Self::Atanh => visitor.visit(atanh::Atanh),
            Self::IsNan => visitor.visit(is_nan::IsNan),
            Self::IsInfinite { negative, positive } => {
                visitor.visit(is_infinite::IsInfinite { negative, positive })
            }
            Self::StraightThrough => visitor.visit(straight_through::StraightThrough),
            Self::Detach => visitor.visit(detach::Detach),
        }
    }
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
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::Tan => "Tan",
            Self::Asin => "Asin",
            Self::Acos => "Acos",
            Self::Atan => "Atan",
            Self::Sinh => "Sinh",
            Self::Cosh => "Cosh",
            Self::Asinh => "Asinh",
            Self::Acosh => "Acosh",
            Self::Atanh => "Atanh",
            Self::IsNan => "IsNan",
            Self::IsInfinite { .. } => "IsInfinite",
            Self::StraightThrough => "StraightThrough",
            Self::Detach => "Detach",
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
            Self::IsInfinite { negative: true, positive: false } => formatter.write_str("−∞"),
            Self::IsInfinite { negative: false, positive: true } => formatter.write_str("+∞"),
            _ => Ok(()),
        }
    }
}
