//! What a function of one number is.

use num_traits::Float;

/// A function of one number with its derivative, in single and in double precision.
///
/// The engine applies it to activations in single precision, constant folding to what files compute
/// from constants in double precision.
pub trait Function: Copy + Send + Sync + 'static {
    /// What [`gradient`](Self::gradient) is computed from: the cheaper of what it can be had from, and
    /// the value where that is enough, since the next operator often needs it too.
    fn reads(self) -> Reads;

    /// The value at `x`.
    fn value<R: Real>(self, x: R) -> R;

    /// The gradient of the argument: the derivative times `g`, the gradient of the value. `v` is what
    /// [`reads`](Self::reads) says.
    fn gradient<R: Real>(self, v: R, g: R) -> R;
}

/// What the gradient of a function is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Nothing but the gradient of the value: the derivative is the same everywhere.
    Nothing,
    /// The argument.
    Argument,
    /// The value.
    Value,
}

/// Numbers of either precision.
pub trait Real: Float {
    /// A constant.
    fn of(number: impl Into<f64>) -> Self;

    /// The nearest whole number; halfway the even one.
    fn round_ties_even(self) -> Self;

    /// The error function.
    fn erf(self) -> Self;

    /// One minus the error function, without cancellation.
    fn erfc(self) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn of(number: impl Into<f64>) -> Self {
        number.into() as f32
    }

    #[inline(always)]
    fn round_ties_even(self) -> Self {
        Self::round_ties_even(self)
    }

    fn erf(self) -> Self {
        libm::erff(self)
    }

    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(number: impl Into<f64>) -> Self {
        number.into()
    }

    #[inline(always)]
    fn round_ties_even(self) -> Self {
        Self::round_ties_even(self)
    }

    fn erf(self) -> Self {
        libm::erf(self)
    }

    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}
