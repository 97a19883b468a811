//! Whole networks through plan and session: sharing of memory, sums of gradients, folding, several targets.

mod common;

use std::sync::Arc;

use deepinside_engine::{
    BackwardRule, EngineError, Instructions, Plan, PlanOptions, Session, Target, Threads,
};
use deepinside_graph::op::{
    AverageDivisor, BatchNormalization, Concat, Convolution, Eltwise, Identity, InnerProduct,
    LocalResponseNormalization, Pool, PoolKind, Softmax, Unary, Window,
};
use deepinside_graph::{Graph, GraphBuilder, Shape, ValueId};

use crate::common::{constant, noise};

/// A residual network with a branch that is joined twice: convolution, normalisation, sum, concatenation, pooling, scores.
fn network() -> Graph {
    let mut b = GraphBuilder::new("branches");
    let x = b.input("x", Shape::new([1, 3, 9, 8]).unwrap()).unwrap();
    let padded = || Window { pad_begin: vec![1, 1], pad_end: vec![1, 1], ..Window::new([3, 3]) };
    let (w1, b1) =
        (constant(&mut b, "w1", &[6, 3, 3, 3], 0.5, 0.0), constant(&mut b, "bias1", &[6], 0.2, 0.0));
    let convolution = || Convolution { window: padded(), groups: 1 };
    let c1 = b.node("c1", convolution(), &[x, w1, b1], &["c1"]).unwrap()[0];
    let mean = constant(&mut b, "mean", &[6], 0.3, 0.0);
    let variance = constant(&mut b, "variance", &[6], 0.4, 1.0);
    let n1 = b.node("n1", BatchNormalization { epsilon: 1e-5 }, &[c1, mean, variance], &["n1"]).unwrap()[0];
    let scale = constant(&mut b, "scale", &[6, 1, 1], 0.5, 1.0);
    let s1 = b.node("s1", Eltwise::Product, &[n1, scale], &["s1"]).unwrap()[0];
    let relu = Unary::Relu { negative_slope: 0.0 };
    let r1 = b.node("r1", relu, &[s1], &["r1"]).unwrap()[0];
    let d1 = b.node("d1", Identity, &[r1], &["d1"]).unwrap()[0];
    let w2 = constant(&mut b, "weights2", &[6, 6, 3, 3], 0.3, 0.0);
    let c2 = b.node("c2", convolution(), &[d1, w2], &["c2"]).unwrap()[0];
    let sum = Eltwise::Sum { coefficients: vec![1.0, -0.5, 0.25] };
    let e = b.node("e", sum, &[c2, d1, d1], &["e"]).unwrap()[0];
    let r2 = b.node("r2", relu, &[e], &["r2"]).unwrap()[0];
    let t = b.node("t", Unary::Tanh, &[d1], &["t"]).unwrap()[0];
    let joined = b.node("j", Concat { axis: 1 }, &[r2, t], &["j"]).unwrap()[0];
    let kind = PoolKind::Average(AverageDivisor::PaddedInput);
    let pool = Pool { kind, window: Window::new([9, 8]), output: vec![1, 1], with_positions: false };
    let p = b.node("p", pool, &[joined], &["p"]).unwrap()[0];
    let wf = constant(&mut b, "weights of scores", &[5, 12], 1.0, 0.0);
    let score = b.node("f", InnerProduct { axis: 1, transposed: false }, &[p, wf], &["score"]).unwrap()[0];
    let prob = b.node("q", Softmax { axis: 1 }, &[score], &["prob"]).unwrap()[0];
    b.finish(&[prob])
}

fn session(graph: &Graph, options: &PlanOptions) -> Session {
    Session::new(Arc::new(Plan::new(graph, options).unwrap()), Threads::new(2).unwrap()).unwrap()
}

/// Every computed value and the input.
fn everything(graph: &Graph) -> Vec<ValueId> {
    let computed = graph.nodes().iter().flat_map(|node| node.outputs.iter().copied());
    graph.inputs().iter().copied().chain(computed).collect()
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) -> bool {
    let largest = expected.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * largest)
}

