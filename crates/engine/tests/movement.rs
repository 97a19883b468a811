//! Several nodes that only move numbers are one copy, and give the bits that they give one by one.

#[allow(dead_code, reason = "these networks have no weights")]
mod common;

use std::sync::Arc;

use deepinside_engine::{Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::{AxisRange, Concat, Eltwise, Extent, Reshape, Slice, Split, Transpose, Unary};
use deepinside_graph::{Graph, GraphBuilder, Op, Shape, ValueId};

use crate::common::noise;

const BATCH: usize = 2;
const SIDE: usize = 6;
const WIDTH: usize = 16;

struct Network {
    builder: GraphBuilder,
    count: usize,
}

impl Network {
    /// A network that reads `BATCH × SIDE × SIDE × WIDTH` numbers, and what it begins with.
    fn new() -> (Self, ValueId) {
        let mut builder = GraphBuilder::new("movement");
        let x = builder.input("x", Shape::new([BATCH, SIDE, SIDE, WIDTH]).unwrap()).unwrap();
        let mut network = Self { builder, count: 0 };
        let first = network.node(Unary::Tanh, &[x]);
        (network, first)
    }

    fn nodes(&mut self, op: impl Into<Op>, inputs: &[ValueId], outputs: usize) -> Vec<ValueId> {
        self.count += 1;
        let names: Vec<String> = (0..outputs).map(|output| format!("{}:{output}", self.count)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.builder.node(format!("node {}", self.count), op, inputs, &names).unwrap()
    }

    fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.nodes(op, inputs, 1)[0]
    }

    fn slice(&mut self, x: ValueId, axis: usize, start: usize, size: usize) -> ValueId {
        self.node(Slice { ranges: vec![AxisRange { axis, start, size }] }, &[x])
    }

    fn reshape(&mut self, x: ValueId, extents: &[usize]) -> ValueId {
        let extents = extents.iter().map(|&extent| Extent::Fixed(extent)).collect();
        self.node(Reshape { extents }, &[x])
    }

    fn transpose(&mut self, x: ValueId, permutation: &[usize]) -> ValueId {
        self.node(Transpose { permutation: permutation.to_vec() }, &[x])
    }

    fn rolled(&mut self, x: ValueId, axis: usize, by: usize) -> ValueId {
        let (head, tail) = (self.slice(x, axis, by, SIDE - by), self.slice(x, axis, 0, by));
        self.node(Concat { axis }, &[head, tail])
    }

    /// Windows of 3 × 3 of the picture after it was rolled along both axes.
    fn windows(&mut self, x: ValueId) -> ValueId {
        let rolled = self.rolled(x, 1, 1);
        let rolled = self.rolled(rolled, 2, 2);
        let cut = self.reshape(rolled, &[BATCH, 2, 3, 2, 3, WIDTH]);
        let cut = self.transpose(cut, &[0, 1, 3, 2, 4, 5]);
        self.reshape(cut, &[BATCH * 4, 9, WIDTH])
    }

    /// A network of one result, to which gradients come that tell its elements apart.
    fn finish(mut self, x: ValueId) -> Graph {
        let last = self.node(Unary::Sigmoid, &[x]);
        self.builder.finish(&[last])
    }
}

/// The result, the gradient of the input, and how many kernels that took.
fn run(graph: &Graph, observed: &[ValueId]) -> (Vec<f32>, Vec<f32>, usize) {
    let (input, result) = (graph.inputs()[0], graph.outputs()[0]);
    let options = PlanOptions {
        activations: [observed, &[result]].concat(),
        gradients: vec![input],
        targets: vec![result],
        ..PlanOptions::default()
    };
    let plan = Plan::new(graph, &options).unwrap();
    let steps = plan.to_string().lines().count() - 1;
    let mut session = Session::new(Arc::new(plan), Threads::new(2).unwrap()).unwrap();
    let x = noise(graph.value(input).shape.elements(), 1);
    let top = noise(graph.value(result).shape.elements(), 2);
    session.forward(&[(input, &x)]).unwrap();
    session.backward(&[(result, &Target::Dense(top))]).unwrap();
    (session.activation(result).unwrap(), session.gradient(input).unwrap(), steps)
}

/// Compares with a plan in which every value is observed, and expects so many kernels without.
fn check(graph: &Graph, expected: usize) {
    let all: Vec<ValueId> = graph.nodes().iter().flat_map(|node| node.outputs.clone()).collect();
    let (one_by_one, together) = (run(graph, &all), run(graph, &[]));
    assert_eq!((&together.0, &together.1), (&one_by_one.0, &one_by_one.1));
    assert!(one_by_one.1.iter().any(|&number| number != 0.0));
    assert_eq!(together.2, expected, "of {} kernels one by one", one_by_one.2);
}

#[test]
fn windows_of_rolled_pictures_are_one_copy() {
    let (mut network, x) = Network::new();
    let windows = network.windows(x);
    check(&network.finish(windows), 3);
}

/// The picture is read beside its windows, so that their gradient is added to what is there.
#[test]
fn gradients_are_added_where_the_source_is_read_again() {
    let (mut network, x) = Network::new();
    let windows = network.windows(x);
    let beside = network.node(Unary::Absolute, &[x]);
    let beside = network.reshape(beside, &[BATCH * 4, 9, WIDTH]);
    let sum = network.node(Eltwise::Sum { coefficients: vec![1.0, 0.5] }, &[windows, beside]);
    check(&network.finish(sum), 5);
}

/// Queries, keys and values: three results of one copy, of which one is not needed in whole.
#[test]
fn heads_are_cut_out_of_one_matrix() {
    let (mut network, x) = Network::new();
    let tokens = network.reshape(x, &[BATCH, SIDE * 3, 2, 2, WIDTH / 2]);
    let heads = network.transpose(tokens, &[2, 0, 3, 1, 4]);
    let parts = network.nodes(Split { axis: 0, sizes: vec![1, 1] }, &[heads], 2);
    let few = network.slice(parts[1], 3, 4, 9);
    let many = network.slice(parts[0], 3, 0, 9);
    let many = network.node(Unary::Tanh, &[many]);
    let product = network.node(Eltwise::Product, &[many, few]);
    check(&network.finish(product), 5);
}

/// A number that is wanted twice has a gradient of two, so those nodes stay apart; so do those that cut rows into small pieces.
#[test]
fn what_is_wanted_twice_or_in_pieces_stays_apart() {
    let (mut network, x) = Network::new();
    let (a, b) = (network.slice(x, 1, 0, 4), network.slice(x, 1, 2, 4));
    let both = network.node(Concat { axis: 2 }, &[a, b]);
    check(&network.finish(both), 5);
    let (mut network, x) = Network::new();
    let a = network.slice(x, 3, 3, 6);
    let turned = network.transpose(a, &[0, 2, 1, 3]);
    check(&network.finish(turned), 4);
}

/// A function that reads a value before others cut it was taken for one of those, never computed, and ended the program with a panic. Each of
/// very many readers looked at all of them.
#[test]
fn a_reader_that_moves_nothing_is_computed_before_others_that_do() {
    let (mut network, x) = Network::new();
    let beside = network.node(Unary::Absolute, &[x]);
    let rolled = network.rolled(x, 1, 2);
    let sum = network.node(Eltwise::Sum { coefficients: vec![1.0, 0.5] }, &[rolled, beside]);
    check(&network.finish(sum), 5);
    // The same of one that joins what is cut with something else.
    let (mut network, x) = Network::new();
    let other = network.node(Unary::Absolute, &[x]);
    let beside = network.node(Concat { axis: 1 }, &[x, other]);
    let rolled = network.rolled(x, 1, 2);
    let joined = network.node(Concat { axis: 1 }, &[rolled, beside]);
    check(&network.finish(joined), 6);
    let (mut network, x) = Network::new();
    let many: Vec<ValueId> = (0..20_000).map(|_| network.node(Unary::Absolute, &[x])).collect();
    let sum = network.node(Eltwise::Sum { coefficients: vec![1e-3; many.len()] }, &many);
    let graph = network.finish(sum);
    Plan::new(&graph, &PlanOptions { activations: graph.outputs().to_vec(), ..PlanOptions::default() })
        .unwrap();
}
