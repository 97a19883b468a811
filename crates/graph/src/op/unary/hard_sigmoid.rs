//! The sigmoid made of lines.

use super::function::{Function, Reads, Real};

/// `min(max(αx + β, 0), 1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HardSigmoid {
    /// The slope α.
    pub alpha: f32,
    /// The offset β.
    pub beta: f32,
}

impl Function for HardSigmoid {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        (R::of(self.alpha) * x + R::of(self.beta)).max(R::zero()).min(R::one())
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let alpha = R::of(self.alpha);
        let y = alpha * v + R::of(self.beta);
        if y > R::zero() && y < R::one() { alpha * g } else { R::zero() }
    }
}