/// Rectifiers are computed in the kernel before them, except where what lies between is observed.
#[test]
fn what_is_observed_does_not_change_what_is_computed() {
    let graph = network();
    let (x, score, prob) =
        (graph.find("x").unwrap(), graph.find("score").unwrap(), graph.find("prob").unwrap());
    let input = noise(216, 3);
    let all = everything(&graph);
    let rules = [BackwardRule::Gradient, BackwardRule::DeconvNet, BackwardRule::Guided, BackwardRule::Smooth];
    let instructions = Instructions::ALL;
    for (rule, instructions) in rules.into_iter().flat_map(|rule| instructions.map(|set| (rule, set))) {
        let observed = PlanOptions {
            activations: all.clone(),
            gradients: all.clone(),
            targets: vec![score, prob],
            rule,
            ..PlanOptions::default()
        };
        let lean = PlanOptions {
            activations: vec![prob],
            gradients: vec![x],
            targets: vec![score],
            rule,
            instructions,
            ..PlanOptions::default()
        };
        let (mut full, mut lean) = (session(&graph, &observed), session(&graph, &lean));
        assert!(lean.plan().session_bytes() < full.plan().session_bytes());
        for session in [&mut full, &mut lean] {
            session.forward(&[(x, &input)]).unwrap();
            session.backward(&[(score, &Target::Class(2))]).unwrap();
        }
        assert!(close(&lean.activation(prob).unwrap(), &full.activation(prob).unwrap(), 1e-6));
        assert!(
            close(&lean.gradient(x).unwrap(), &full.gradient(x).unwrap(), 1e-5),
            "{rule:?} {instructions:?}"
        );
    }
}

/// A convolution that keeps the extents; `extents` are those of its filters.
fn convolution(
    b: &mut GraphBuilder,
    name: &str,
    from: ValueId,
    extents: [usize; 4],
    groups: usize,
) -> ValueId {
    let weights = constant(b, &format!("weights of {name}"), &extents, 0.3, 0.0);
    let bias = constant(b, &format!("bias of {name}"), &extents[..1], 0.2, 0.0);
    let pad = vec![extents[2] / 2; 2];
    let window = Window { pad_begin: pad.clone(), pad_end: pad, ..Window::new([extents[2]; 2]) };
    b.node(name, Convolution { window, groups }, &[from, weights, bias], &[name]).unwrap()[0]
}

fn rectified(b: &mut GraphBuilder, name: &str, from: ValueId) -> ValueId {
    let name = format!("{name} rectified");
    b.node(&name, Unary::Relu { negative_slope: 0.0 }, &[from], &[&name]).unwrap()[0]
}

/// Checks that scores and gradients are the same whether or not everything between is observed, under every rule, and that
/// this saves so many steps.
fn check_fusion(graph: &Graph, saved: usize) {
    let (x, last) = (graph.inputs()[0], graph.outputs()[0]);
    let elements = |value: ValueId| graph.value(value).shape.elements();
    let picture = noise(elements(x), 3);
    let target = Target::Dense(noise(elements(last), 4));
    for rule in [BackwardRule::Gradient, BackwardRule::DeconvNet, BackwardRule::Guided] {
        // What is observed is computed by itself.
        let sessions = [Vec::new(), everything(graph)].map(|observed| {
            let options = PlanOptions {
                activations: [vec![last], observed.clone()].concat(),
                gradients: [vec![x], observed].concat(),
                targets: vec![last],
                rule,
                ..PlanOptions::default()
            };
            let mut session = session(graph, &options);
            session.forward(&[(x, &picture)]).unwrap();
            session.backward(&[(last, &target)]).unwrap();
            session
        });
        let steps = sessions.each_ref().map(|session| session.plan().to_string().lines().count());
        assert_eq!(steps[0] + saved, steps[1]);
        let scores = sessions.each_ref().map(|session| session.activation(last).unwrap());
        assert!(close(&scores[0], &scores[1], 1e-6), "scores");
        let gradients = sessions.each_ref().map(|session| session.gradient(x).unwrap());
        assert!(close(&gradients[0], &gradients[1], 1e-6), "gradients, {rule:?}");
    }
}

