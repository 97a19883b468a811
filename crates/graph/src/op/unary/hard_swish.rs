//! Swish made of lines (Howard et al. 2019, §5.2).

use super::function::{Function, Reads, Real};

/// `x · min(max(x/6 + 1/2, 0), 1)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HardSwish;

impl Function for HardSwish {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x * (x * R::of(SIXTH) + R::of(0.5)).max(R::zero()).min(R::one())
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let slope = if v > R::of(3.0) { R::one() } else { v * R::of(2.0 * SIXTH) + R::of(0.5) };
        if v < R::of(-3.0) { R::zero() } else { g * slope }
    }
}

const SIXTH: f64 = 1.0 / 6.0;
