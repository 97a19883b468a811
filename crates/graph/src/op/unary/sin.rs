//! The sine.

use super::function::{Function, Reads, Real};

/// The sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sin;

impl Function for Sin {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.sin()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * v.cos()
    }
}
