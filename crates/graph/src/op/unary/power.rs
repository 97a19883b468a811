//! Powers. The common exponents are functions of their own: a general power costs twenty times a
//! product.

use super::function::{Function, Reads, Real};

/// `shift + scale · x`, the argument of powers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// What the argument is multiplied with.
    pub scale: f32,
    /// What is added then.
    pub shift: f32,
}

impl Line {
    #[inline(always)]
    fn at<R: Real>(self, x: R) -> R {
        R::of(self.scale) * x + R::of(self.shift)
    }
}

/// The same number everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Always(pub f32);

impl Function for Always {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, _x: R) -> R {
        R::of(self.0)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, _g: R) -> R {
        R::zero()
    }
}

/// `shift + scale · x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub Line);

impl Function for Affine {
    fn reads(self) -> Reads {
        Reads::Nothing
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        self.0.at(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, _v: R, g: R) -> R {
        R::of(self.0.scale) * g
    }
}

/// `(shift + scale · x)²`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square(pub Line);

impl Function for Square {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let base = self.0.at(x);
        base * base
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * R::of(2.0 * self.0.scale) * self.0.at(v)
    }
}

/// `√(shift + scale · x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquareRoot(pub Line);

impl Function for SquareRoot {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        self.0.at(x).sqrt()
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        g * R::of(0.5 * self.0.scale) / self.0.at(v).sqrt()
    }
}

/// `1 / (shift + scale · x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reciprocal(pub Line);

impl Function for Reciprocal {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        R::one() / self.0.at(x)
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let base = self.0.at(v);
        g * R::of(-self.0.scale) / (base * base)
    }
}

/// `(shift + scale · x)` to a power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// What is raised.
    pub base: Line,
    /// The exponent.
    pub power: f32,
}

impl Function for Power {
    fn reads(self) -> Reads {
        Reads::Argument
    }

    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        self.base.at(x).powf(R::of(self.power))
    }

    #[inline(always)]
    fn gradient<R: Real>(self, v: R, g: R) -> R {
        let (power, scale) = (R::of(self.power), R::of(self.base.scale));
        g * (scale * power) * self.base.at(v).powf(power - R::one())
    }
}
