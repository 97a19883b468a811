//! Every function and its derivative against the definition in double precision.

use deepinside_graph::op::{Operator, Rounding};

use super::*;
use crate::kernel::testing::{Array, Case, check, mismatch};
use crate::{BackwardRule, Layout};

/// The definition, in double precision.
fn value(function: Unary, x: f64) -> f64 {
    let f = f64::from;
    match function {
        Unary::Relu { negative_slope } => x.max(0.0) + f(negative_slope) * x.min(0.0),
        Unary::Clip { minimum, maximum } => x.clamp(f(minimum), f(maximum)),
        Unary::Elu { alpha } => x.max(0.0) + f(alpha) * (x.min(0.0).exp() - 1.0),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Tanh => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        Unary::Absolute => x.abs(),
        Unary::Power { power, scale, shift } => (f(shift) + f(scale) * x).powf(f(power)),
        Unary::Exponential { inner_scale, outer_scale } => f(outer_scale) * (f(inner_scale) * x).exp(),
        Unary::Logarithm { scale, shift, outer_scale } => f(outer_scale) * (f(scale) * x + f(shift)).ln(),
        Unary::Softplus => (1.0 + x.exp()).ln(),
        Unary::Swish { beta } => x / (1.0 + (-f(beta) * x).exp()),
        Unary::Gelu { approximate: false } => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Unary::Gelu { approximate: true } => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Unary::HardSigmoid { alpha, beta } => (f(alpha) * x + f(beta)).clamp(0.0, 1.0),
        Unary::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Unary::Mish => x * (1.0 + x.exp()).ln().tanh(),
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::Erf => libm::erf(x),
        Unary::Sign => x.signum(),
        Unary::Round(Rounding::Down) => x.floor(),
        Unary::Round(Rounding::Up) => x.ceil(),
        Unary::Round(Rounding::Nearest) => x.round_ties_even(),
        Unary::Round(Rounding::TowardsZero) => x.trunc(),
        Unary::Threshold { threshold } => f64::from(x > f(threshold)),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.sin() / x.cos(),
        // By one inverse function and the Pythagorean theorem.
        Unary::Asin => (x / (1.0 - x * x).sqrt()).atan(),
        Unary::Acos => std::f64::consts::FRAC_PI_2 - (x / (1.0 - x * x).sqrt()).atan(),
        Unary::Atan => x.atan(),
        Unary::Sinh => (x.exp() - (-x).exp()) / 2.0,
        Unary::Cosh => (x.exp() + (-x).exp()) / 2.0,
        Unary::Asinh => x.signum() * (x.abs() + (x * x + 1.0).sqrt()).ln(),
        Unary::Acosh => (x + (x * x - 1.0).sqrt()).ln(),
        Unary::Atanh => 0.5 * ((1.0 + x) / (1.0 - x)).ln(),
        Unary::IsNan => f64::from(x.is_nan()),
        Unary::IsInfinite { .. } => f64::from(x.is_infinite()),
        _ => f64::NAN,
    }
}

fn power(power: f32, scale: f32, shift: f32) -> Unary {
    Unary::Power { power, scale, shift }
}

#[test]
fn values_and_gradients_are_those_of_the_definitions() {
    let functions = [
        Unary::Relu { negative_slope: 0.0 },
        Unary::Relu { negative_slope: 0.1 },
        Unary::Relu { negative_slope: -0.5 },
        Unary::Relu { negative_slope: 2.0 },
        Unary::Clip { minimum: -0.5001, maximum: 0.8001 },
        Unary::Clip { minimum: f32::NEG_INFINITY, maximum: 0.3001 },
        Unary::Elu { alpha: 1.0 },
        Unary::Elu { alpha: 0.0 },
        Unary::Elu { alpha: -0.7 },
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::Absolute,
        power(1.0, -2.5, 3.0),
        power(2.0, 0.5, 1.0),
        power(3.0, 0.5, 0.0),
        power(0.5, 0.5, 4.0),
        power(-1.0, 0.5, 4.0),
        power(-1.5, 0.7, 4.0),
        power(0.0, 3.0, 2.0),
        power(2.0, 0.0, 3.0),
        Unary::Exponential { inner_scale: 0.5, outer_scale: 0.3 },
        Unary::Logarithm { scale: 0.5, shift: 3.0, outer_scale: 0.43 },
        Unary::Softplus,
        Unary::Swish { beta: 1.5 },
        Unary::Threshold { threshold: 0.3001 },
        Unary::Gelu { approximate: false },
        Unary::Gelu { approximate: true },
        Unary::HardSigmoid { alpha: 0.4001, beta: 0.6 },
        Unary::HardSwish,
        Unary::Mish,
        Unary::Softsign,
        Unary::Erf,
        Unary::Sign,
        Unary::Round(Rounding::Down),
        Unary::Round(Rounding::Up),
        Unary::Round(Rounding::Nearest),
        Unary::Round(Rounding::TowardsZero),
        Unary::Sin,
        Unary::Cos,
        Unary::Tan,
        Unary::Asin,
        Unary::Acos,
        Unary::Atan,
        Unary::Sinh,
        Unary::Cosh,
        Unary::Asinh,
        Unary::Acosh,
        Unary::Atanh,
        Unary::IsNan,
        Unary::IsInfinite { negative: true, positive: true },
    ];
    let small = functions.iter().map(|function| {
        let x = Array::apart(&[2, 3, 4, 5], 1).map(|x| match function {
            // Inside of where the function is defined, and away from poles.
            Unary::Asin | Unary::Acos | Unary::Atanh => 0.9 * x,
            Unary::Acosh => 2.2 + x,
            Unary::Tan => 1.3 * x,
            _ => 3.0 * x,
        });
        Case::new(
            function.to_string() + function.name(),
            function,
            |lowering| lower(function, lowering),
            vec![x],
            |x| vec![x[0].iter().map(|&x| value(*function, x)).collect()],
        )
    });
    // More than one piece of work, and a piece that is not full.
    let large = [Unary::Relu { negative_slope: 0.0 }, Unary::Tanh].map(|function| {
        Case::new(
            "large",
            Box::leak(Box::new(function)),
            move |lowering| lower(&function, lowering),
            vec![Array::noise(&[3, 7, 61, 59], 2)],
            move |x| vec![x[0].iter().map(|&x| value(function, x)).collect()],
        )
        .without_differences()
    });
    check(small.chain(large).collect());
}