#[test]
fn convolutions_write_where_their_results_are_joined() {
    for batch in [1, 3] {
        let mut b = GraphBuilder::new("joined");
        let x = b.input("x", Shape::new([batch, 3, 18, 17]).unwrap()).unwrap();
        let stem = convolution(&mut b, "stem", x, [16, 3, 3, 3], 1);
        let stem = rectified(&mut b, "stem", stem);
        let kinds = [
            ("pointwise", [24, 16, 1, 1], 1),
            ("three", [64, 16, 3, 3], 1),
            ("five", [32, 16, 5, 5], 1),
            ("grouped", [20, 8, 3, 3], 2),
            ("depthwise", [16, 1, 3, 3], 16),
        ];
        let parts = kinds.map(|(name, extents, groups)| {
            let part = convolution(&mut b, name, stem, extents, groups);
            if name == "pointwise" { part } else { rectified(&mut b, name, part) }
        });
        let joined = b.node("joined", Concat { axis: 1 }, &parts, &["joined"]).unwrap()[0];
        let last = convolution(&mut b, "last", joined, [5, 156, 3, 3], 1);
        // Five rectifiers, the concatenation.
        check_fusion(&b.finish(&[last]), 6);
    }
}

#[test]
fn sums_with_the_result_of_a_convolution_are_added_by_it() {
    for batch in [1, 3] {
        let mut b = GraphBuilder::new("residual");
        let x = b.input("x", Shape::new([batch, 16, 18, 17]).unwrap()).unwrap();
        let sum = |b: &mut GraphBuilder, name: &str, operands: [ValueId; 2]| {
            b.node(name, Eltwise::Sum { coefficients: vec![1.0; 2] }, &operands, &[name]).unwrap()[0]
        };
        let pointwise = convolution(&mut b, "pointwise", x, [16, 16, 1, 1], 1);
        let first = sum(&mut b, "first", [pointwise, x]);
        let first = rectified(&mut b, "first", first);
        let three = convolution(&mut b, "three", first, [16, 16, 3, 3], 1);
        let second = sum(&mut b, "second", [first, three]);
        // A sum with one that sees each channel by itself stays a sum.
        let depthwise = convolution(&mut b, "depthwise", second, [16, 1, 3, 3], 16);
        let third = sum(&mut b, "third", [depthwise, second]);
        let third = rectified(&mut b, "third", third);
        let branches = [("left", [20, 16, 3, 3]), ("right", [20, 16, 1, 1])]
            .map(|(name, extents)| convolution(&mut b, name, third, extents, 1));
        let last = sum(&mut b, "last", branches);
        let last = rectified(&mut b, "last", last);
        // Three sums, three rectifiers behind sums.
        check_fusion(&b.finish(&[last]), 6);
    }
}

