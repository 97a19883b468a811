//! A block of a transformer, as exporters spell it: what plans make of it must not be seen in a number.

mod common;

use std::sync::Arc;

use deepinside_engine::{BackwardRule, Instructions, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{
    AxisRange, Binary, Concat, Convolution, Eltwise, EpsilonPlacement, Extent, InnerProduct, MatrixProduct,
    MeanVarianceNormalization, Reduce, Reduction, Reshape, Slice, Softmax, Split, Transpose, Unary, Window,
};
use deepinside_graph::{Graph, GraphBuilder, Op, Shape, ValueId};

use crate::common::{constant, noise};

const TOKENS: usize = 49;
const WIDTH: usize = 24;
const HEADS: usize = 3;
const CLASSES: usize = 10;

struct Block {
    builder: GraphBuilder,
    count: usize,
}

impl Block {
    fn nodes(&mut self, op: impl Into<Op>, inputs: &[ValueId], outputs: usize) -> Vec<ValueId> {
        self.count += 1;
        let names: Vec<String> = (0..outputs).map(|output| format!("{}:{output}", self.count)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.builder.node(format!("node {}", self.count), op, inputs, &names).unwrap()
    }

    fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.nodes(op, inputs, 1)[0]
    }

    fn constant(&mut self, extents: &[usize], scale: f32, shift: f32) -> ValueId {
        self.count += 1;
        constant(&mut self.builder, &format!("constant {}", self.count), extents, scale, shift)
    }

    fn sum(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.node(Eltwise::Sum { coefficients: vec![1.0, 1.0] }, &[a, b])
    }

    fn line(&mut self, x: ValueId, scale: f32, shift: f32) -> ValueId {
        self.node(Unary::Power { power: 1.0, scale, shift }, &[x])
    }

    /// A product with weights and the sum with a bias.
    fn linear(&mut self, x: ValueId, inputs: usize, outputs: usize, axis: usize) -> ValueId {
        let weights = self.constant(&[inputs, outputs], 1.5 / (inputs as f32).sqrt(), 0.0);
        let product = self.node(InnerProduct { axis, transposed: true }, &[x, weights]);
        let bias = self.constant(&[outputs], 0.2, 0.0);
        self.sum(product, bias)
    }

    fn scaled(&mut self, x: ValueId) -> ValueId {
        let scale = self.constant(&[WIDTH], 0.5, 1.0);
        let product = self.node(Eltwise::Product, &[x, scale]);
        let shift = self.constant(&[WIDTH], 0.2, 0.0);
        self.sum(product, shift)
    }

    fn reshape(&mut self, x: ValueId, extents: &[Extent]) -> ValueId {
        self.node(Reshape { extents: extents.to_vec() }, &[x])
    }

    fn transpose(&mut self, x: ValueId, permutation: &[usize]) -> ValueId {
        self.node(Transpose { permutation: permutation.to_vec() }, &[x])
    }

    fn attention(&mut self, x: ValueId) -> ValueId {
        let depth = WIDTH / HEADS;
        let joint = self.linear(x, WIDTH, 3 * WIDTH, 2);
        let fixed = [TOKENS, 3, HEADS, depth].map(Extent::Fixed);
        let heads = self.reshape(joint, &[&[Extent::Copy(0)], &fixed[..]].concat());
        let heads = self.transpose(heads, &[2, 0, 3, 1, 4]);
        let parts = self.nodes(Split { axis: 0, sizes: vec![1; 3] }, &[heads], 3);
        let own = [1, 2, 3, 4].map(Extent::Copy);
        let [q, k, v] = [0, 1, 2].map(|part| self.reshape(parts[part], &own));
        let q = self.line(q, 0.35, 0.0);
        let k = self.transpose(k, &[0, 1, 3, 2]);
        let scores = self.node(MatrixProduct, &[q, k]);
        let shares = self.node(Softmax { axis: 3 }, &[scores]);
        let mixed = self.node(MatrixProduct, &[shares, v]);
        let mixed = self.transpose(mixed, &[0, 2, 1, 3]);
        let mixed = self.reshape(mixed, &[Extent::Copy(0), Extent::Fixed(TOKENS), Extent::Fixed(WIDTH)]);
        self.linear(mixed, WIDTH, WIDTH, 2)
    }

    /// Layer normalisation in steps.
    fn normalised(&mut self, x: ValueId) -> ValueId {
        let mean = Reduce { reduction: Reduction::Mean, axes: vec![2], keep_axes: true, coefficient: 1.0 };
        let average = self.node(mean.clone(), &[x]);
        let difference = self.node(Eltwise::Sum { coefficients: vec![1.0, -1.0] }, &[x, average]);
        let square = self.node(Unary::Power { power: 2.0, scale: 1.0, shift: 0.0 }, &[difference]);
        let variance = self.node(mean, &[square]);
        let variance = self.line(variance, 1.0, 1e-5);
        let deviation = self.node(Unary::Power { power: 0.5, scale: 1.0, shift: 0.0 }, &[variance]);
        self.node(Binary::Divide, &[difference, deviation])
    }

    fn gelu(&mut self, x: ValueId) -> ValueId {
        let scaled = self.line(x, std::f32::consts::FRAC_1_SQRT_2, 0.0);
        let error = self.node(Unary::Erf, &[scaled]);
        let gate = self.line(error, 1.0, 1.0);
        let product = self.node(Eltwise::Product, &[x, gate]);
        self.line(product, 0.5, 0.0)
    }
}

/// A network of one block.
fn network(batch: usize) -> Graph {
    blocks(batch, 1)
}

/// Patches, blocks, and scores from the first token beside the last one.
fn blocks(batch: usize, count: usize) -> Graph {
    let builder = GraphBuilder::new("transformer");
    let mut b = Block { builder, count: 0 };
    let x = b.builder.input("x", Shape::new([batch, 3, 28, 28]).unwrap()).unwrap();
    let window = Window { stride: vec![4, 4], ..Window::new([4, 4]) };
    let filters = b.constant(&[WIDTH, 3, 4, 4], 0.3, 0.0);
    let patches = b.node(Convolution { window, groups: 1 }, &[x, filters]);
    let tokens = b.reshape(patches, &[Extent::Copy(0), Extent::Fixed(WIDTH), Extent::Infer]);
    let tokens = b.transpose(tokens, &[0, 2, 1]);
    let places = b.constant(&[1, TOKENS, WIDTH], 0.3, 0.0);
    let mut tokens = b.sum(tokens, places);
    let normalization = MeanVarianceNormalization {
        axes: vec![2],
        variance: true,
        epsilon: 1e-6,
        placement: EpsilonPlacement::InsideRoot,
    };
    for _ in 0..count {
        let normal = b.node(normalization.clone(), &[tokens]);
        let normal = b.scaled(normal);
        let mixed = b.attention(normal);
        tokens = b.sum(tokens, mixed);
        let normal = b.normalised(tokens);
        let normal = b.scaled(normal);
        let wide = b.linear(normal, WIDTH, 2 * WIDTH, 2);
        let wide = b.gelu(wide);
        let narrow = b.linear(wide, 2 * WIDTH, WIDTH, 2);
        // Exporters also pad by nothing and cut nothing off.
        let whole = Slice { ranges: vec![AxisRange { axis: 1, start: 0, size: TOKENS }] };
        let narrow = b.node(whole, &[narrow]);
        tokens = b.sum(narrow, tokens);
    }
    let one = |start: usize| Slice { ranges: vec![AxisRange { axis: 1, start, size: 1 }] };
    let (first, last) = (b.node(one(0), &[tokens]), b.node(one(TOKENS - 1), &[tokens]));
    let both = b.node(Concat { axis: 2 }, &[first, last]);
    let both = b.reshape(both, &[Extent::Copy(0), Extent::Fixed(2 * WIDTH)]);
    let scores = b.linear(both, 2 * WIDTH, CLASSES, 1);
    b.builder.finish(&[scores])
}

/// The activation of a value, its gradient, and the gradient of the input.
fn run(
    graph: &Graph,
    observed: &[ValueId],
    instructions: Instructions,
    threads: usize,
) -> Vec<(Vec<f32>, Vec<f32>)> {
    let (input, scores) = (graph.inputs()[0], graph.outputs()[0]);
    let all = [observed, &[input, scores]].concat();
    let options = PlanOptions {
        activations: all.clone(),
        gradients: all.clone(),
        targets: vec![scores],
        rule: BackwardRule::Gradient,
        instructions,
        ..PlanOptions::default()
    };
    let plan = Arc::new(Plan::new(graph, &options).unwrap());
    let mut session = Session::new(plan, Threads::new(threads).unwrap()).unwrap();
    let x = noise(graph.value(input).shape.elements(), 1);
    let top = noise(graph.value(scores).shape.elements(), 2);
    session.forward(&[(input, &x)]).unwrap();
    session.backward(&[(scores, &Target::Dense(top))]).unwrap();
    all.iter().map(|&value| (session.activation(value).unwrap(), session.gradient(value).unwrap())).collect()
}

/// The difference of two arrays, relative to the second one.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm =
        |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|number| number * number).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    off / norm(&mut expected.iter().map(|&number| f64::from(number))).max(1e-30)
}

