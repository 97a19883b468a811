//! The rectifier.

use super::function::{Function, Reads, Real};

/// `max(x, 0)`; closed at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relu;

impl Function for Relu {
    fn reads(self) -> Reads {
        Reads::Value
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        // Written so that NaN comes through.
        if x < R::zero() { R::zero() } else { x }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        if v > R::zero() { g } else { R::zero() }
    }
}
