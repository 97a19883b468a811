//! The inverse hyperbolic cosine.

use super::function::{Function, Reads, Real};

/// The inverse hyperbolic cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Acosh;

impl Function for Acosh {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.acosh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g / ((v - R::one()).sqrt() * (v + R::one()).sqrt())
    }
}
