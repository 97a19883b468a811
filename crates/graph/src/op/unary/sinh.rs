//! The hyperbolic sine.

use super::function::{Function, Reads, Real};

/// The hyperbolic sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinh;

impl Function for Sinh {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.sinh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * v.cosh()
    }
}
