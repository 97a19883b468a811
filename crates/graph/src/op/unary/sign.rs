//! The sign.

use super::function::{Function, Reads, Real};

/// −1, 0 or 1; its gradient is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sign;

impl Function for Sign {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        sign(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}

/// −1, 0 or 1.
#[inline(always)]
pub(super) fn sign<R: Real>(x: R) -> R {
    if x > R::zero() {
        R::one()
    } else if x < R::zero() {
        -R::one()
    } else {
        R::zero()
    }
}
