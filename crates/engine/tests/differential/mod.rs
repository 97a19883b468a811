//! Whole plans against a slow reference: fusion, layouts, shared memory and kernel choice must not be seen in a number.

pub mod networks;
pub mod reference;

use std::sync::Arc;

use deepinside_engine::{Instructions, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::ValueId;

use self::networks::{Choices, network};

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The numbers agree.
    Agrees,
    /// They do not, and an argument lies so close to a kink that single precision may take its other side.
    NearTie,
}

/// How close that is, as a share of the array's largest magnitude.
const NEAR: f64 = 3e-5;

/// Makes a network of bytes and a seed, runs it as planned, and compares its results and the gradient of its input.
///
/// # Panics
/// When they differ by more than single precision explains.
pub fn compare(bytes: &[u8], seed: u64, threads: &Threads) -> Outcome {
    let mut choices = Choices::new(bytes, seed);
    let graph = network(&mut choices);
    let (x, y) = (graph.inputs()[0], graph.outputs()[0]);
    let computed: Vec<ValueId> = graph.nodes().iter().map(|node| node.outputs[0]).collect();
    // Whatever is observed cannot be fused away.
    let watched: Vec<ValueId> = computed.iter().copied().filter(|_| choices.of(4) == 0).collect();
    let options = PlanOptions {
        activations: [&watched[..], &[y]].concat(),
        gradients: [&watched[..], &[x]].concat(),
        targets: vec![y],
        instructions: [Instructions::Detected, Instructions::Narrow, Instructions::Portable][choices.of(3)],
        memory_limit: if choices.of(4) == 0 { 1 << 14 } else { 1 << 30 },
        ..PlanOptions::default()
    };
    let plan = match Plan::new(&graph, &options) {
        Ok(plan) => plan,
        // The small limit may be too small.
        Err(_) if options.memory_limit < 1 << 20 => {
            Plan::new(&graph, &PlanOptions { memory_limit: 1 << 30, ..options.clone() }).unwrap()
        }
        Err(error) => panic!("{error}\n{graph}"),
    };
    let input = choices.numbers(graph.value(x).shape.elements());
    let top = choices.numbers(graph.value(y).shape.elements());
    let mut session = Session::new(Arc::new(plan), threads.clone()).unwrap();
    session.forward(&[(x, &input)]).unwrap();
    session.backward(&[(y, &Target::Dense(top.clone()))]).unwrap();

    let doubles: Vec<f64> = input.iter().copied().map(f64::from).collect();
    let expected = reference::run(&graph, &doubles);
    let mut worst = (0.0, String::new());
    let mut note = |error: f64, what: &dyn Fn() -> String| {
        if error > worst.0 || error.is_nan() {
            worst = (error, what());
        }
    };
    for &value in watched.iter().chain(&[y]) {
        let (found, expected) = (session.activation(value).unwrap(), &expected.values[value.index()]);
        let scale = expected.iter().fold(1e-3, |scale: f64, number| scale.max(number.abs()));
        for (at, (&found, expected)) in found.iter().zip(expected).enumerate() {
            // A thousand roundings of single precision.
            let error = (f64::from(found) - expected).abs() / scale / 1e-4;
            note(error, &|| format!("'{}'[{at}] is {found}, not {expected}", graph.value(value).name));
        }
    }
    let gradient = session.gradient(x).unwrap();
    let objective = |input: &[f64]| -> f64 {
        let values = reference::run(&graph, input);
        values.values[y.index()].iter().zip(&top).map(|(y, top)| y * f64::from(*top)).sum()
    };
    let scale = gradient.iter().fold(1e-3, |scale: f64, number| scale.max(f64::from(number.abs())));
    for _ in 0..4 {
        let at = choices.of(input.len());
        const STEP: f64 = 1e-6;
        let moved = |step: f64| {
            let mut input = doubles.clone();
            input[at] += step;
            objective(&input)
        };
        let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let error = (f64::from(gradient[at]) - slope).abs() / scale / 1e-3;
        note(error, &|| format!("the gradient at {at} is {}, not {slope}", gradient[at]));
    }
    match worst {
        (error, _) if error <= 1.0 => Outcome::Agrees,
        _ if expected.margin < NEAR => Outcome::NearTie,
        (error, what) => panic!("{what} ({error:.1} times what is allowed)\n{graph}\n{options:?}"),
    }
}