/// Where no backward pass follows, depthwise convolutions and maxima may compute their operand by themselves, strip by strip: the same
/// bits, for whole and cut chunks of channels, borders, strides and dilations of all sizes, one strip and many, one block and many.
#[test]
fn kernels_that_compute_their_operand_change_no_bit() {
    let window = |kernel: &[usize], stride: usize, dilation: usize, [begin, end]: [usize; 2]| Window {
        stride: vec![stride; kernel.len()],
        dilation: vec![dilation; kernel.len()],
        pad_begin: vec![begin; kernel.len()],
        pad_end: vec![end; kernel.len()],
        ..Window::new(kernel)
    };
    let pointwise = |axes: usize| Window::new(vec![1; axes]);
    let square = |kernel: usize, stride: usize, pad: usize| window(&[kernel; 2], stride, 1, [pad; 2]);
    // The picture, the channels between, and both windows.
    let settings: [(&[usize], usize, Window, Window); 18] = [
        (&[1, 3, 9, 8], 16, pointwise(2), square(3, 1, 1)),
        (&[3, 5, 14, 15], 40, pointwise(2), square(3, 1, 1)),
        (&[1, 24, 80, 60], 72, pointwise(2), square(3, 1, 1)),
        (&[2, 16, 61, 70], 33, pointwise(2), window(&[3, 3], 2, 1, [0, 1])),
        (&[1, 8, 45, 44], 48, pointwise(2), square(5, 1, 2)),
        (&[1, 4, 50, 51], 20, pointwise(2), square(5, 2, 2)),
        (&[1, 4, 40, 33], 24, pointwise(2), window(&[3, 3], 2, 3, [4, 4])),
        (&[1, 6, 30, 90], 7, pointwise(2), square(2, 3, 0)),
        (&[1, 6, 4, 3], 18, pointwise(2), window(&[7, 5], 1, 1, [3, 2])),
        (&[1, 6, 30, 3], 18, pointwise(2), window(&[9, 1], 1, 1, [0, 0])),
        (&[2, 3, 70], 17, pointwise(1), window(&[4], 1, 1, [2, 1])),
        (&[2, 3, 5, 20, 30], 19, pointwise(3), window(&[3, 3, 3], 2, 1, [1, 1])),
        (&[2, 3, 47, 50], 64, square(3, 2, 0), square(3, 2, 0)),
        (&[1, 3, 112, 113], 40, square(3, 2, 1), square(3, 1, 1)),
        (&[1, 3, 101, 90], 24, square(7, 2, 3), square(3, 2, 1)),
        (&[1, 1, 60, 64], 96, square(11, 4, 0), square(3, 2, 0)),
        (&[1, 2, 30, 31], 12, window(&[3, 3], 1, 2, [2, 3]), square(2, 2, 0)),
        (&[1, 3, 6, 14, 15], 10, window(&[3, 3, 3], 1, 1, [1, 1]), window(&[2, 2, 2], 2, 1, [0, 0])),
    ];
    for ((extents, channels, first, second), maxima) in
        settings.into_iter().flat_map(|setting| [false, true].map(|maxima| (setting.clone(), maxima)))
    {
        let mut b = GraphBuilder::new("chain");
        let x = b.input("x", Shape::new(extents).unwrap()).unwrap();
        let weights = [&[channels, extents[1]], &first.kernel[..]].concat();
        let (weights, bias) = (
            constant(&mut b, "weights", &weights, 0.5, 0.0),
            constant(&mut b, "bias", &[channels], 0.2, 0.0),
        );
        let first = Convolution { window: first, groups: 1 };
        let between = b.node("first", first, &[x, weights, bias], &["between"]).unwrap()[0];
        let clip = Unary::Clip { minimum: 0.0, maximum: 0.4 };
        let clipped = b.node("clip", clip, &[between], &["clipped"]).unwrap()[0];
        let last = if maxima {
            let kind = PoolKind::Maximum;
            let spatial = b.shape(clipped).extents()[2..].to_vec();
            // Rounded up where that leaves no window empty, as Caffe does.
            let output = (0..spatial.len()).map(|axis| {
                let reach = second.dilation[axis] * (second.kernel[axis] - 1) + 1;
                let room = spatial[axis] + second.pad_begin[axis] + second.pad_end[axis] - reach;
                let begins =
                    |index: &usize| index * second.stride[axis] < spatial[axis] + second.pad_begin[axis];
                (0..=room.div_ceil(second.stride[axis])).filter(begins).count()
            });
            let pool = Pool { kind, window: second.clone(), output: output.collect(), with_positions: false };
            b.node("second", pool, &[clipped], &["last"]).unwrap()[0]
        } else {
            let filters = [&[channels, 1], &second.kernel[..]].concat();
            let filters = constant(&mut b, "filters", &filters, 0.5, 0.0);
            let depthwise = Convolution { window: second, groups: channels };
            let last = b.node("second", depthwise, &[clipped, filters], &["last"]).unwrap()[0];
            let last = rectified(&mut b, "last", last);
            // Written beside another convolution's result.
            let beside = Convolution { window: Window::new(vec![1; extents.len() - 2]), groups: 1 };
            let small = b.node("small", Unary::Tanh, &[last], &["small"]).unwrap()[0];
            let filters = [&[5, channels], &vec![1; extents.len() - 2][..]].concat();
            let filters = constant(&mut b, "filters beside", &filters, 0.5, 0.0);
            let beside = b.node("beside", beside, &[small, filters], &["beside"]).unwrap()[0];
            b.node("joined", Concat { axis: 1 }, &[beside, last], &["joined"]).unwrap()[0]
        };
        let graph = b.finish(&[last]);
        let picture = noise(graph.value(x).shape.elements(), 5);
        for instructions in Instructions::ALL {
            let results = [vec![last], vec![last, clipped]].map(|activations| {
                let alone = activations.len() == 1;
                let options = PlanOptions { activations, instructions, ..PlanOptions::default() };
                let mut session = session(&graph, &options);
                assert_eq!(session.plan().to_string().contains("first:"), !alone);
                session.forward(&[(x, &picture)]).unwrap();
                session.activation(last).unwrap()
            });
            assert!(results[0].iter().any(|&number| number > 0.0));
            assert!(results[0] == results[1], "{extents:?}, {channels}, {maxima}, {instructions:?}");
        }
    }
}

