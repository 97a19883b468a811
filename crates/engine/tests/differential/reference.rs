//! Networks computed node by node, in double precision and with loops that follow the definitions.

use deepinside_graph::op::{AverageDivisor, Eltwise, PoolKind, Unary, Window};
use deepinside_graph::{Graph, Node, Op, ValueId};

/// The values of a run, by their numbers.
pub struct Values {
    pub values: Vec<Vec<f64>>,
    /// The smallest distance to a kink (a rectifier's zero, two elements of a maximum), as a share of the array's largest
    /// magnitude. Elements that are equal, as rectified ones are, keep no distance.
    pub margin: f64,
}

/// Computes all values from the input.
pub fn run(graph: &Graph, input: &[f64]) -> Values {
    let count = graph.nodes().iter().flat_map(|node| &node.outputs).map(|value| value.index() + 1).max();
    let inputs = graph.nodes().iter().flat_map(|node| &node.inputs).map(|value| value.index() + 1).max();
    let mut values = Values { values: vec![Vec::new(); count.max(inputs).unwrap()], margin: f64::INFINITY };
    values.values[graph.inputs()[0].index()] = input.to_vec();
    for node in graph.nodes() {
        for &operand in &node.inputs {
            if let Some(weights) = graph.value(operand).weights() {
                values.values[operand.index()] = weights.to_vec().into_iter().map(f64::from).collect();
            }
        }
        let result = compute(graph, node, &mut values);
        values.values[node.outputs[0].index()] = result;
    }
    values
}

fn extents(graph: &Graph, value: ValueId) -> Vec<usize> {
    graph.value(value).shape.extents().to_vec()
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(1e-30, |largest, number| number.abs().max(largest))
}

fn compute(graph: &Graph, node: &Node, values: &mut Values) -> Vec<f64> {
    let x = values.values[node.inputs[0].index()].clone();
    let shape = extents(graph, node.inputs[0]);
    let to = extents(graph, node.outputs[0]);
    let operand = |index: usize| &values.values[node.inputs[index].index()];
    let channel = |at: usize| at / shape[2..].iter().product::<usize>() % shape[1];
    match &node.op {
        Op::Convolution(op) => {
            let bias = (node.inputs.len() > 2).then(|| operand(2));
            convolution(&op.window, op.groups, &x, &shape, operand(1), bias, &to)
        }
        Op::InnerProduct(op) => {
            let (w, outputs) = (operand(1), to[1]);
            let inputs = x.len() / shape[0];
            let weight =
                |o: usize, i: usize| if op.transposed { w[i * outputs + o] } else { w[o * inputs + i] };
            let sum = |n: usize, o: usize| (0..inputs).map(|i| x[n * inputs + i] * weight(o, i)).sum::<f64>();
            let bias = |o: usize| if node.inputs.len() > 2 { operand(2)[o] } else { 0.0 };
            (0..shape[0] * outputs).map(|at| sum(at / outputs, at % outputs) + bias(at % outputs)).collect()
        }
        Op::Pool(op) => {
            let (result, margin) = pool(op.kind, &op.window, &x, &shape, &to);
            values.margin = values.margin.min(margin);
            result
        }
        Op::BatchNormalization(op) => {
            let (mean, variance) = (operand(1), operand(2));
            let unit = |(at, x): (usize, &f64)| {
                let c = channel(at);
                (x - mean[c]) / (variance[c] + f64::from(op.epsilon)).sqrt()
            };
            x.iter().enumerate().map(unit).collect()
        }
        Op::Eltwise(op) => {
            let strides: Vec<Vec<usize>> =
                node.inputs.iter().map(|&value| broadcast(&extents(graph, value), &to)).collect();
            let read = |index: usize, at: usize| operand(index)[place(at, &to, &strides[index])];
            let count: usize = to.iter().product();
            let all = 0..node.inputs.len();
            match op {
                Eltwise::Sum { coefficients } => (0..count)
                    .map(|at| all.clone().map(|i| f64::from(coefficients[i]) * read(i, at)).sum())
                    .collect(),
                Eltwise::Product => (0..count).map(|at| all.clone().map(|i| read(i, at)).product()).collect(),
                Eltwise::Maximum | Eltwise::Minimum => {
                    let sign = if *op == Eltwise::Maximum { 1.0 } else { -1.0 };
                    let scale = largest(&x);
                    let mut margin = f64::INFINITY;
                    let result = (0..count)
                        .map(|at| {
                            let mut numbers: Vec<f64> = all.clone().map(|i| sign * read(i, at)).collect();
                            numbers.sort_by(|a, b| b.total_cmp(a));
                            if numbers.len() > 1 && numbers[0] != numbers[1] {
                                margin = margin.min((numbers[0] - numbers[1]) / scale);
                            }
                            sign * numbers[0]
                        })
                        .collect();
                    values.margin = values.margin.min(margin);
                    result
                }
            }
        }
        Op::Concat(op) => {
            let rows: usize = shape[..op.axis].iter().product();
            let row = |r: usize, index: usize| {
                let numbers = operand(index);
                let length = numbers.len() / rows;
                numbers[r * length..(r + 1) * length].to_vec()
            };
            (0..rows).flat_map(|r| (0..node.inputs.len()).flat_map(move |i| row(r, i))).collect()
        }
        Op::Softmax(_) => {
            let inner: usize = shape[2..].iter().product();
            let mut result = x.clone();
            for n in 0..shape[0] {
                for p in 0..inner {
                    let place = |c: usize| (n * shape[1] + c) * inner + p;
                    let most = (0..shape[1]).map(|c| x[place(c)]).fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = (0..shape[1]).map(|c| (x[place(c)] - most).exp()).sum();
                    (0..shape[1]).for_each(|c| result[place(c)] = (x[place(c)] - most).exp() / sum);
                }
            }
            result
        }
        Op::Unary(function) => {
            let kinks: &[f64] = match function {
                Unary::Relu { .. } | Unary::Absolute | Unary::Elu { .. } => &[0.0],
                Unary::Clip { minimum, maximum } => &[f64::from(*minimum), f64::from(*maximum)],
                _ => &[],
            };
            let scale = largest(&x);
            let distances = x.iter().flat_map(|x| kinks.iter().map(move |kink| (x - kink).abs() / scale));
            values.margin = distances.filter(|distance| *distance > 0.0).fold(values.margin, f64::min);
            x.iter().map(|&x| unary(function, x)).collect()
        }
        Op::Identity(_) => x,
        other => panic!("{other:?} has no reference"),
    }
}

