//! The logistic function.

use super::function::{Function, Reads, Real};

/// `1 / (1 + e⁻ˣ)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid;

impl Function for Sigmoid {
    fn reads(self) -> Reads {
        Reads::Value
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        logistic(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * v * (R::one() - v)
    }
}

/// `1 / (1 + e⁻ˣ)`: an exponential that overflows gives 0, which is right.
#[inline(always)]
pub(super) fn logistic<R: Real>(x: R) -> R {
    R::one() / (R::one() + (-x).exp())
}
