//! Swish (Ramachandran, Zoph, Le 2017); SiLU with β = 1.

use super::function::{Function, Reads, Real};
use super::sigmoid::logistic;

/// `x / (1 + e^(−βx))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swish {
    /// The β.
    pub beta: f32,
}

impl Function for Swish {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x * logistic(R::of(self.beta) * x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let beta = R::of(self.beta);
        let gate = logistic(beta * v);
        g * (gate + beta * v * gate * (R::one() - gate))
    }
}
