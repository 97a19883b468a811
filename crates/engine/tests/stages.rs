//! Batches whose first layers are taken through a network a few pictures at a time.

mod common;

use std::sync::Arc;

use deepinside_engine::{BackwardRule, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{Concat, Convolution, Eltwise, InnerProduct, Pool, PoolKind, Unary, Window};
use deepinside_graph::{Graph, GraphBuilder, Shape, ValueId};

use crate::common::{constant, noise};

const BATCH: usize = 6;

fn convolution(
    b: &mut GraphBuilder,
    name: &str,
    from: ValueId,
    [filters, channels, kernel]: [usize; 3],
) -> ValueId {
    let scale = (2.0 / (channels * kernel * kernel) as f32).sqrt();
    let weights = constant(b, &format!("{name}'s weights"), &[filters, channels, kernel, kernel], scale, 0.0);
    let pad = vec![kernel / 2; 2];
    let window = Window { pad_begin: pad.clone(), pad_end: pad, ..Window::new([kernel, kernel]) };
    let own = b.node(name, Convolution { window, groups: 1 }, &[from, weights], &[name]).unwrap()[0];
    let rectified = format!("{name} rectified");
    b.node(&rectified, Unary::Relu { negative_slope: 0.0 }, &[own], &[&rectified]).unwrap()[0]
}

fn halved(b: &mut GraphBuilder, name: &str, from: ValueId, extent: usize) -> ValueId {
    let window = Window { stride: vec![2, 2], ..Window::new([2, 2]) };
    let output = vec![extent / 2; 2];
    let pool = Pool { kind: PoolKind::Maximum, window, output, with_positions: false };
    b.node(name, pool, &[from], &[name]).unwrap()[0]
}

/// Large arrays first, small ones behind; a branch that leaves the first stage for the last sum, and a concatenation.
fn network() -> Graph {
    let mut b = GraphBuilder::new("narrowing");
    let x = b.input("x", Shape::new([BATCH, 3, 160, 160]).unwrap()).unwrap();
    let first = convolution(&mut b, "first", x, [24, 3, 3]);
    let deeper = convolution(&mut b, "deeper", first, [24, 24, 1]);
    let deepest = convolution(&mut b, "the deepest", deeper, [24, 24, 1]);
    let pooled = halved(&mut b, "pooled", deepest, 160);
    let left = convolution(&mut b, "left", pooled, [16, 24, 1]);
    let right = convolution(&mut b, "to the right", pooled, [16, 24, 3]);
    let joined = b.node("joined", Concat { axis: 1 }, &[left, right], &["joined"]).unwrap()[0];
    let quarter = halved(&mut b, "quarter", joined, 80);
    let second = convolution(&mut b, "second one", quarter, [32, 32, 3]);
    let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
    let sum = b.node("sum", sum, &[second, quarter], &["sum"]).unwrap()[0];
    let eighth = halved(&mut b, "eighth", sum, 40);
    let last = convolution(&mut b, "the last of all", eighth, [20, 32, 3]);
    let smallest = halved(&mut b, "smallest", last, 20);
    let weights = constant(&mut b, "scores' weights", &[7, 20 * 100], 0.03, 0.0);
    let product = InnerProduct { axis: 1, transposed: false };
    let scores = b.node("scores", product, &[smallest, weights], &["scores"]).unwrap()[0];
    b.finish(&[scores])
}

fn session(graph: &Graph, options: &PlanOptions) -> Session {
    session_on(2, graph, options)
}

fn session_on(threads: usize, graph: &Graph, options: &PlanOptions) -> Session {
    Session::new(Arc::new(Plan::new(graph, options).unwrap()), Threads::new(threads).unwrap()).unwrap()
}

fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let norm =
        |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|number| number * number).sum::<f32>().sqrt();
    let apart = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    apart / norm(&mut expected.iter().copied())
}