/// Nothing is fused where everything is observed: each value alone must be the same, and what lies around it.
#[test]
fn results_do_not_depend_on_who_observes() {
    let graph = network(1);
    let computed: Vec<ValueId> = graph.nodes().iter().flat_map(|node| node.outputs.clone()).collect();
    let all = run(&graph, &computed, Instructions::Detected, 2);
    let mut faults = Vec::new();
    for (index, &value) in computed.iter().enumerate() {
        let alone = run(&graph, &[value], Instructions::Detected, 2);
        let expected = [index, computed.len(), computed.len() + 1].map(|place| &all[place]);
        for (found, expected) in alone.iter().zip(expected) {
            let errors = (error(&found.0, &expected.0), error(&found.1, &expected.1));
            if errors.0.is_nan() || errors.0 > 3e-6 || errors.1.is_nan() || errors.1 > 1e-5 {
                faults.push(format!("with {}: {errors:?}", graph.value(value).name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is computed again on the way back lies in the tensors of which others are views.
#[test]
fn a_memory_limit_changes_no_bit() {
    let graph = blocks(2, 6);
    let (input, scores) = (graph.inputs()[0], graph.outputs()[0]);
    let x = noise(graph.value(input).shape.elements(), 1);
    let top = noise(graph.value(scores).shape.elements(), 2);
    let plan = |memory_limit: usize| {
        let options = PlanOptions {
            activations: vec![scores],
            gradients: vec![input],
            targets: vec![scores],
            memory_limit,
            ..PlanOptions::default()
        };
        Plan::new(&graph, &options)
    };
    let run = |plan: Plan| {
        let bytes = plan.session_bytes();
        let mut session = Session::new(Arc::new(plan), Threads::new(2).unwrap()).unwrap();
        session.forward(&[(input, &x)]).unwrap();
        session.backward(&[(scores, &Target::Dense(top.clone()))]).unwrap();
        (bytes, session.activation(scores).unwrap(), session.gradient(input).unwrap())
    };
    let whole = run(plan(1 << 30).unwrap());
    let lean = (1..100).find_map(|percent| plan(whole.0 * percent / 100).ok());
    let lean = run(lean.expect("a plan that computes something again"));
    assert!(lean.0 < whole.0 && (lean.1, lean.2) == (whole.1, whole.2), "other bits with {} bytes", lean.0);
}

/// The plan has one kernel for what files spell in many.
#[test]
fn patterns_are_one_kernel() {
    let graph = network(1);
    let (input, scores) = (graph.inputs()[0], graph.outputs()[0]);
    let options = PlanOptions {
        activations: vec![scores],
        gradients: vec![input],
        targets: vec![scores],
        ..PlanOptions::default()
    };
    let steps = Plan::new(&graph, &options).unwrap().to_string().lines().count() - 1;
    // The picture's layout, patches and the order of their tokens (3), places, normalisation, joint product, heads and their
    // parts (2), scale, product, softmax, product, heads back, product with the sum, normalisation, product, activation,
    // product, sum, two tokens and their array (3), scores.
    assert!(steps <= 25, "{steps} kernels of {} nodes", graph.nodes().len());
}

#[test]
fn bits_are_those_of_one_thread_and_of_narrow_vectors() {
    for batch in [1, 3] {
        let graph = network(batch);
        let expected = run(&graph, &[], Instructions::Detected, 1);
        assert_eq!(run(&graph, &[], Instructions::Detected, 3), expected);
        if Instructions::Narrow.name() != Instructions::Portable.name() {
            assert_eq!(run(&graph, &[], Instructions::Narrow, 2), expected);
        }
        let portable = run(&graph, &[], Instructions::Portable, 2);
        for (found, expected) in portable.iter().zip(&expected) {
            assert!(error(&found.0, &expected.0) < 3e-6 && error(&found.1, &expected.1) < 1e-5);
        }
    }
}
