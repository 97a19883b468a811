//! Both bounds.

use super::function::{Function, Reads, Real};

/// `min(max(x, minimum), maximum)`. On the bounds themselves no gradient passes, as in PyTorch's ReLU6 (Caffe's Clip passes it there):
/// where a clip is computed by the layer before it, only the result is known, in which both sides of a bound look the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// The lower bound.
    pub minimum: f32,
    /// The upper bound.
    pub maximum: f32,
}

impl Function for Clip {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let (minimum, maximum) = (R::of(self.minimum), R::of(self.maximum));
        let below = if x > maximum { maximum } else { x };
        if below < minimum { minimum } else { below }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        if v > R::of(self.minimum) && v < R::of(self.maximum) { g } else { R::zero() }
    }
}
