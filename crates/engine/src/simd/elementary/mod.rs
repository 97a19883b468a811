//! Elementary functions of vectors.
//!
//! Each is a polynomial or two (minimax fits of our own, by relative error) without branches, so that all lanes take the same
//! time. Exact results are met within 2 units in the last place (ulp) where the instruction set rounds a product and its sum
//! once; the header of each file lists the exceptions. With both widths of vectors they give the same bits.

mod error_function;
mod exponential;
mod hyperbolic_tangent;
mod logarithm;
#[cfg(test)]
mod tests;

pub(crate) use error_function::{bell_and_tail, erf};
pub(crate) use exponential::{exp, exp_of_negative, logistic};
pub(crate) use hyperbolic_tangent::tanh;
pub(crate) use logarithm::{ln, ln_of_one_plus};

use super::Simd;

/// The polynomial with these coefficients, the constant one first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Vector, coefficients: [f32; N]) -> S::Vector {
    let mut sum = simd.splat(coefficients[N - 1]);
    for index in (0..N - 1).rev() {
        sum = simd.multiply_add(sum, x, simd.splat(coefficients[index]));
    }
    sum
}

/// `|x|`; NaN comes through.
#[inline(always)]
pub(crate) fn absolute<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    simd.at_least(x, simd.subtract(simd.splat(0.0), x))
}
