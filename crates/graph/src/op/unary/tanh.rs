//! The hyperbolic tangent.

use super::function::{Function, Reads, Real};

/// The hyperbolic tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tanh;

impl Function for Tanh {
    fn reads(self) -> Reads {
        Reads::Value
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.tanh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * (R::one() - v * v)
    }
}
