//! Every function and its derivative against the definition in double precision.

use super::*;
use crate::Layout;
use crate::kernel::testing::{Array, Case, check, mismatch};

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
    ];
    let small = functions.iter().map(|function| {
        let x = Array::apart(&[2, 3, 4, 5], 1).map(|x| 3.0 * x);
        Case::new(
            function.to_string() + function_name(function),
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

fn function_name(function: &Unary) -> &'static str {
    deepinside_graph::op::Operator::name(function)
}

/// The gradients for an argument and an incoming gradient of 2 or −2 under each rule.
#[test]
fn rectifiers_obey_the_rules() {
    let x = [-1.0, 0.0, 1.0, 8.0, -1.0, 0.0, 1.0, 8.0];
    let g = [2.0f32, 2.0, 2.0, 2.0, -2.0, -2.0, -2.0, -2.0];
    let table: [(Unary, BackwardRule, [f64; 8]); 9] = [
        (Unary::Relu { negative_slope: 0.0 }, BackwardRule::Gradient, [0., 0., 2., 2., 0., 0., -2., -2.]),
        (Unary::Relu { negative_slope: 0.0 }, BackwardRule::DeconvNet, [2., 2., 2., 2., 0., 0., 0., 0.]),
        (Unary::Relu { negative_slope: 0.0 }, BackwardRule::Guided, [0., 0., 2., 2., 0., 0., 0., 0.]),
        (Unary::Relu { negative_slope: 0.5 }, BackwardRule::Gradient, [1., 1., 2., 2., -1., -1., -2., -2.]),
        (Unary::Relu { negative_slope: 0.5 }, BackwardRule::DeconvNet, [2., 2., 2., 2., -1., -1., -1., -1.]),
        (Unary::Relu { negative_slope: 0.5 }, BackwardRule::Guided, [1., 1., 2., 2., -1., -1., -1., -1.]),
        (
            Unary::Clip { minimum: 0.0, maximum: 6.0 },
            BackwardRule::Gradient,
            [0., 2., 2., 0., 0., -2., -2., 0.],
        ),
        (
            Unary::Clip { minimum: 0.0, maximum: 6.0 },
            BackwardRule::DeconvNet,
            [2., 2., 2., 2., 0., 0., 0., 0.],
        ),
        (Unary::Clip { minimum: 0.0, maximum: 6.0 }, BackwardRule::Guided, [0., 2., 2., 0., 0., 0., 0., 0.]),
    ];
    for (function, rule, expected) in table {
        let case = Case::new(
            "",
            &function,
            |lowering| lower(&function, lowering),
            vec![Array::new(&[8], x)],
            |_| vec![],
        );
        let found = case.run(Layout::Plain, rule, &[g.to_vec()]);
        assert_eq!(mismatch(&found.gradients[0], &expected, 0.0), None, "{function:?} {rule:?}");
    }
}

/// Each picture of a batch has its own deviation, whatever the layout.
#[test]
fn smooth_gates_open_by_deviations() {
    let x = Array::noise(&[2, 3, 5, 4], 7).map(|x| 2.0 * x + 0.3);
    let g = Array::noise(&[2, 3, 5, 4], 8);
    let open = |u: f64| {
        let u = u.clamp(-3.0, 3.0);
        0.5 + 0.5 * u * (27.0 + u * u) / (27.0 + 9.0 * u * u)
    };
    let functions = [
        Unary::Relu { negative_slope: 0.0 },
        Unary::Relu { negative_slope: 0.2 },
        Unary::Clip { minimum: 0.0, maximum: 1.5 },
        Unary::Clip { minimum: f32::NEG_INFINITY, maximum: 1.5 },
    ];
    for function in functions {
        let mut expected = Vec::new();
        for (x, g) in x.numbers.chunks(60).zip(g.numbers.chunks(60)) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let mean = x.iter().sum::<f64>() / 60.0;
            let deviation = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 60.0).sqrt();
            expected.extend(x.iter().zip(g).map(|(x, &g)| {
                let share = match function {
                    Unary::Relu { negative_slope } => {
                        let slope = f64::from(negative_slope);
                        slope + (1.0 - slope) * open(x / deviation)
                    }
                    Unary::Clip { minimum: f32::NEG_INFINITY, .. } => open((1.5 - x) / deviation),
                    _ => open(x / deviation) * open((1.5 - x) / deviation),
                };
                f64::from(g) * share
            }));
        }
        let lower = |lowering: &Lowering<'_>| lower(&function, lowering);
        let case = Case::new("", &function, lower, vec![x.clone()], |_| vec![]);
        for layout in [Layout::Plain, Layout::ChannelsLast] {
            let found = case.run(layout, BackwardRule::Smooth, std::slice::from_ref(&g.numbers));
            assert_eq!(mismatch(&found.gradients[0], &expected, 1e-6), None, "{function:?} {layout:?}");
        }
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

#[test]
fn rectifiers_need_their_results_alone_and_let_nan_through() {
    let function = Unary::Relu { negative_slope: 0.0 };
    let case = Case::new(
        "",
        &function,
        |lowering| lower(&function, lowering),
        vec![Array::new(&[1], [f32::NAN])],
        |_| vec![],
    );
    assert!(case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0]]).results[0][0].is_nan());
    assert_eq!(read_by(&function), Some(Reads::Result));
    assert_eq!(read_by(&Unary::Relu { negative_slope: -1.0 }), Some(Reads::Operand));
}