/// Behind a rectifier, copies and maxima the gradients of silent units are left out, for nothing comes of them.
#[test]
fn gradients_that_a_rectifier_would_stop_may_be_left_out() {
    let mut b = GraphBuilder::new("classifier");
    let x = b.input("x", Shape::new([1, 4, 6, 6]).unwrap()).unwrap();
    let r = b.node("r", Unary::Relu { negative_slope: 0.0 }, &[x], &["r"]).unwrap()[0];
    let pool = |kind, extent, output: [usize; 2]| Pool {
        kind,
        window: Window { stride: vec![extent; 2], ..Window::new([extent; 2]) },
        output: output.to_vec(),
        with_positions: false,
    };
    let m = b.node("m", pool(PoolKind::Maximum, 2, [3, 3]), &[r], &["m"]).unwrap()[0];
    let divisor = AverageDivisor::PaddedInput;
    let a = b.node("a", pool(PoolKind::Average(divisor), 1, [3, 3]), &[m], &["a"]).unwrap()[0];
    let w = constant(&mut b, "w", &[5, 36], 1.0, 0.0);
    let score = b.node("f", InnerProduct { axis: 1, transposed: false }, &[a, w], &["score"]).unwrap()[0];
    let graph = b.finish(&[score]);
    // Most units are silent, as in trained networks.
    let input: Vec<f32> = noise(144, 5).iter().map(|number| number - 0.6).collect();
    let gradients = |observed: &[ValueId]| {
        let gradients = [&[x], observed].concat();
        let options = PlanOptions { gradients, targets: vec![score], ..PlanOptions::default() };
        let mut session = session(&graph, &options);
        session.forward(&[(x, &input)]).unwrap();
        session.backward(&[(score, &Target::Class(1))]).unwrap();
        let of = |value| session.gradient(value).unwrap();
        (of(x), observed.first().map(|&value| of(value)))
    };
    let (lean, _) = gradients(&[]);
    let (full, at_pool) = gradients(&[a]);
    assert_eq!(lean, full);
    assert!(lean.iter().any(|number| *number != 0.0));
    assert!(at_pool.unwrap().iter().all(|number| *number != 0.0), "what is looked at is computed in full");
}