fn unary(function: &Unary, x: f64) -> f64 {
    match function {
        Unary::Relu { negative_slope } => x.max(0.0) + f64::from(*negative_slope) * x.min(0.0),
        Unary::Clip { minimum, maximum } => x.clamp(f64::from(*minimum), f64::from(*maximum)),
        Unary::Elu { alpha } => {
            if x > 0.0 {
                x
            } else {
                f64::from(*alpha) * x.exp_m1()
            }
        }
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Tanh => x.tanh(),
        Unary::Absolute => x.abs(),
        Unary::Swish { beta } => x / (1.0 + (-f64::from(*beta) * x).exp()),
        other => panic!("{other:?} has no reference"),
    }
}

/// The steps of an operand along each axis of the result; zero where it has one element for all.
fn broadcast(from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; to.len()];
    let mut step = 1;
    for (own, axis) in (0..from.len()).rev().zip((0..to.len()).rev()) {
        strides[axis] = if from[own] == 1 { 0 } else { step };
        step *= from[own];
    }
    strides
}

fn place(at: usize, extents: &[usize], strides: &[usize]) -> usize {
    let mut rest = at;
    let mut place = 0;
    for axis in (0..extents.len()).rev() {
        place += rest % extents[axis] * strides[axis];
        rest /= extents[axis];
    }
    place
}

fn convolution(
    window: &Window,
    groups: usize,
    x: &[f64],
    from: &[usize],
    w: &[f64],
    bias: Option<&Vec<f64>>,
    to: &[usize],
) -> Vec<f64> {
    let [channels, height, width] = [from[1], from[2], from[3]];
    let (kernel, own) = ([window.kernel[0], window.kernel[1]], channels / groups);
    let mut result = Vec::new();
    for n in 0..to[0] {
        for o in 0..to[1] {
            let first = o / (to[1] / groups) * own;
            for y in 0..to[2] {
                for z in 0..to[3] {
                    let mut sum = bias.map_or(0.0, |bias| bias[o]);
                    for c in 0..own {
                        for i in 0..kernel[0] {
                            for j in 0..kernel[1] {
                                let row = (y * window.stride[0] + i * window.dilation[0])
                                    .checked_sub(window.pad_begin[0])
                                    .filter(|row| *row < height);
                                let column = (z * window.stride[1] + j * window.dilation[1])
                                    .checked_sub(window.pad_begin[1])
                                    .filter(|column| *column < width);
                                if let (Some(row), Some(column)) = (row, column) {
                                    sum += x[((n * channels + first + c) * height + row) * width + column]
                                        * w[((o * own + c) * kernel[0] + i) * kernel[1] + j];
                                }
                            }
                        }
                    }
                    result.push(sum);
                }
            }
        }
    }
    result
}

fn pool(kind: PoolKind, window: &Window, x: &[f64], from: &[usize], to: &[usize]) -> (Vec<f64>, f64) {
    let [height, width] = [from[2], from[3]];
    let scale = largest(x);
    let (mut result, mut margin) = (Vec::new(), f64::INFINITY);
    for map in x.chunks_exact(height * width) {
        for y in 0..to[2] {
            for z in 0..to[3] {
                let (mut inside, mut padded) = (Vec::new(), 0);
                for i in 0..window.kernel[0] {
                    for j in 0..window.kernel[1] {
                        let row = y * window.stride[0] + i;
                        let column = z * window.stride[1] + j;
                        let end = |axis: usize, extent: usize| window.pad_begin[axis] + extent;
                        if row < end(0, height) + window.pad_end[0]
                            && column < end(1, width) + window.pad_end[1]
                        {
                            padded += 1;
                        }
                        let rows = window.pad_begin[0]..end(0, height);
                        let columns = window.pad_begin[1]..end(1, width);
                        if rows.contains(&row) && columns.contains(&column) {
                            inside.push(map[(row - rows.start) * width + column - columns.start]);
                        }
                    }
                }
                result.push(match kind {
                    PoolKind::Maximum => {
                        inside.sort_by(|a, b| b.total_cmp(a));
                        if let [first, second, ..] = inside[..]
                            && first != second
                        {
                            margin = margin.min((first - second) / scale);
                        }
                        inside[0]
                    }
                    PoolKind::Average(AverageDivisor::PaddedInput) => {
                        inside.iter().sum::<f64>() / f64::from(padded)
                    }
                    PoolKind::Average(AverageDivisor::Input) => {
                        inside.iter().sum::<f64>() / inside.len() as f64
                    }
                });
            }
        }
    }
    (result, margin)
}
