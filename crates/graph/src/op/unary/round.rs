//! Whole numbers beside a number; their gradient is zero.

use super::function::{Function, Reads, Real};

/// The whole number below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor;

impl Function for Floor {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.floor()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}

/// The whole number above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceil;

impl Function for Ceil {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.ceil()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}

/// The nearest whole number; halfway the even one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTiesEven;

impl Function for RoundTiesEven {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        Real::round_ties_even(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}

/// The whole number nearer to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncate;

impl Function for Truncate {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.trunc()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}