#[test]
fn gradients_of_a_branching_network_are_its_differences() {
    let graph = network();
    let (x, score) = (graph.find("x").unwrap(), graph.find("score").unwrap());
    let options = PlanOptions {
        activations: vec![score],
        gradients: vec![x],
        targets: vec![score],
        ..PlanOptions::default()
    };
    let mut session = session(&graph, &options);
    let mut input = noise(216, 3);
    session.forward(&[(x, &input)]).unwrap();
    session.backward(&[(score, &Target::Class(2))]).unwrap();
    let gradient = session.gradient(x).unwrap();
    let mut wrong = 0;
    for element in 0..input.len() {
        let (own, step) = (input[element], 0.01);
        let mut at = |number: f32| {
            input[element] = number;
            session.forward(&[(x, &input)]).unwrap();
            session.activation(score).unwrap()[2]
        };
        let difference = (at(own + step) - at(own - step)) / (2.0 * step);
        input[element] = own;
        wrong += usize::from((difference - gradient[element]).abs() > 2e-2 * gradient[element].abs() + 2e-3);
    }
    // A step of a hundredth crosses the kink of a rectifier here and there.
    assert!(wrong <= 6, "{wrong} of 216 elements differ");
}

#[test]
fn one_forward_pass_serves_many_backward_passes() {
    let graph = network();
    let (x, score, r1) = (graph.find("x").unwrap(), graph.find("score").unwrap(), graph.find("r1").unwrap());
    let options = PlanOptions { gradients: vec![x, r1], targets: vec![score, r1], ..PlanOptions::default() };
    let mut many = session(&graph, &options);
    let input = noise(216, 5);
    many.forward(&[(x, &input)]).unwrap();
    let mut gradients = Vec::new();
    for class in [0, 3, 0] {
        many.backward(&[(score, &Target::Class(class))]).unwrap();
        gradients.push(many.gradient(x).unwrap());
    }
    assert_eq!(gradients[0], gradients[2]);
    assert_ne!(gradients[0], gradients[1]);
    // The difference of two classes is the difference of their gradients.
    many.backward(&[(score, &Target::Difference(0, 3))]).unwrap();
    let expected: Vec<f32> = gradients[0].iter().zip(&gradients[1]).map(|(a, b)| a - b).collect();
    assert!(close(&many.gradient(x).unwrap(), &expected, 1e-5));
    // A target in the middle leaves everything behind it alone.
    many.backward(&[(r1, &Target::Neuron(7))]).unwrap();
    let top = many.gradient(r1).unwrap();
    assert_eq!((top[7], top.iter().filter(|&&number| number != 0.0).count()), (1.0, 1));
}

#[test]
fn a_batch_is_its_pictures() {
    let graph = network();
    let (x, score) = (graph.find("x").unwrap(), graph.find("score").unwrap());
    let options = PlanOptions {
        activations: vec![score],
        gradients: vec![x],
        targets: vec![score],
        ..PlanOptions::default()
    };
    let input = noise(16 * 216, 9);
    let run = |graph: &Graph, input: &[f32]| {
        let mut session = session(graph, &options);
        session.forward(&[(x, input)]).unwrap();
        session.backward(&[(score, &Target::Class(1))]).unwrap();
        (session.activation(score).unwrap(), session.gradient(x).unwrap())
    };
    let (scores, gradients) = run(&graph.clone().with_batch(16).unwrap(), &input);
    for picture in 0..16 {
        let (own_scores, own_gradient) = run(&graph, &input[picture * 216..][..216]);
        assert!(close(&scores[picture * 5..][..5], &own_scores, 1e-5));
        assert!(close(&gradients[picture * 216..][..216], &own_gradient, 1e-5));
    }
}

#[test]
fn rules_change_rectifiers_alone() {
    let graph = network();
    let (x, score, e, r2) = (
        graph.find("x").unwrap(),
        graph.find("score").unwrap(),
        graph.find("e").unwrap(),
        graph.find("r2").unwrap(),
    );
    let gradients = |rule| {
        let options =
            PlanOptions { gradients: vec![e, r2], targets: vec![score], rule, ..PlanOptions::default() };
        let mut session = session(&graph, &options);
        session.forward(&[(x, &noise(216, 3))]).unwrap();
        session.backward(&[(score, &Target::Class(2))]).unwrap();
        (session.gradient(e).unwrap(), session.gradient(r2).unwrap())
    };
    let (plain, top) = gradients(BackwardRule::Gradient);
    let (deconvnet, same) = gradients(BackwardRule::DeconvNet);
    let (guided, _) = gradients(BackwardRule::Guided);
    assert_eq!(top, same, "above the last rectifier nothing changes");
    for index in 0..top.len() {
        assert_eq!(deconvnet[index], top[index].max(0.0));
        assert_eq!(guided[index], plain[index].max(0.0));
    }
}

