//! What is no number.

use super::function::{Function, Reads, Real};

/// 1 where `x` is not a number, 0 elsewhere; its gradient is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsNan;

impl Function for IsNan {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        if x.is_nan() { R::one() } else { R::zero() }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}
