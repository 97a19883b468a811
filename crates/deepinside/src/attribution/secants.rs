//! A network with every function replaced by the straight line through its values for two inputs: what DeepLIFT's rescale rule
//! (Shrikumar, Greenside, Kundaje 2017, §3.5.1) propagates through is the plain gradient of that network.

use std::collections::BTreeMap;

use deepinside_graph::op::{
    Binary, Eltwise, Extent, Function, PoolKind, Reads, Reshape, Take, Unary, Visitor,
};
use deepinside_graph::pass::{Replacement, replace_nodes};
use deepinside_graph::{Graph, Node, Op, Shape, ValueId, Weights};

use crate::{Error, Result};

/// Where an argument changes by less, a function has its derivative instead.
const SMALLEST_CHANGE: f64 = 1e-10;

/// The activations of values for the baseline and for the input, with all of their axes.
pub(super) type Ends = BTreeMap<ValueId, [Vec<f32>; 2]>;

/// A network of secants.
pub(super) struct Secants {
    pub graph: Graph,
    /// Layers that stay as they are, since there is no rule for them: they pass back the gradient at the input.
    pub left: Vec<String>,
}

/// The nodes between the input and the targets.
fn between<'a>(
    graph: &'a Graph,
    input: ValueId,
    targets: &[ValueId],
) -> (Vec<bool>, impl Iterator<Item = &'a Node>) {
    let depends = graph.depends_on(input);
    let leads: Vec<Vec<bool>> = targets.iter().map(|&target| graph.leads_to(target)).collect();
    let is_between = depends.clone();
    let nodes = graph.nodes().iter().filter(move |node| {
        node.outputs
            .iter()
            .any(|output| is_between[output.index()] && leads.iter().any(|leads| leads[output.index()]))
    });
    (depends, nodes)
}

