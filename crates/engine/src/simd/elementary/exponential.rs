//! The exponential function, and the logistic function that is made of it.
//!
//! `eˣ = 2ⁿ · eʳ` with `n` the whole number nearest to `x / ln 2`, and `eʳ = 1 + r + r² q(r)` for `|r| ≤ ln 2 / 2`. The power of two is
//! multiplied in two steps, so that results below the smallest normal number, which are rounded once more, are right too.

use super::polynomial;
use crate::simd::Simd;

/// Below this the result is 0, above [`LARGEST`] it is infinite.
const SMALLEST: f32 = -104.0;
const LARGEST: f32 = 89.0;

/// ln 2 in two parts: the first has so few bits that its product with any `n` is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `q`, whose relative error in `eʳ` is 2⁻²⁸.
const Q: [f32; 5] = [0.499_999_94, 0.166_665_2, 0.041_668_396, 0.008_368_8, 0.001_381_449_9];

/// Below this the power is no normal number.
const SMALLEST_NORMAL: f32 = -87.336_54;

/// `n` and `eʳ`.
#[inline(always)]
fn parts<S: Simd>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let n = simd.nearest(simd.multiply(x, simd.splat(std::f32::consts::LOG2_E)));
    let r = simd.multiply_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.multiply_add(n, simd.splat(-LN_2_LOW), r);
    let curve = simd.multiply_add(polynomial(simd, r, Q), simd.multiply(r, r), r);
    (n, simd.add(curve, simd.splat(1.0)))
}

/// `eˣ` of `x ≤ 0`, or zero where that is less than the smallest normal number; NaN comes through.
#[inline(always)]
pub(crate) fn exp_of_negative<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let least = simd.splat(SMALLEST_NORMAL);
    let (n, power) = parts(simd, simd.at_least(x, least));
    let power = simd.multiply(power, simd.two_to(n));
    simd.where_greater(least, x, simd.splat(0.0), power)
}

/// `eˣ`; NaN comes through.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let x = simd.at_most(simd.at_least(x, simd.splat(SMALLEST)), simd.splat(LARGEST));
    let (n, power) = parts(simd, x);
    let half = simd.nearest(simd.multiply(n, simd.splat(0.5)));
    let power = simd.multiply(power, simd.two_to(half));
    simd.multiply(power, simd.two_to(simd.subtract(n, half)))
}

/// `1 / (1 + e⁻ˣ)`; within 3 ulp.
#[inline(always)]
pub(crate) fn logistic<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    simd.divide(one, simd.add(one, exp(simd, simd.subtract(simd.splat(0.0), x))))
}
