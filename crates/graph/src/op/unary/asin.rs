//! The inverse sine.

use super::function::{Function, Reads, Real};

/// The inverse sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asin;

impl Function for Asin {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.asin()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g / ((R::one() - v) * (R::one() + v)).sqrt()
    }
}
