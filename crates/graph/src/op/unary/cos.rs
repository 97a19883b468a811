//! The cosine.

use super::function::{Function, Reads, Real};

/// The cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cos;

impl Function for Cos {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.cos()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        -g * v.sin()
    }
}
