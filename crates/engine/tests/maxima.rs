//! Maxima of rectified values stop gradients in the rectifier's place, where what lies between is not observed.

mod common;

use std::sync::Arc;

use common::{constant, noise};
use deepinside_engine::{BackwardRule, Instructions, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{Concat, Convolution, Pool, PoolKind, Unary, Window};
use deepinside_graph::{Graph, GraphBuilder, Shape, ValueId};

const BATCH: usize = 2;

/// Convolutions of a picture, rectified, joined where they are several, and the maxima of overlapping windows. Returns the rectified
/// values too.
fn network(rectifier: &Unary, branches: usize) -> (Graph, Vec<ValueId>) {
    let mut b = GraphBuilder::new("maxima");
    let x = b.input("x", Shape::new([BATCH, 3, 19, 17]).unwrap()).unwrap();
    let mut rectified = Vec::new();
    for branch in 0..branches {
        let channels = 24 - 7 * branch;
        let name = format!("convolution {branch}");
        let weights = constant(&mut b, &format!("weights {branch}"), &[channels, 3, 3, 3], 0.5, 0.0);
        let window = Window { pad_begin: vec![1; 2], pad_end: vec![1; 2], ..Window::new([3; 2]) };
        let result = b.node(&name, Convolution { window, groups: 1 }, &[x, weights], &[&name]).unwrap()[0];
        let name = format!("rectified {branch}");
        rectified.push(b.node(&name, *rectifier, &[result], &[&name]).unwrap()[0]);
    }
    let joined = match rectified[..] {
        [alone] => alone,
        _ => b.node("joined", Concat { axis: 1 }, &rectified, &["joined"]).unwrap()[0],
    };
    let window = Window { stride: vec![2; 2], ..Window::new([3; 2]) };
    let pool = Pool { kind: PoolKind::Maximum, window, output: vec![9, 8], with_positions: false };
    let maxima = b.node("maxima", pool, &[joined], &["maxima"]).unwrap()[0];
    (b.finish(&[maxima]), rectified)
}

/// The gradient of the picture, and the memory of the session.
fn gradient(graph: &Graph, options: PlanOptions) -> (Vec<f32>, usize) {
    let (x, last) = (graph.inputs()[0], graph.outputs()[0]);
    let options = PlanOptions { gradients: vec![x], targets: vec![last], ..options };
    let plan = Arc::new(Plan::new(graph, &options).unwrap());
    let bytes = plan.session_bytes();
    let mut session = Session::new(plan, Threads::new(2).unwrap()).unwrap();
    session.forward(&[(x, &noise(BATCH * 3 * 19 * 17, 3))]).unwrap();
    let target = noise(graph.value(last).shape.elements(), 4);
    session.backward(&[(last, &Target::Dense(target))]).unwrap();
    (session.gradient(x).unwrap(), bytes)
}

#[test]
fn maxima_stop_what_their_rectifier_would_stop() {
    let rectifiers = [Unary::Relu { negative_slope: 0.0 }, Unary::Clip { minimum: 0.0, maximum: 0.4 }];
    for (rectifier, branches) in rectifiers.iter().flat_map(|rectifier| [(rectifier, 1), (rectifier, 2)]) {
        let (graph, rectified) = network(rectifier, branches);
        for instructions in Instructions::ALL {
            let options = PlanOptions { instructions, ..PlanOptions::default() };
            let (found, bytes) = gradient(&graph, options.clone());
            // Where the rectified values are observed, the convolutions stop gradients themselves.
            let looked_at = PlanOptions { activations: rectified.clone(), ..options.clone() };
            let (expected, _) = gradient(&graph, looked_at);
            assert!(found.iter().any(|&number| number != 0.0));
            assert_eq!(found, expected, "{rectifier:?}, {branches} branches, {instructions:?}");
            // Guided backpropagation asks for the sign of sums, so under it the rectified values are kept.
            let guided = PlanOptions { rule: BackwardRule::Guided, ..options };
            assert!(bytes < gradient(&graph, guided).1, "rectified values are kept for nothing");
        }
    }
}
