//! Rounding whose gradient is that of the identity.

use super::function::{Function, Reads, Real};

/// The nearest whole number, halfway the even one, which passes the gradient as if nothing were
/// rounded: the straight-through estimator (Bengio, Léonard, Courville 2013, §4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StraightThrough;

impl Function for StraightThrough {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        Real::round_ties_even(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, g: R) -> R {
        g
    }
}
