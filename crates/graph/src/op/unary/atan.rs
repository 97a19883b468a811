//! The inverse tangent.

use super::function::{Function, Reads, Real};

/// The inverse tangent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atan;

impl Function for Atan {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.atan()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g / (R::one() + v * v)
    }
}
