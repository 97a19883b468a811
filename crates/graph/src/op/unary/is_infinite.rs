//! What is infinite.

use super::function::{Function, Reads, Real};

/// 1 where `x` is infinite, 0 elsewhere; its gradient is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsInfinite {
    /// Whether −∞ counts.
    pub negative: bool,
    /// Whether +∞ counts.
    pub positive: bool,
}

impl Function for IsInfinite {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let counts = self.negative && x == R::neg_infinity() || self.positive && x == R::infinity();
        if counts { R::one() } else { R::zero() }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}
