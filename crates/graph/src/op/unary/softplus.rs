//! The smooth rectifier.

use super::function::{Function, Reads, Real};
use super::sigmoid::logistic;

/// `ln(1 + eˣ)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softplus;

impl Function for Softplus {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        softplus(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * logistic(v)
    }
}

/// `ln(1 + eˣ)` without overflow.
#[inline(always)]
pub(super) fn softplus<R: Real>(x: R) -> R {
    if x > R::zero() { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}