/// The values whose activations [`secants`] needs.
pub(super) fn needed(graph: &Graph, input: ValueId, targets: &[ValueId]) -> Vec<ValueId> {
    let (depends, nodes) = between(graph, input, targets);
    let mut needed: Vec<ValueId> = nodes
        .filter(|node| !is_linear(node, &depends))
        .flat_map(|node| node.inputs.iter().chain(&node.outputs))
        .copied()
        .filter(|value| depends[value.index()])
        .collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Whether the result is a linear function of what depends on the input.
fn is_linear(node: &Node, depends: &[bool]) -> bool {
    let computed = || node.inputs.iter().filter(|input| depends[input.index()]).count();
    match &node.op {
        Op::BatchNormalization(_)
        | Op::Col2Im(_)
        | Op::Concat(_)
        | Op::CumulativeSum(_)
        | Op::Identity(_)
        | Op::Im2Col(_)
        | Op::Pad(_)
        | Op::Resample(_)
        | Op::Reshape(_)
        | Op::Slice(_)
        | Op::Split(_)
        | Op::Take(_)
        | Op::Tile(_)
        | Op::Transpose(_)
        | Op::Eltwise(Eltwise::Sum { .. }) => true,
        Op::Convolution(_)
        | Op::Deconvolution(_)
        | Op::InnerProduct(_)
        | Op::GridSample(_)
        | Op::MatrixProduct(_) => computed() == 1,
        Op::Eltwise(Eltwise::Product) => computed() == 1,
        Op::Binary(Binary::Divide) => !depends[node.inputs[1].index()],
        Op::GatherElements(_) | Op::GatherNd(_) => !depends[node.inputs[1].index()],
        Op::Pool(pool) => matches!(pool.kind, PoolKind::Average(_)),
        Op::Reduce(reduce) => {
            use deepinside_graph::op::Reduction;
            matches!(reduce.reduction, Reduction::Sum | Reduction::Mean)
        }
        Op::Unary(Unary::Power { power: 1.0, .. }) => true,
        _ => false,
    }
}

/// The network with secants between the two ends in the places of all functions that lead from the input to the targets. At the input
/// every value is what it was.
///
/// # Errors
/// When ends hold another number of elements than their values.
pub(super) fn secants(graph: &Graph, input: ValueId, targets: &[ValueId], ends: &Ends) -> Result<Secants> {
    for (&value, ends) in ends {
        let expected = graph.value(value).shape.elements();
        if let Some(found) = ends.iter().map(Vec::len).find(|&found| found != expected) {
            return Err(Error::Option(format!(
                "DeepLIFT needs a network for one picture at a time: '{}' has {expected} elements, found {found}",
                graph.value(value).name
            )));
        }
    }
    let (depends, nodes) = between(graph, input, targets);
    let curved: Vec<ValueId> =
        nodes.filter(|node| !is_linear(node, &depends)).map(|node| node.outputs[0]).collect();
    let mut left = Vec::new();
    let graph = replace_nodes::<Error>(graph.clone(), &mut |node, new| {
        if !curved.contains(&node.outputs[0]) {
            return Ok(None);
        }
        let result = match &node.op {
            _ if node.outputs.len() > 1 => None,
            Op::Unary(function) => Some(unary(*function, node, ends, new)?),
            Op::Pool(_) => maximum_over_windows(node, ends, new)?,
            Op::Eltwise(Eltwise::Product) => product(node, ends, &depends, new)?,
            Op::Eltwise(Eltwise::Maximum) => extreme(node, ends, 1.0, new)?,
            Op::Eltwise(Eltwise::Minimum) => extreme(node, ends, -1.0, new)?,
            Op::Binary(Binary::Divide) => quotient(node, ends, &depends, new)?,
            Op::ParametricRelu(_) => Some(parametric_relu(node, ends, new)?),
            _ => None,
        };
        if result.is_none() {
            left.push(format!("{} ({})", node.name, node.op.operator().name()));
        }
        Ok(result)
    })?;
    Ok(Secants { graph, left })
}

fn of(ends: &Ends, value: ValueId) -> Result<&[Vec<f32>; 2]> {
    ends.get(&value).ok_or_else(|| Error::Option("an activation that DeepLIFT needs was not read".to_owned()))
}

fn constant(new: &mut Replacement<'_>, shape: &Shape, numbers: &[f32]) -> Result<ValueId> {
    let weights =
        Weights::from_f32(shape.clone(), numbers).map_err(|cause| Error::Option(cause.to_string()))?;
    Ok(new.constant(weights))
}

/// `Σ slope_i · operand_i + offset`, where the offset makes it the result at the input.
fn line(
    new: &mut Replacement<'_>,
    result: (ValueId, &[f32]),
    terms: &[(ValueId, Vec<f64>, &[f32])],
) -> Result<ValueId> {
    let shape = new.shape(result.0).clone();
    let mut offset: Vec<f64> = result.1.iter().map(|&number| f64::from(number)).collect();
    let mut summed = Vec::new();
    for (operand, slopes, at_input) in terms {
        let places = broadcast(new.shape(*operand), &shape);
        for ((offset, slope), place) in offset.iter_mut().zip(slopes).zip(&places) {
            *offset -= slope * f64::from(at_input[*place]);
        }
        let slopes: Vec<f32> = slopes.iter().map(|&slope| slope as f32).collect();
        let slopes = constant(new, &shape, &slopes)?;
        summed.push(new.node(Eltwise::Product, &[*operand, slopes])?);
    }
    let offset: Vec<f32> = offset.iter().map(|&number| number as f32).collect();
    summed.push(constant(new, &shape, &offset)?);
    Ok(new.node(Eltwise::Sum { coefficients: vec![1.0; summed.len()] }, &summed)?)
}

/// For each element of a result the element of an operand that is broadcast to it.
fn broadcast(operand: &Shape, result: &Shape) -> Vec<usize> {
    let (own, rank) = (operand.extents(), result.rank());
    let missing = rank - own.len();
    let mut strides = vec![0; rank];
    let mut stride = 1;
    for axis in (0..own.len()).rev() {
        strides[missing + axis] = if own[axis] == 1 { 0 } else { stride };
        stride *= own[axis];
    }
    let place = |element: usize| {
        let (mut rest, mut place) = (element, 0);
        for axis in (0..rank).rev() {
            place += rest % result.extents()[axis] * strides[axis];
            rest /= result.extents()[axis];
        }
        place
    };
    (0..result.elements()).map(place).collect()
}

/// Values of a function for both ends, in double precision, and its slope between them.
struct Slopes<'a>(&'a [Vec<f32>; 2]);

