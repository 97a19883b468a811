//! The inverse hyperbolic sine.

use super::function::{Function, Reads, Real};

/// The inverse hyperbolic sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asinh;

impl Function for Asinh {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.asinh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        // Not the root of a square: it overflows long before the derivative vanishes.
        g / v.hypot(R::one())
    }
}
