//! The Gaussian error linear unit (Hendrycks and Gimpel 2016) and its approximation.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::function::{Function, Reads, Real};
use super::sigmoid::logistic;

/// `x · (1 + erf(x/√2)) / 2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gelu;

impl Function for Gelu {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        R::of(0.5) * x * (-x * R::of(FRAC_1_SQRT_2)).erfc()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let density =
            (R::of(-0.5) * v * v).exp() * (R::of(0.5) * R::of(FRAC_1_SQRT_2) * R::of(FRAC_2_SQRT_PI));
        g * (R::of(0.5) * (-v * R::of(FRAC_1_SQRT_2)).erfc() + v * density)
    }
}

/// `x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApproximateGelu;

impl Function for ApproximateGelu {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x * logistic(R::of(2.0) * argument(x))
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let gate = logistic(R::of(2.0) * argument(v));
        // Written so that a gate of 0 stops the square of a huge argument.
        let slope =
            R::of(FRAC_1_SQRT_2) * R::of(FRAC_2_SQRT_PI) * (R::one() + R::of(3.0) * R::of(CUBIC) * v * v);
        let curve = R::of(2.0) * gate * (R::one() - gate);
        g * (gate + if curve > R::zero() { v * curve * slope } else { R::zero() })
    }
}

/// The factor of the cube in the approximation.
const CUBIC: f64 = 0.044_715;

/// `√(2/π) (x + 0.044715 x³)`.
#[inline(always)]
fn argument<R: Real>(x: R) -> R {
    R::of(FRAC_1_SQRT_2) * R::of(FRAC_2_SQRT_PI) * (x + R::of(CUBIC) * x * x * x)
}
