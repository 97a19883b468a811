//! The hyperbolic tangent: an odd polynomial near zero, and `1 − 2 / (e²ˣ + 1)` elsewhere.

use super::{absolute, exp, polynomial};
use crate::simd::Simd;

/// Up to this magnitude the polynomial is taken.
const NEAR: f32 = 0.5625;

/// `(tanh(√s)/√s − 1)/s`, with a relative error of 2⁻²⁹ in the tangent.
const P: [f32; 5] = [-0.333_333_13, 0.133_324_52, -0.053_837_426, 0.021_007_443, -0.006_179_787];

/// `tanh x`; NaN comes through.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let magnitude = absolute(simd, x);
    let square = simd.multiply(x, x);
    let near = simd.multiply_add(simd.multiply(polynomial(simd, square, P), square), x, x);
    let one = simd.splat(1.0);
    let power = exp(simd, simd.add(magnitude, magnitude));
    let far = simd.subtract(one, simd.divide(simd.splat(2.0), simd.add(power, one)));
    let far = simd.where_greater(simd.splat(0.0), x, simd.subtract(simd.splat(0.0), far), far);
    simd.where_greater(magnitude, simd.splat(NEAR), far, near)
}
