//! The magnitude.

use super::function::{Function, Reads, Real};
use super::sign::sign;

/// `|x|`; its gradient at 0 is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absolute;

impl Function for Absolute {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.abs()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * sign(v)
    }
}