/// Every picture's numbers, forward and backward, are those that it has alone: whatever is observed or a target, within stages and
/// between them.
#[test]
fn a_batch_in_stages_is_its_pictures() {
    let batch = network();
    let single = batch.clone().with_batch(1).unwrap();
    let numbers = noise(BATCH * 3 * 160 * 160, 3);
    let named = |name: &str| batch.find(name).unwrap();
    let x = named("x");
    let seen = [vec![], vec![named("pooled"), named("joined"), named("sum"), named("scores")]];
    for rule in [BackwardRule::Gradient, BackwardRule::Guided, BackwardRule::Smooth] {
        for seen in &seen {
            let mut gradients = seen.clone();
            gradients.push(x);
            let options = PlanOptions {
                activations: seen.clone(),
                gradients: gradients.clone(),
                targets: vec![named("scores"), named("joined")],
                rule,
                ..PlanOptions::default()
            };
            let mut whole = session(&batch, &options);
            let plan = whole.plan().to_string();
            let runs = |runs: &str| plan.lines().filter(|line| line.contains(runs)).count();
            assert!(runs("in 6 runs") > 1 && runs("in 3 runs") + runs("in 2 runs") > 0, "{plan}");
            assert!(plan.lines().any(|line| line.starts_with("scores") && !line.contains("runs")), "{plan}");
            let mut alone = session(&single, &options);
            let score = Target::Class(2);
            // Twice: nothing of the first pass may be left in the second.
            for inner in [false, true] {
                let channel = Target::Class(17);
                let targets = [(named("scores"), &score), (named("joined"), &channel)];
                let targets = &targets[..1 + usize::from(inner)];
                whole.forward(&[(x, &numbers)]).unwrap();
                whole.backward(targets).unwrap();
                for (picture, own) in numbers.chunks_exact(3 * 160 * 160).enumerate() {
                    alone.forward(&[(x, own)]).unwrap();
                    alone.backward(targets).unwrap();
                    let part = |all: Vec<f32>| {
                        let length = all.len() / BATCH;
                        all[picture * length..][..length].to_vec()
                    };
                    for &value in seen {
                        let (all, one) = (whole.activation(value).unwrap(), alone.activation(value).unwrap());
                        assert!(difference(&part(all), &one) < 1e-5, "{picture} {value:?}");
                    }
                    for &value in &gradients {
                        let (all, one) = (whole.gradient(value).unwrap(), alone.gradient(value).unwrap());
                        // A maximum may fall on the other side of a near tie.
                        assert!(difference(&part(all), &one) < 1e-2, "{picture} {value:?} {rule:?}");
                    }
                }
            }
        }
    }
}

/// Without a backward pass the arrays of a stage are those of one run.
#[test]
fn stages_take_less_memory() {
    let batch = network();
    let options = PlanOptions { activations: vec![batch.find("scores").unwrap()], ..PlanOptions::default() };
    let bytes = |graph: &Graph| Plan::new(graph, &options).unwrap().session_bytes();
    let (all, one) = (bytes(&batch), bytes(&batch.clone().with_batch(1).unwrap()));
    assert!(all < 5 * one, "{all} bytes for {BATCH} pictures, {one} for one");
}

/// What is computed again is computed run by run too, to the same bits.
#[test]
fn a_memory_limit_changes_no_bit_of_a_batch_in_stages() {
    let batch = network();
    let named = |name: &str| batch.find(name).unwrap();
    let (x, scores) = (named("x"), named("scores"));
    let numbers = noise(BATCH * 3 * 160 * 160, 5);
    let options = PlanOptions { gradients: vec![x], targets: vec![scores], ..PlanOptions::default() };
    let run = |memory_limit: usize| {
        let mut session = session(&batch, &PlanOptions { memory_limit, ..options.clone() });
        session.forward(&[(x, &numbers)]).unwrap();
        // Every second backward pass finds what the first one left.
        let gradient = [1, 4].map(|class| {
            session.backward(&[(scores, &Target::Class(class))]).unwrap();
            session.gradient(x).unwrap()
        });
        (session.plan().session_bytes(), gradient)
    };
    let (all, expected) = run(usize::MAX);
    let (less, found) = run(all * 9 / 10);
    assert!(less <= all * 9 / 10);
    assert!(found == expected, "gradients changed");
}

/// Runs of a stage are computed by different threads, each in memory of its own.
#[test]
fn the_number_of_threads_changes_no_bit_of_a_batch_in_stages() {
    let batch = network();
    let named = |name: &str| batch.find(name).unwrap();
    let (x, inner, scores) = (named("x"), named("joined"), named("scores"));
    let numbers = noise(BATCH * 3 * 160 * 160, 7);
    let options = PlanOptions {
        activations: vec![scores],
        gradients: vec![x, inner],
        targets: vec![scores],
        ..PlanOptions::default()
    };
    let run = |threads: usize| {
        let mut session = session_on(threads, &batch, &options);
        session.measure_steps();
        let mut found = Vec::new();
        for class in [1, 4] {
            session.forward(&[(x, &numbers)]).unwrap();
            session.backward(&[(scores, &Target::Class(class))]).unwrap();
            found.extend([x, inner].map(|value| session.gradient(value).unwrap()));
            found.push(session.activation(scores).unwrap());
        }
        let times = session.step_times();
        assert!(times.iter().all(|step| !step.forward.is_zero() && !step.backward.is_zero()), "{times:?}");
        found
    };
    let expected = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == expected, "{threads} threads");
    }
}

