//! The error function: an odd polynomial near zero, and `1 − e^(−x²) · P(1/(1 + 0.4 |x|))` elsewhere.
//!
//! The second form also gives the Gaussian error linear unit and its derivative from a single exponential.

use super::{absolute, exp_of_negative, polynomial};
use crate::simd::Simd;

/// Up to this magnitude the polynomial is taken.
const NEAR: f32 = 0.875;

/// `(erf(√s)/√s − 1)`, with a relative error of 2⁻²⁶·⁸ in the function.
const ODD: [f32; 6] =
    [0.128_379_15, -0.376_125_5, 0.112_824_55, -0.026_791_464, 0.005_032_182, -0.000_620_325_4];

/// `erfc(z) · e^(z²) / t` in `t = 1 / (1 + 0.4 z)` for `0 ≤ z ≤ 10`, with a relative error of 2⁻²⁶·⁹.
const TAIL: [f32; 10] = [
    0.225_706_22,
    0.224_965_35,
    0.214_808_45,
    0.130_195_5,
    0.270_575_37,
    -0.281_591_9,
    0.544_102_43,
    -0.496_314_55,
    0.196_952_34,
    -0.029_399_171,
];

/// `e^(−z²)` and `erfc(z)` of `z ≥ 0`, the second within `8 + z²` ulp.
#[inline(always)]
pub(crate) fn bell_and_tail<S: Simd>(simd: S, z: S::Vector) -> (S::Vector, S::Vector) {
    let one = simd.splat(1.0);
    let bell = exp_of_negative(simd, simd.subtract(simd.splat(0.0), simd.multiply(z, z)));
    let t = simd.divide(one, simd.multiply_add(z, simd.splat(0.4), one));
    let tail = simd.multiply(simd.multiply(polynomial(simd, t, TAIL), t), bell);
    (bell, tail)
}

/// `erf x`; NaN comes through.
#[inline(always)]
pub(crate) fn erf<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let magnitude = absolute(simd, x);
    let near = simd.multiply_add(polynomial(simd, simd.multiply(x, x), ODD), x, x);
    let (_, tail) = bell_and_tail(simd, magnitude);
    let far = simd.subtract(simd.splat(1.0), tail);
    let far = simd.where_greater(simd.splat(0.0), x, simd.subtract(simd.splat(0.0), far), far);
    simd.where_greater(magnitude, simd.splat(NEAR), far, near)
}
