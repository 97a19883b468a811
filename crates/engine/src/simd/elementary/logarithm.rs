//! The natural logarithm: `ln(f · 2ⁿ) = n ln 2 + ln f` with `f` between √½ and √2.
//!
//! Of `ln(1 + u)` the result is within 3 ulp.

use super::polynomial;
use crate::simd::Simd;

/// ln 2 in two parts: the first has so few bits that its product with any exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `(ln(1 + d) − d + d²/2) / d³`, with a relative error of 2⁻²⁷ in the logarithm.
const P: [f32; 8] = [
    0.333_333_3,
    -0.250_008_23,
    0.200_012_27,
    -0.166_233_54,
    0.142_017_54,
    -0.131_602_1,
    0.127_616_24,
    -0.076_344_77,
];

/// What numbers below the smallest normal one are multiplied with, and the exponent of it.
const RAISE: (f32, f32) = (8_388_608.0, 23.0);

/// `ln x`: −∞ at zero, NaN below; NaN and ∞ come through.
#[inline(always)]
pub(crate) fn ln<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let zero = simd.splat(0.0);
    let normal = simd.splat(f32::MIN_POSITIVE);
    let raised = simd.where_greater(normal, x, simd.multiply(x, simd.splat(RAISE.0)), x);
    let lowered = simd.where_greater(normal, x, simd.splat(RAISE.1), zero);
    let (fraction, exponent) = simd.fraction_and_exponent(raised);
    let exponent = simd.subtract(exponent, lowered);
    let d = simd.subtract(fraction, simd.splat(1.0));
    let square = simd.multiply(d, d);
    // The smaller terms first.
    let sum = simd.multiply(simd.multiply(square, d), polynomial(simd, d, P));
    let sum = simd.multiply_add(exponent, simd.splat(LN_2_LOW), sum);
    let sum = simd.multiply_add(square, simd.splat(-0.5), sum);
    let sum = simd.add(d, sum);
    let sum = simd.multiply_add(exponent, simd.splat(LN_2_HIGH), sum);
    // What has no exponent: infinity and NaN, which are themselves, zero, and what is below.
    let positive = simd.where_greater(x, simd.splat(f32::MAX), x, sum);
    let of_zero = simd.where_greater(zero, x, simd.splat(f32::NAN), simd.splat(f32::NEG_INFINITY));
    let ordered = simd.where_greater(x, zero, positive, of_zero);
    // Neither above −∞ nor −∞ itself: NaN.
    simd.where_greater(x, simd.splat(-1.0), ordered, simd.splat(f32::NAN))
}

/// `ln(1 + u)` of `u` between 0 and 1.
#[inline(always)]
pub(crate) fn ln_of_one_plus<S: Simd>(simd: S, u: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    let sum = simd.add(one, u);
    // What the sum has lost of `u`.
    let lost = simd.subtract(u, simd.subtract(sum, one));
    simd.add(ln(simd, sum), simd.divide(lost, sum))
}