/// Maxima are taken within stages of several runs, of what lies in a part of a concatenation and of what is read further on; they are
/// those of the activations, and looking changes no score.
#[test]
fn maxima_of_channels_are_those_of_activations() {
    let graph = network();
    let scores = graph.find("scores").unwrap();
    let looked_at: Vec<ValueId> = graph
        .nodes()
        .iter()
        .flat_map(|node| &node.outputs)
        .copied()
        .filter(|&value| graph.value(value).shape.rank() == 4)
        .collect();
    let input = noise(BATCH * 3 * 160 * 160, 5);
    let run = |options: PlanOptions| {
        let plan = Plan::new(&graph, &options).unwrap();
        let mut session = Session::new(Arc::new(plan), Threads::new(3).unwrap()).unwrap();
        session.forward(&[(graph.inputs()[0], &input)]).unwrap();
        session
    };
    let plain = run(PlanOptions { activations: vec![scores], ..PlanOptions::default() });
    for alone in [true, false] {
        let layers: Vec<Vec<ValueId>> = match alone {
            true => looked_at.iter().map(|&value| vec![value]).collect(),
            false => vec![looked_at.clone()],
        };
        for layers in layers {
            let found = run(PlanOptions {
                activations: vec![scores],
                maxima: layers.clone(),
                ..PlanOptions::default()
            });
            assert_eq!(found.activation(scores).unwrap(), plain.activation(scores).unwrap());
            let all = run(PlanOptions { activations: layers.clone(), ..PlanOptions::default() });
            for value in layers {
                let extents = graph.value(value).shape.extents();
                let positions = extents[2] * extents[3];
                let expected = all
                    .activation(value)
                    .unwrap()
                    .chunks(positions)
                    .flat_map(|numbers| {
                        let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        let at = numbers.iter().position(|&number| number == largest).unwrap();
                        [largest, at as f32]
                    })
                    .collect::<Vec<f32>>();
                assert_eq!(found.maxima(value).unwrap(), expected, "{}", graph.value(value).name);
            }
        }
    }
    assert!(plain.maxima(looked_at[0]).unwrap_err().to_string().contains("maxima"));
}

/// Tokens behind a class token that is written out once for every picture of the batch, also where fewer pictures are computed at a
/// time.
#[test]
fn a_constant_written_out_for_the_batch_is_cut_with_it() {
    let mut b = GraphBuilder::new("tokens");
    let x = b.input("x", Shape::new([1, 400, 256]).unwrap()).unwrap();
    let token = constant(&mut b, "token", &[1, 1, 256], 1.0, 0.0);
    let tokens = b.node("tokens", Concat { axis: 1 }, &[token, x], &["tokens"]).unwrap()[0];
    let places = constant(&mut b, "places", &[1, 401, 256], 1.0, 0.0);
    let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
    let placed = b.node("placed", sum, &[tokens, places], &["placed"]).unwrap()[0];
    let result = b.node("result", Unary::Tanh, &[placed], &["result"]).unwrap()[0];
    let single = b.finish(&[result]);
    let batch = single.clone().with_batch(BATCH).unwrap();
    let numbers = noise(BATCH * 400 * 256, 7);
    let options = PlanOptions {
        activations: vec![result],
        gradients: vec![x],
        targets: vec![result],
        ..PlanOptions::default()
    };
    let (mut whole, mut alone) = (session(&batch, &options), session(&single, &options));
    whole.forward(&[(x, &numbers)]).unwrap();
    let weights = noise(BATCH * 401 * 256, 8);
    whole.backward(&[(result, &Target::Dense(weights.clone()))]).unwrap();
    let (results, gradients) = (whole.activation(result).unwrap(), whole.gradient(x).unwrap());
    let pictures = numbers.chunks_exact(400 * 256).zip(weights.chunks_exact(401 * 256));
    for (picture, (own, weights)) in pictures.enumerate() {
        alone.forward(&[(x, own)]).unwrap();
        alone.backward(&[(result, &Target::Dense(weights.to_vec()))]).unwrap();
        assert_eq!(
            results[picture * 401 * 256..][..401 * 256],
            alone.activation(result).unwrap(),
            "{picture}"
        );
        assert_eq!(gradients[picture * 400 * 256..][..400 * 256], alone.gradient(x).unwrap(), "{picture}");
    }
}