impl Visitor for Slopes<'_> {
    type Output = Vec<f64>;

    fn visit(self, function: impl Function) -> Vec<f64> {
        let [from, to] = self.0;
        let slope = |(&from, &to): (&f32, &f32)| {
            let (from, to) = (f64::from(from), f64::from(to));
            if (to - from).abs() >= SMALLEST_CHANGE {
                return (function.value(to) - function.value(from)) / (to - from);
            }
            let reads = match function.reads() {
                Reads::Value => function.value(to),
                _ => to,
            };
            function.gradient(reads, 1.0)
        };
        from.iter().zip(to).map(slope).collect()
    }
}

fn unary(function: Unary, node: &Node, ends: &Ends, new: &mut Replacement<'_>) -> Result<ValueId> {
    let argument = of(ends, node.inputs[0])?;
    let result = of(ends, node.outputs[0])?;
    let slopes = function.accept(Slopes(argument));
    line(new, (node.outputs[0], &result[1]), &[(node.inputs[0], slopes, &argument[1])])
}

fn parametric_relu(node: &Node, ends: &Ends, new: &mut Replacement<'_>) -> Result<ValueId> {
    let [argument, result] = [of(ends, node.inputs[0])?, of(ends, node.outputs[0])?];
    let slope = |at: usize| {
        let change = f64::from(argument[1][at]) - f64::from(argument[0][at]);
        let sign = argument[1][at];
        match change.abs() >= SMALLEST_CHANGE {
            true => (f64::from(result[1][at]) - f64::from(result[0][at])) / change,
            // Both are of one sign, and the function is a line through zero there.
            false if sign != 0.0 => f64::from(result[1][at]) / f64::from(sign),
            false => 0.0,
        }
    };
    let slopes = (0..result[1].len()).map(slope).collect();
    line(new, (node.outputs[0], &result[1]), &[(node.inputs[0], slopes, &argument[1])])
}

/// `ab`: the change is shared as the mean of both orders in which the factors may change.
fn product(node: &Node, ends: &Ends, depends: &[bool], new: &mut Replacement<'_>) -> Result<Option<ValueId>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    if !(depends[a.index()] && depends[b.index()]) {
        return Ok(None);
    }
    let shape = new.shape(node.outputs[0]).clone();
    let means = |value: ValueId, places: Vec<usize>| -> Result<Vec<f64>> {
        let [from, to] = of(ends, value)?;
        Ok(places.into_iter().map(|at| 0.5 * (f64::from(from[at]) + f64::from(to[at]))).collect())
    };
    let terms = [
        (a, means(b, broadcast(new.shape(b), &shape))?, of(ends, a)?[1].as_slice()),
        (b, means(a, broadcast(new.shape(a), &shape))?, of(ends, b)?[1].as_slice()),
    ];
    Ok(Some(line(new, (node.outputs[0], &of(ends, node.outputs[0])?[1]), &terms)?))
}

/// `a / b` as the product of `a` and `1 / b`, whose change is `−Δb / (b b₀)`.
fn quotient(
    node: &Node,
    ends: &Ends,
    depends: &[bool],
    new: &mut Replacement<'_>,
) -> Result<Option<ValueId>> {
    let [a, b] = node.inputs[..] else { return Ok(None) };
    let shape = new.shape(node.outputs[0]).clone();
    let [places_a, places_b] = [a, b].map(|value| broadcast(new.shape(value), &shape));
    let divisor = of(ends, b)?;
    let is_computed = depends[a.index()];
    let weights = new.weights(a).map(Weights::to_vec);
    let numerator = |end: usize, at: usize| -> f64 {
        match &weights {
            Some(numbers) => f64::from(numbers[places_a[at]]),
            None => ends.get(&a).map_or(0.0, |numbers| f64::from(numbers[end][places_a[at]])),
        }
    };
    let at = |end: usize, at: usize| f64::from(divisor[end][places_b[at]]);
    let elements = 0..shape.elements();
    let of_a: Vec<f64> =
        elements.clone().map(|element| 0.5 * (1.0 / at(0, element) + 1.0 / at(1, element))).collect();
    let of_b: Vec<f64> = elements
        .map(|element| {
            -0.5 * (numerator(0, element) + numerator(1, element)) / (at(0, element) * at(1, element))
        })
        .collect();
    let mut terms = vec![(b, of_b, divisor[1].as_slice())];
    if is_computed {
        terms.push((a, of_a, of(ends, a)?[1].as_slice()));
    }
    Ok(Some(line(new, (node.outputs[0], &of(ends, node.outputs[0])?[1]), &terms)?))
}