/// Smooth gates read the arguments of rectifiers, which lie between a convolution and its rectifier.
#[test]
fn smooth_gates_are_those_of_the_definition() {
    let mut b = GraphBuilder::new("smooth");
    let x = b.input("x", Shape::new([2, 3, 9, 8]).unwrap()).unwrap();
    let argument = convolution(&mut b, "convolution", x, [6, 3, 3, 3], 1);
    let result = rectified(&mut b, "convolution", argument);
    let graph = b.finish(&[result]);
    let (picture, top) = (noise(2 * 3 * 72, 5), noise(2 * 6 * 72, 6));
    let options = PlanOptions {
        activations: vec![argument],
        gradients: vec![argument],
        targets: vec![result],
        rule: BackwardRule::Smooth,
        ..PlanOptions::default()
    };
    let mut session = session(&graph, &options);
    session.forward(&[(x, &picture)]).unwrap();
    session.backward(&[(result, &Target::Dense(top.clone()))]).unwrap();
    let (arguments, gradients) = (session.activation(argument).unwrap(), session.gradient(argument).unwrap());
    let pictures = arguments.chunks(6 * 72).zip(gradients.chunks(6 * 72)).zip(top.chunks(6 * 72));
    for ((arguments, gradients), top) in pictures {
        let mean = arguments.iter().sum::<f32>() / arguments.len() as f32;
        let variance = arguments.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / arguments.len() as f32;
        let expected: Vec<f32> = arguments
            .iter()
            .zip(top)
            .map(|(x, g)| {
                let u = (x / variance.sqrt()).clamp(-3.0, 3.0);
                g * (0.5 + 0.5 * u * (27.0 + u * u) / (27.0 + 9.0 * u * u))
            })
            .collect();
        assert!(close(gradients, &expected, 1e-5));
    }
}

/// A long chain of convolutions, normalisations, residual sums and maxima, all of the same extents.
fn tower() -> Graph {
    let mut b = GraphBuilder::new("tower");
    let x = b.input("x", Shape::new([2, 3, 16, 16]).unwrap()).unwrap();
    let (mut value, mut inputs) = (x, 3);
    let channels = 8;
    for stage in 0..8 {
        let name = |what: &str| format!("{what} {stage}");
        let first = convolution(&mut b, &name("first"), value, [channels, inputs, 3, 3], 1);
        let first = rectified(&mut b, &name("first"), first);
        let norm = LocalResponseNormalization::AcrossChannels { size: 5, alpha: 0.1, beta: 0.75, k: 1.0 };
        let norm = b.node(name("norm"), norm, &[first], &[&name("norm")]).unwrap()[0];
        let second = convolution(&mut b, &name("second"), norm, [channels, channels, 3, 3], 1);
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        let sum = b.node(name("sum"), sum, &[second, first], &[&name("sum")]).unwrap()[0];
        let window = Window { pad_begin: vec![1; 2], pad_end: vec![1; 2], ..Window::new([3; 2]) };
        let pool = Pool { kind: PoolKind::Maximum, window, output: vec![16; 2], with_positions: false };
        value = b.node(name("pool"), pool, &[sum], &[&name("pool")]).unwrap()[0];
        inputs = channels;
    }
    let weights = constant(&mut b, "weights of scores", &[5, 8 * 256], 1.0, 0.0);
    let scores = InnerProduct { axis: 1, transposed: false };
    let scores = b.node("scores", scores, &[value, weights], &["scores"]).unwrap()[0];
    b.finish(&[scores])
}

