//! The inverse cosine.

use super::function::{Function, Reads, Real};

/// The inverse cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Acos;

impl Function for Acos {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.acos()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        -g / ((R::one() - v) * (R::one() + v)).sqrt()
    }
}