/// What the change of a maximum gives the winner for the input and the winner for the baseline: what it rises goes to the first, what it
/// falls to the second.
fn shares(largest: [f64; 2], of_winner: [f64; 2], of_first_winner: [f64; 2]) -> [f64; 2] {
    let [before, now] = largest;
    let bound = now.max(before);
    let share = |change: f64, [from, to]: [f64; 2]| if change == 0.0 { 0.0 } else { change / (to - from) };
    [share(bound - before, of_winner), share(now - bound, of_first_winner)]
}

/// Whether a number is larger than another by more than rounding.
fn is_larger(number: f32, than: f32) -> bool {
    number - than > 4e-6 * than.abs().max(number.abs())
}

fn maximum_over_windows(node: &Node, ends: &Ends, new: &mut Replacement<'_>) -> Result<Option<ValueId>> {
    let Op::Pool(pool) = &node.op else { return Ok(None) };
    let [operand, output] = [node.inputs[0], node.outputs[0]].map(|value| new.shape(value).clone());
    if operand.extent(0) != Some(1) {
        return Ok(None);
    }
    let (argument, result) = (of(ends, node.inputs[0])?, of(ends, node.outputs[0])?);
    let inner = &operand.extents()[2..];
    let axes = inner.len();
    let window = &pool.window;
    let plane: usize = inner.iter().product();
    let windows: usize = pool.output.iter().product();
    let taps: usize = window.kernel.iter().product();
    // The first of the largest elements of a window, in row-major order. Where the baseline is one colour, all elements of inner windows
    // are the same number, which convolutions by tiles round differently from place to place: what differs by rounding alone is equal.
    let winner = |numbers: &[f32], channel: usize, position: usize| {
        let mut best: Option<usize> = None;
        for tap in 0..taps {
            let (mut rest_tap, mut rest, mut stride, mut place, mut inside) = (tap, position, 1, 0, true);
            for axis in (0..axes).rev() {
                let own = rest % pool.output[axis] * window.stride[axis]
                    + rest_tap % window.kernel[axis] * window.dilation[axis];
                rest /= pool.output[axis];
                rest_tap /= window.kernel[axis];
                match own.checked_sub(window.pad_begin[axis]) {
                    Some(own) if own < inner[axis] => place += own * stride,
                    _ => inside = false,
                }
                stride *= inner[axis];
            }
            let place = channel * plane + place;
            if inside && best.is_none_or(|best| is_larger(numbers[place], numbers[best])) {
                best = Some(place);
            }
        }
        best
    };
    let channels = operand.elements() / plane;
    let [mut now, mut before] = [(); 2].map(|()| Vec::new());
    let [mut of_now, mut of_before]: [Vec<f32>; 2] = [(); 2].map(|()| Vec::new());
    let mut slopes: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for channel in 0..channels {
        for position in 0..windows {
            let (Some(to), Some(from)) =
                (winner(&argument[1], channel, position), winner(&argument[0], channel, position))
            else {
                return Ok(None);
            };
            let ends_at = |place: usize| [0, 1].map(|end| f64::from(argument[end][place]));
            let largest = [0, 1].map(|end| f64::from(result[end][channel * windows + position]));
            let [rise, fall] = shares(largest, ends_at(to), ends_at(from));
            slopes[0].push(rise);
            slopes[1].push(fall);
            now.push(to);
            before.push(from);
            of_now.push(argument[1][to]);
            of_before.push(argument[1][from]);
        }
    }
    let flat = new.node(Reshape::flatten(operand.rank(), 1, operand.rank()), &[node.inputs[0]])?;
    let mut extents = vec![Extent::Copy(0)];
    extents.extend(output.extents()[1..].iter().map(|&extent| Extent::Fixed(extent)));
    let mut taken = |positions: Vec<usize>| -> Result<ValueId> {
        let taken = new.node(Take { axis: 1, positions }, &[flat])?;
        Ok(new.node(Reshape { extents: extents.clone() }, &[taken])?)
    };
    let (now, before) = (taken(now)?, taken(before)?);
    let [rise, fall] = slopes;
    let terms = [(now, rise, of_now.as_slice()), (before, fall, of_before.as_slice())];
    Ok(Some(line(new, (node.outputs[0], &result[1]), &terms)?))
}

