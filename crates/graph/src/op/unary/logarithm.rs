//! The natural logarithm.

use super::function::{Function, Reads, Real};

/// `outer_scale · ln(scale · x + shift)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logarithm {
    /// What the argument is multiplied with.
    pub scale: f32,
    /// What is added then.
    pub shift: f32,
    /// What the logarithm is multiplied with.
    pub outer_scale: f32,
}

impl Function for Logarithm {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        R::of(self.outer_scale) * (R::of(self.scale) * x + R::of(self.shift)).ln()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let (scale, shift) = (R::of(self.scale), R::of(self.shift));
        g * (R::of(self.outer_scale) * scale) / (scale * v + shift)
    }
}
