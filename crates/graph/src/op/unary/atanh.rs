//! The inverse hyperbolic tangent.

use super::function::{Function, Reads, Real};

/// The inverse hyperbolic tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atanh;

impl Function for Atanh {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.atanh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g / ((R::one() - v) * (R::one() + v))
    }
}