/// The largest (`sign` 1) or smallest (−1) of several operands of one shape.
fn extreme(node: &Node, ends: &Ends, sign: f64, new: &mut Replacement<'_>) -> Result<Option<ValueId>> {
    let shape = new.shape(node.outputs[0]).clone();
    if node.inputs.iter().any(|&input| *new.shape(input) != shape) {
        return Ok(None);
    }
    let mut numbers = Vec::new();
    for &input in &node.inputs {
        numbers.push(match (ends.get(&input), new.weights(input)) {
            (Some(ends), _) => ends.clone(),
            (None, Some(weights)) => [weights.to_vec(), weights.to_vec()],
            _ => return Ok(None),
        });
    }
    let result = of(ends, node.outputs[0])?;
    let mut slopes = vec![vec![0.0; shape.elements()]; numbers.len()];
    for element in 0..shape.elements() {
        let at = |operand: usize, end: usize| sign * f64::from(numbers[operand][end][element]);
        let winner = |end: usize| {
            (1..numbers.len())
                .fold(0, |best, other| if at(other, end) > at(best, end) { other } else { best })
        };
        let (from, to) = (winner(0), winner(1));
        let largest = [0, 1].map(|end| sign * f64::from(result[end][element]));
        let [rise, fall] = shares(largest, [0, 1].map(|end| at(to, end)), [0, 1].map(|end| at(from, end)));
        slopes[to][element] += rise;
        slopes[from][element] += fall;
    }
    let operands =
        node.inputs.iter().zip(slopes).zip(&numbers).filter(|((input, _), _)| ends.contains_key(input));
    let terms: Vec<(ValueId, Vec<f64>, &[f32])> =
        operands.map(|((&input, slopes), numbers)| (input, slopes, numbers[1].as_slice())).collect();
    Ok(Some(line(new, (node.outputs[0], &result[1]), &terms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.broadcast_to` of an operand of shape 2 × 1 to 3 × 2 × 2.
    #[test]
    fn operands_are_repeated_along_axes_of_one() {
        let places = broadcast(&Shape::new([2, 1]).unwrap(), &Shape::new([3, 2, 2]).unwrap());
        assert_eq!(places, [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn shares_of_a_maximum_add_up_to_its_change() {
        // Operands go from 1 to 4 and from 3 to 2: the maximum rises from 3 to 4, which is the first one's.
        let [rise, fall] = shares([3.0, 4.0], [1.0, 4.0], [3.0, 2.0]);
        assert_eq!(rise * 3.0 - fall, 1.0);
        // It falls from 5 to 2: the second one's, which fell.
        let [rise, fall] = shares([5.0, 2.0], [1.0, 2.0], [5.0, 0.0]);
        assert_eq!((rise, fall * -5.0), (0.0, -3.0));
    }

    #[test]
    fn a_rectifier_has_its_secant_and_its_derivative_where_nothing_changes() {
        let slopes = Unary::Relu { negative_slope: 0.0 }
            .accept(Slopes(&[vec![-1.0, 2.0, 2.0, -3.0], vec![3.0, 1.0, 2.0, -3.0]]));
        assert_eq!(slopes, [0.75, 1.0, 1.0, 0.0]);
    }
}
