//! The softmax or sigmoid that a value lies behind.

use deepinside_graph::op::{Binary, Eltwise, PoolKind, Reduction, Unary};
use deepinside_graph::{Graph, Node, NodeId, Op, ValueId};

use super::{Normalisation, keeps_classes};

/// A softmax or sigmoid behind which a value lies.
pub(super) struct Found {
    pub normalisation: Normalisation,
    /// Its name.
    pub node: String,
    /// What it normalises; none where several are combined.
    pub scores: Option<ValueId>,
    /// The value with the probabilities.
    pub probabilities: ValueId,
    /// Whether the value holds logarithms of probabilities.
    pub is_logarithm: bool,
    /// Whether the value is the probabilities, up to their shape.
    is_direct: bool,
}

/// The softmax or sigmoid behind which a value lies, with nothing between them but what leaves each class a probability:
/// other shapes, limits, spatial means, logarithms, and constant factors.
pub(super) fn normaliser_behind(
    graph: &Graph,
    producers: &[Option<NodeId>],
    value: ValueId,
) -> Option<Found> {
    let mut found = search(graph, producers, value, 0)?;
    // The network's own result, where it is the probabilities themselves.
    if found.is_direct {
        found.probabilities = value;
    }
    Some(found)
}

/// How many nodes are gone through at most.
const DEEPEST: usize = 32;

fn search(graph: &Graph, producers: &[Option<NodeId>], value: ValueId, depth: usize) -> Option<Found> {
    if depth > DEEPEST {
        return None;
    }
    let node = graph.node(producers[value.index()]?);
    let found = |normalisation, scores, is_logarithm| {
        let (node, scores) = (node.name.clone(), Some(scores));
        Some(Found { normalisation, node, scores, probabilities: value, is_logarithm, is_direct: true })
    };
    let behind = |operand: ValueId| search(graph, producers, operand, depth + 1);
    match &node.op {
        Op::Softmax(_) => found(Normalisation::Softmax, node.inputs[0], false),
        Op::LogSoftmax(_) => found(Normalisation::Softmax, node.inputs[0], true),
        Op::Unary(Unary::Sigmoid) => found(Normalisation::Sigmoid, node.inputs[0], false),
        Op::Binary(Binary::Divide) => match written_out(graph, producers, node) {
            Some(scores) => found(Normalisation::Softmax, scores, false),
            None => {
                graph.value(node.inputs[1]).weights()?;
                behind(node.inputs[0]).map(combined)
            }
        },
        Op::Unary(Unary::Logarithm { scale: 1.0, outer_scale: 1.0, .. }) => {
            let found = behind(node.inputs[0])?;
            (found.scores.is_some() && found.normalisation == Normalisation::Softmax)
                .then_some(Found { is_direct: false, ..found })
        }
        // Exponentials of logarithms of probabilities are these probabilities.
        Op::Unary(Unary::Exponential { inner_scale: 1.0, outer_scale: 1.0 }) => {
            let found = behind(node.inputs[0])?;
            found.is_logarithm.then_some(Found { is_logarithm: false, ..found })
        }
        Op::Unary(Unary::Clip { .. }) => behind(node.inputs[0]).map(indirect),
        // A probability beside what it leaves to one, as of two classes.
        Op::Concat(concat) if concat.axis == 1 => {
            let mut all = node.inputs.iter().map(|&operand| behind(operand));
            let first = combined(all.next()??);
            all.all(|other| {
                other.is_some_and(|other| other.normalisation == first.normalisation && !other.is_logarithm)
            })
            .then_some(first)
        }
        // A sum of one operand and of nothing else, as a small number that keeps a logarithm finite.
        Op::Unary(Unary::Power { power: 1.0, scale, shift }) => {
            let found = behind(node.inputs[0])?;
            // Percentages are probabilities all the same.
            Some(if *scale > 0.0 && shift.abs() < 1e-3 { indirect(found) } else { combined(found) })
        }
        Op::Pool(pool) if matches!(pool.kind, PoolKind::Average(_)) => behind(node.inputs[0]).map(indirect),
        Op::Reduce(reduce)
            if matches!(reduce.reduction, Reduction::Mean)
                && !reduce.axes.contains(&0)
                && !reduce.axes.contains(&1) =>
        {
            behind(node.inputs[0]).map(indirect)
        }
        Op::Eltwise(Eltwise::Sum { .. } | Eltwise::Product) => {
            let computed = node.inputs.iter().filter(|&&operand| graph.value(operand).weights().is_none());
            let mut all = computed.map(|&operand| behind(operand));
            let first = combined(all.next()??);
            all.all(|other| other.is_some_and(|other| other.normalisation == first.normalisation))
                .then_some(first)
        }
        _ if keeps_classes(graph, node) => behind(node.inputs[0]),
        _ => None,
    }
}

/// The same, but the value is not the probabilities themselves.
fn indirect(found: Found) -> Found {
    Found { is_direct: false, ..found }
}

/// The same, but no score belongs to the value.
fn combined(found: Found) -> Found {
    Found { scores: None, is_direct: false, ..found }
}

/// What a softmax of several nodes normalises: `exp(x) / Σ exp(x)`, with or without the largest taken off before.
fn written_out(graph: &Graph, producers: &[Option<NodeId>], division: &Node) -> Option<ValueId> {
    let producer = |value: ValueId| producers[value.index()].map(|node| graph.node(node));
    let own = |mut value: ValueId| {
        while let Some(node) = producer(value)
            && matches!(node.op, Op::Identity(_))
        {
            value = node.inputs[0];
        }
        value
    };
    let exponentials = own(division.inputs[0]);
    let sum = producer(own(division.inputs[1]))?;
    let is_sum = matches!(&sum.op, Op::Reduce(reduce) if reduce.reduction == Reduction::Sum);
    if !is_sum || own(sum.inputs[0]) != exponentials {
        return None;
    }
    let exponential = producer(exponentials)?;
    if !matches!(exponential.op, Op::Unary(Unary::Exponential { inner_scale: 1.0, .. })) {
        return None;
    }
    let argument = own(exponential.inputs[0]);
    let before = producer(argument).and_then(|difference| {
        let Op::Eltwise(Eltwise::Sum { coefficients }) = &difference.op else { return None };
        let &[scores, largest] = &difference.inputs[..] else { return None };
        let largest = producer(own(largest))?;
        let is_largest = matches!(&largest.op, Op::Reduce(reduce) if reduce.reduction == Reduction::Maximum);
        (coefficients[..] == [1.0, -1.0] && is_largest && own(largest.inputs[0]) == own(scores))
            .then_some(scores)
    });
    Some(before.unwrap_or(argument))
}

/// The network's own softmax or sigmoid of a value, and what it makes of it.
pub(super) fn normaliser_of(graph: &Graph, value: ValueId) -> Option<(ValueId, Normalisation)> {
    let consumers = graph.consumers();
    let mut value = value;
    for _ in 0..DEEPEST {
        let readers = consumers[value.index()].iter().map(|&node| graph.node(node));
        let mut next = None;
        for node in readers {
            match node.op {
                Op::Softmax(_) => return Some((node.outputs[0], Normalisation::Softmax)),
                Op::Unary(Unary::Sigmoid) => return Some((node.outputs[0], Normalisation::Sigmoid)),
                _ if keeps_classes(graph, node) => next = Some(node.outputs[0]),
                _ => {}
            }
        }
        value = next?;
    }
    None
}
