//! The error function.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::function::{Function, Reads, Real};

/// The error function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Erf;

impl Function for Erf {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.erf()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * R::of(FRAC_2_SQRT_PI) * (-v * v).exp()
    }
}
