//! A step.

use super::function::{Function, Reads, Real};

/// 1 above the threshold, 0 elsewhere; its gradient is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The threshold.
    pub threshold: f32,
}

impl Function for Threshold {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        if x > R::of(self.threshold) { R::one() } else { R::zero() }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}
