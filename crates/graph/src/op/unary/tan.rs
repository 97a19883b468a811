//! The tangent.

use super::function::{Function, Reads, Real};

/// The tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tan;

impl Function for Tan {
    fn reads(self) -> Reads {
        Reads::Value
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.tan()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * (R::one() + v * v)
    }
}
