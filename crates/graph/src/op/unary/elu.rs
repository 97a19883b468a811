//! The exponential linear unit (Clevert, Unterthiner, Hochreiter 2016).

use super::function::{Function, Reads, Real};

/// `x` for positive `x`, `α (eˣ − 1)` otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elu {
    /// The α.
    pub alpha: f32,
}

impl Function for Elu {
    fn reads(self) -> Reads {
        // The derivative α eˣ of the negative half is the value plus α, and the value has the argument's sign.
        if self.alpha >= 0.0 { Reads::Value } else { Reads::Argument }
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        if x > R::zero() { x } else { R::of(self.alpha) * x.exp_m1() }
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let alpha = R::of(self.alpha);
        if v > R::zero() {
            g
        } else if self.alpha >= 0.0 {
            g * (alpha + v)
        } else {
            g * alpha * v.exp()
        }
    }
}
