//! Every rule at every kernel that a rectifier is fused into: the same as by itself, and as the rule is defined.

#[allow(dead_code, reason = "these networks have weights of their own")]
mod common;

use std::sync::Arc;

use deepinside_engine::{BackwardRule, Instructions, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{BatchNormalization, Convolution, Eltwise, InnerProduct, Unary, Window};
use deepinside_graph::{Graph, GraphBuilder, Shape, ValueId, Weights};

use crate::common::noise;

/// What stands before the rectifier.
#[derive(Debug, Clone, Copy)]
enum Layer {
    /// Kernel side, stride, and whether each channel is by itself.
    Convolution(usize, usize, bool),
    Normalisation,
    Sum,
}

const LAYERS: [Layer; 8] = [
    Layer::Convolution(1, 1, false),
    Layer::Convolution(3, 1, false),
    Layer::Convolution(3, 2, false),
    Layer::Convolution(5, 1, false),
    Layer::Convolution(3, 1, true),
    Layer::Convolution(3, 2, true),
    Layer::Normalisation,
    Layer::Sum,
];

/// −2 to 2 without a pattern, so that sums are whole numbers and many lie exactly on a bound.
fn whole(count: usize, seed: u64) -> Vec<f32> {
    noise(count, seed).into_iter().map(|number| (2.49 * number).round()).collect()
}

fn weights(b: &mut GraphBuilder, name: &str, extents: &[usize], seed: u64) -> ValueId {
    let numbers = whole(extents.iter().product(), seed);
    b.constant(name, Weights::from_f32(Shape::new(extents).unwrap(), &numbers).unwrap()).unwrap()
}

/// A layer, a rectifier, and another layer that reads the rectifier's result.
fn network(layer: Layer, rectifier: Unary, channels: usize) -> Graph {
    let mut b = GraphBuilder::new("rectified");
    let x = b.input("x", Shape::new([1, channels, 11, 10]).unwrap()).unwrap();
    let before = match layer {
        Layer::Normalisation => {
            // Whole means, and a deviation of two.
            let mean = weights(&mut b, "mean", &[channels], 5);
            let four = Weights::filled(Shape::new([channels]).unwrap(), 4.0);
            let variance = b.constant("variance", four).unwrap();
            b.node("layer", BatchNormalization { epsilon: 0.0 }, &[x, mean, variance], &["before"]).unwrap()
                [0]
        }
        Layer::Sum => {
            let sum = Eltwise::Sum { coefficients: vec![0.5, 0.5] };
            let turned = b.node("turned", Unary::Absolute, &[x], &["turned"]).unwrap()[0];
            b.node("layer", sum, &[x, turned], &["before"]).unwrap()[0]
        }
        Layer::Convolution(side, stride, by_itself) => {
            let padding = vec![side / 2; 2];
            let window = Window {
                pad_begin: padding.clone(),
                pad_end: padding,
                stride: vec![stride; 2],
                ..Window::new([side, side])
            };
            let groups = if by_itself { channels } else { 1 };
            let weights = weights(&mut b, "weights", &[channels, channels / groups, side, side], 5);
            b.node("layer", Convolution { window, groups }, &[x, weights], &["before"]).unwrap()[0]
        }
    };
    let after = b.node("rectifier", rectifier, &[before], &["after"]).unwrap()[0];
    let positions: usize = b.shape(after).extents()[1..].iter().product();
    let weights = weights(&mut b, "score weights", &[2, positions], 9);
    let score =
        b.node("score", InnerProduct { axis: 1, transposed: false }, &[after, weights], &["score"]).unwrap();
    b.finish(&[score[0]])
}

/// The gradients of the second score with respect to some values, whose activations are observed or not.
fn gradients(
    graph: &Graph,
    rule: BackwardRule,
    instructions: Instructions,
    observed: &[ValueId],
) -> (Session, Vec<f32>) {
    let (x, score) = (graph.find("x").unwrap(), graph.find("score").unwrap());
    let options = PlanOptions {
        activations: observed.to_vec(),
        gradients: [&[x], observed].concat(),
        targets: vec![score],
        rule,
        instructions,
        ..PlanOptions::default()
    };
    let plan = Arc::new(Plan::new(graph, &options).unwrap());
    let mut session = Session::new(plan, Threads::new(2).unwrap()).unwrap();
    let input = whole(graph.value(x).shape.elements(), 3);
    session.forward(&[(x, &input)]).unwrap();
    session.backward(&[(score, &Target::Class(1))]).unwrap();
    let gradient = session.gradient(x).unwrap();
    (session, gradient)
}

/// A fourth rule counted as the gradient in one kernel and as guided backpropagation in another, and what a clip passed on its bounds
/// depended on whether it was observed.
#[test]
fn every_rule_is_the_same_fused_and_by_itself() {
    let clip = Unary::Clip { minimum: 0.0, maximum: 2.0 };
    let mut on_a_bound = 0;
    for layer in LAYERS {
        for rectifier in [Unary::Relu { negative_slope: 0.0 }, clip] {
            // Few channels lie channel by channel, many position by position.
            for channels in [3, 16, 32] {
                let graph = network(layer, rectifier, channels);
                let (before, after) = (graph.find("before").unwrap(), graph.find("after").unwrap());
                for rule in BackwardRule::ALL {
                    for instructions in Instructions::ALL {
                        let what = format!(
                            "{layer:?}, {rectifier:?}, {channels} channels, {rule:?}, {instructions:?}"
                        );
                        let (_, fused) = gradients(&graph, rule, instructions, &[]);
                        let (apart, alone) = gradients(&graph, rule, instructions, &[before, after]);
                        let largest = alone.iter().fold(0.0f32, |most, number| most.max(number.abs()));
                        assert!(largest > 0.0, "{what}: nothing comes back");
                        for (fused, alone) in fused.iter().zip(&alone) {
                            assert!((fused - alone).abs() <= 1e-5 * largest, "{what}: {fused} and {alone}");
                        }
                        let open = |x: f32| match rectifier {
                            Unary::Clip { minimum, maximum } => x > minimum && x < maximum,
                            _ => x > 0.0,
                        };
                        let passes = |x: f32, g: f32| match rule {
                            BackwardRule::Gradient => open(x),
                            BackwardRule::DeconvNet => g > 0.0,
                            BackwardRule::Guided => open(x) && g > 0.0,
                            // Smooth gates have tests of their own.
                            _ => true,
                        };
                        let x = apart.activation(before).unwrap();
                        let (above, below) =
                            (apart.gradient(after).unwrap(), apart.gradient(before).unwrap());
                        on_a_bound += x.iter().filter(|&&x| x == 0.0 || x == 2.0).count();
                        for ((&x, &above), &below) in x.iter().zip(&above).zip(&below) {
                            if rule != BackwardRule::Smooth {
                                let expected = if passes(x, above) { above } else { 0.0 };
                                assert_eq!(below, expected, "{what}: of {above} at {x}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(on_a_bound > 10_000, "{on_a_bound}");
}
