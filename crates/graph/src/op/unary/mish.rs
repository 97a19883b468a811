//! Mish (Misra 2019).

use super::function::{Function, Reads, Real};
use super::sigmoid::logistic;
use super::softplus::softplus;

/// `x · tanh(ln(1 + eˣ))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mish;

impl Function for Mish {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x * softplus(x).tanh()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let t = softplus(v).tanh();
        let curve = (R::one() - t * t) * logistic(v);
        g * (t + if curve > R::zero() { v * curve } else { R::zero() })
    }
}