/// Where memory is short, parts of the forward pass are computed again; no bit of a result changes, however often the backward pass
/// is repeated, wherever it starts and whatever is observed.
#[test]
fn a_memory_limit_changes_no_result() {
    // In the small network all arrays are read together somewhere, so that little can be saved.
    for (graph, wanted) in [(network(), 100), (tower(), 70)] {
        let x = graph.find("x").unwrap();
        let scores = *graph.nodes().last().unwrap().outputs.last().unwrap();
        let middle = graph.nodes()[graph.nodes().len() / 2].outputs[0];
        let elements = |value: ValueId| graph.value(value).shape.elements();
        let input = noise(elements(x), 11);
        let targets = [
            (scores, Target::Dense(noise(elements(scores), 1))),
            (middle, Target::Dense(noise(elements(middle), 2))),
            (scores, Target::Dense(noise(elements(scores), 3))),
        ];
        for (rule, observed) in [
            (BackwardRule::Gradient, vec![]),
            (BackwardRule::Guided, vec![]),
            (BackwardRule::DeconvNet, vec![middle]),
        ] {
            let options = PlanOptions {
                activations: [&[scores][..], &observed].concat(),
                gradients: [&[x][..], &observed].concat(),
                targets: vec![scores, middle],
                rule,
                ..PlanOptions::default()
            };
            let run = |options: &PlanOptions| {
                let mut session = session(&graph, options);
                let mut results = Vec::new();
                for _ in 0..2 {
                    session.forward(&[(x, &input)]).unwrap();
                    for (value, target) in &targets {
                        session.backward(&[(*value, target)]).unwrap();
                        results.extend(options.gradients.iter().map(|&of| session.gradient(of).unwrap()));
                        results.extend(options.activations.iter().map(|&of| session.activation(of).unwrap()));
                    }
                }
                (results, session.plan().session_bytes())
            };
            let (expected, whole) = run(&options);
            let mut least = whole;
            for percent in (10..100).step_by(5) {
                let memory_limit = whole * percent / 100;
                let limited = PlanOptions { memory_limit, ..options.clone() };
                match Plan::new(&graph, &limited) {
                    Ok(_) => {
                        let (found, bytes) = run(&limited);
                        assert!(bytes <= memory_limit);
                        assert!(found == expected, "{} {rule:?} in {percent} %", graph.name());
                        least = least.min(bytes);
                    }
                    Err(error) => assert!(matches!(error, EngineError::MemoryLimit { .. })),
                }
            }
            assert!(least <= whole * wanted / 100, "{} {rule:?}: {least} of {whole} bytes", graph.name());
        }
    }
}

#[test]
fn mistakes_are_named() {
    let graph = network();
    let (x, score, c1) = (graph.find("x").unwrap(), graph.find("score").unwrap(), graph.find("c1").unwrap());
    let options = PlanOptions { gradients: vec![x], targets: vec![score], ..PlanOptions::default() };
    let mut lean = session(&graph, &options);
    let class = Target::Class(0);
    assert!(matches!(lean.backward(&[(score, &class)]), Err(EngineError::NoForward)));
    assert!(lean.forward(&[]).unwrap_err().to_string().contains("'x'"));
    let message = lean.forward(&[(x, &[0.0; 5])]).unwrap_err().to_string();
    assert!(message.contains("216") && message.contains('5'), "{message}");
    lean.forward(&[(x, &[0.0; 216])]).unwrap();
    assert!(
        lean.activation(c1).is_err() && lean.gradient(c1).is_err() && lean.backward(&[(c1, &class)]).is_err()
    );
    assert!(lean.backward(&[(score, &Target::Class(5))]).unwrap_err().to_string().contains("below 5"));
    let limited = PlanOptions { memory_limit: 1000, ..options };
    assert!(matches!(Plan::new(&graph, &limited), Err(EngineError::MemoryLimit { .. })));
}
