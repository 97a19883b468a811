//! The hyperbolic cosine.

use super::function::{Function, Reads, Real};

/// The hyperbolic cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cosh;

impl Function for Cosh {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.cosh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * v.sinh()
    }
}
