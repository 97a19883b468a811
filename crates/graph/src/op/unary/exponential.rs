//! The exponential.

use super::function::{Function, Reads, Real};

/// `outer_scale · exp(inner_scale · x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exponential {
    /// What the argument is multiplied with.
    pub inner_scale: f32,
    /// What the exponential is multiplied with.
    pub outer_scale: f32,
}

impl Function for Exponential {
    fn reads(self) -> Reads {
        Reads::Value
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        R::of(self.outer_scale) * (R::of(self.inner_scale) * x).exp()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * (R::of(self.inner_scale) * v)
    }
}
