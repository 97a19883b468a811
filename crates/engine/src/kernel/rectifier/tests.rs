//! Rectifiers under the rules, and what their gates read.

use deepinside_graph::op::{Function, Reads, Unary, Visitor};

use crate::kernel::testing::{Array, Case, mismatch};
use crate::kernel::{Lowering, unary};
use crate::{BackwardRule, Layout};

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
            [0., 0., 2., 0., 0., 0., -2., 0.],
        ),
        (
            Unary::Clip { minimum: 0.0, maximum: 6.0 },
            BackwardRule::DeconvNet,
            [2., 2., 2., 2., 0., 0., 0., 0.],
        ),
        (Unary::Clip { minimum: 0.0, maximum: 6.0 }, BackwardRule::Guided, [0., 0., 2., 0., 0., 0., 0., 0.]),
    ];
    for (function, rule, expected) in table {
        let case = Case::new(
            "",
            &function,
            |lowering| unary::lower(&function, lowering),
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
        let lower = |lowering: &Lowering<'_>| unary::lower(&function, lowering);
        let case = Case::new("", &function, lower, vec![x.clone()], |_| vec![]);
        for layout in [Layout::Plain, Layout::ChannelsLast] {
            let found = case.run(layout, BackwardRule::Smooth, std::slice::from_ref(&g.numbers));
            assert_eq!(mismatch(&found.gradients[0], &expected, 1e-6), None, "{function:?} {layout:?}");
        }
    }
}

/// Which array the backward pass reads.
struct ReadBy;

impl Visitor for ReadBy {
    type Output = Reads;

    fn visit(self, function: impl Function) -> Reads {
        function.reads()
    }
}

#[test]
fn rectifiers_need_their_results_alone_and_let_nan_through() {
    let function = Unary::Relu { negative_slope: 0.0 };
    let lower = |lowering: &Lowering<'_>| unary::lower(&function, lowering);
    let case = Case::new("", &function, lower, vec![Array::new(&[1], [f32::NAN])], |_| vec![]);
    assert!(case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0]]).results[0][0].is_nan());
    assert_eq!(function.accept(ReadBy), Reads::Value);
    assert_eq!(Unary::Relu { negative_slope: -1.0 }.accept(ReadBy), Reads::Argument);
}
