//! Every function against double precision, over all exponents and signs.

use super::*;
use crate::simd::{Instructions, LINE, Work};

/// A function of vectors.
#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    ExpOfNegative,
    Erf,
    Tanh,
    Ln,
    LnOfOnePlus,
    Logistic,
    Tail,
}

struct Apply<'a>(Function, &'a [f32], &'a mut [f32]);

impl Work for Apply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (x, y) in self.1.chunks_exact(S::LANES).zip(self.2.chunks_exact_mut(S::LANES)) {
            // SAFETY: both chunks hold a vector.
            unsafe {
                let x = simd.load(x.as_ptr());
                let vector = match self.0 {
                    Function::Exp => exp(simd, x),
                    Function::ExpOfNegative => exp_of_negative(simd, x),
                    Function::Erf => erf(simd, x),
                    Function::Tanh => tanh(simd, x),
                    Function::Ln => ln(simd, x),
                    Function::LnOfOnePlus => ln_of_one_plus(simd, x),
                    Function::Logistic => logistic(simd, x),
                    Function::Tail => bell_and_tail(simd, x).1,
                };
                simd.store(y.as_mut_ptr(), vector);
            }
        }
    }
}

/// Every 509th number of either sign, and what is special.
fn numbers() -> Vec<f32> {
    let mut numbers: Vec<f32> = (0..u32::MAX / 509).map(|index| f32::from_bits(index * 509)).collect();
    numbers.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        f32::MAX,
    ]);
    numbers.extend([88.722_84, 88.72284, 89.5, -87.336_55, -103.97, -104.5, 0.5625, 0.875, 1e-45, -1e-45]);
    while !numbers.len().is_multiple_of(LINE) {
        numbers.push(0.5);
    }
    numbers
}

/// The distance from the exact result in units of the last place of what it is rounded to.
fn ulps(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if f64::from(found) == exact || found == nearest || found.is_nan() && exact.is_nan() {
        return 0.0;
    }
    if !nearest.is_finite() || !found.is_finite() {
        return f64::INFINITY;
    }
    let magnitude = nearest.abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(f32::from_bits(magnitude.to_bits() + 1)) - f64::from(magnitude);
    ((f64::from(found) - exact) / unit).abs()
}

/// A function, its definition, the numbers that are covered, and how many units it may be off there.
type Definition = (Function, fn(f64) -> f64, fn(f32) -> bool, fn(f64) -> f64);

#[test]
fn results_are_within_two_units_in_the_last_place() {
    let definitions: [Definition; 8] = [
        (Function::Exp, f64::exp, |_| true, |_| 2.0),
        (Function::ExpOfNegative, f64::exp, |x| (-87.336_5..=0.0).contains(&x) || x.is_nan(), |_| 2.0),
        (Function::Erf, libm::erf, |_| true, |_| 2.0),
        (Function::Tanh, f64::tanh, |_| true, |_| 2.0),
        (Function::Ln, f64::ln, |_| true, |_| 2.0),
        (Function::LnOfOnePlus, f64::ln_1p, |x| (0.0..=1.0).contains(&x), |_| 3.0),
        (Function::Logistic, |x| 1.0 / (1.0 + (-x).exp()), |x| x > -87.0, |_| 3.0),
        // Of results that are normal numbers.
        (Function::Tail, libm::erfc, |x| (0.0..9.0).contains(&x), |z| 8.0 + z * z),
    ];
    let x = numbers();
    let mut found = vec![0.0; x.len()];
    for (function, definition, is_covered, allowed) in definitions {
        for instructions in Instructions::ALL {
            instructions.run(Apply(function, &x, &mut found));
            // Without fused products, remainders and polynomials are rounded more often.
            let factor = if instructions.name() == Instructions::Portable.name() { 2.0 } else { 1.0 };
            let mut worst = (0.0, 0.0, 0.0);
            for (&x, &found) in x.iter().zip(&found).filter(|(x, _)| is_covered(**x)) {
                let error = ulps(found, definition(f64::from(x))) / allowed(f64::from(x));
                if error > worst.0 {
                    worst = (error, x, found);
                }
            }
            let (error, x, found) = worst;
            assert!(
                error <= factor,
                "{function:?}, {instructions:?}: {error} of what is allowed, {found} of {x}"
            );
        }
    }
}

#[test]
fn a_power_below_the_smallest_normal_number_is_zero() {
    let x = [-87.34, -88.0, -104.0, -1e30, f32::NEG_INFINITY].repeat(LINE);
    let mut found = vec![f32::NAN; x.len()];
    for instructions in Instructions::ALL {
        instructions.run(Apply(Function::ExpOfNegative, &x, &mut found));
        assert!(found.iter().all(|&power| power == 0.0), "{instructions:?}");
    }
}

#[test]
fn both_widths_give_the_same_bits() {
    if Instructions::Narrow.name() == Instructions::Portable.name() {
        return;
    }
    let x = numbers();
    let (mut wide, mut narrow) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for function in [Function::Exp, Function::Erf, Function::Tanh, Function::Ln, Function::LnOfOnePlus] {
        Instructions::Detected.run(Apply(function, &x, &mut wide));
        Instructions::Narrow.run(Apply(function, &x, &mut narrow));
        let differing = wide.iter().zip(&narrow).position(|(a, b)| a.to_bits() != b.to_bits());
        // Not-a-number has many bits, of which none means anything.
        assert!(
            differing.is_none_or(|at| wide[at].is_nan() && narrow[at].is_nan()),
            "{function:?} of {}",
            x[differing.unwrap()]
        );
    }
}
