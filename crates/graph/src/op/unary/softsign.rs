//! The sigmoid made of a quotient.

use super::function::{Function, Reads, Real};

/// `x / (1 + |x|)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softsign;

impl Function for Softsign {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x / (R::one() + x.abs())
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let y = R::one() + v.abs();
        g / (y * y)
    }
}
