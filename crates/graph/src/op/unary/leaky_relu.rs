//! The rectifier that lets a share of negative arguments through.

use super::function::{Function, Reads, Real};

/// `x` for positive `x`, `negative_slope · x` otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyRelu {
    /// The slope for negative arguments.
    pub negative_slope: f32,
}

impl Function for LeakyRelu {
    fn reads(self) -> Reads {
        // With a slope of 0 or more the value is positive exactly where the argument is.
        if self.negative_slope >= 0.0 { Reads::Value } else { Reads::Argument }
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        if x > R::zero() { x } else { R::of(self.negative_slope) * x }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        if v > R::zero() { g } else { R::of(self.negative_slope) * g }
    }
}