/// What is no number or infinite is told apart, and rounding is told from its gradient.
#[test]
fn what_has_no_derivative_is_told_apart() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.5, 2.5, -0.7];
    let infinite = |negative, positive| Unary::IsInfinite { negative, positive };
    let table: [(Unary, [f64; 6], f64); 6] = [
        (Unary::IsNan, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0),
        (infinite(true, true), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0], 0.0),
        (infinite(false, true), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 0.0),
        (infinite(true, false), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 0.0),
        (infinite(false, false), [0.0; 6], 0.0),
        (Unary::Round(Rounding::Nearest), [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0, 2.0, -1.0], 0.0),
    ];
    let finite = |number: &f64| number.is_finite();
    for (function, values, gradient) in table {
        let lower = |lowering: &Lowering<'_>| lower(&function, lowering);
        let case = Case::new("", &function, lower, vec![Array::new(&[6], x)], |_| vec![]);
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![2.0; 6]]);
        for (found, expected) in found.results[0].iter().zip(&values).filter(|(_, value)| finite(value)) {
            assert_eq!(f64::from(*found), *expected, "{function:?}");
        }
        assert_eq!(mismatch(&found.gradients[0], &[gradient; 6], 0.0), None, "{function:?}");
    }
}

#[test]
fn a_rounding_passes_the_gradient_straight_through_and_a_detached_value_none() {
    let x = [-1.5, -0.2, 0.5, 2.5, 3.4];
    let table: [(Unary, [f64; 5], f64); 2] =
        [(Unary::StraightThrough, [-2.0, 0.0, 0.0, 2.0, 3.0], 2.0), (Unary::Detach, x.map(f64::from), 0.0)];
    for (function, values, gradient) in table {
        let lower = |lowering: &Lowering<'_>| lower(&function, lowering);
        let case = Case::new("", &function, lower, vec![Array::new(&[5], x)], |_| vec![]);
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![2.0; 5]]);
        assert_eq!(mismatch(&found.results[0], &values, 1e-7), None, "{function:?}");
        assert_eq!(mismatch(&found.gradients[0], &[gradient; 5], 0.0), None, "{function:?}");
    }
}

#[test]
fn extremes_give_no_nan() {
    let x = [-1e30, -100.0, 0.0, 100.0, 1e30];
    let table: [(Unary, [f64; 5], [f64; 5]); 9] = [
        (Unary::Gelu { approximate: false }, [0.0, 0.0, 0.0, 100.0, 1e30], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (Unary::Gelu { approximate: true }, [0.0, 0.0, 0.0, 100.0, 1e30], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (Unary::Mish, [0.0, 0.0, 0.0, 100.0, 1e30], [0.0, 0.0, 0.6, 1.0, 1.0]),
        (Unary::HardSwish, [0.0, 0.0, 0.0, 100.0, 1e30], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (Unary::Sigmoid, [0.0, 0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 0.25, 0.0, 0.0]),
        (Unary::Softplus, [0.0, 0.0, std::f64::consts::LN_2, 100.0, 1e30], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (Unary::Swish { beta: 1.0 }, [0.0, 0.0, 0.0, 100.0, 1e30], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (Unary::Tanh, [-1.0, -1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0, 0.0]),
        (Unary::Elu { alpha: 1.0 }, [-1.0, -1.0, 0.0, 100.0, 1e30], [0.0, 0.0, 1.0, 1.0, 1.0]),
    ];
    for (function, values, gradients) in table {
        let case = Case::new(
            "",
            &function,
            |lowering| lower(&function, lowering),
            vec![Array::new(&[5], x)],
            |_| vec![],
        );
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0; 5]]);
        assert_eq!(mismatch(&found.results[0], &values, 1e-6), None, "{function:?}");
        assert_eq!(mismatch(&found.gradients[0], &gradients, 1e-6), None, "{function:?}");
    }
}
