//! Which of a network's results are its scores.

use std::cmp::Reverse;

use deepinside_graph::op::{Binary, Reduction, Rounding, Unary};
use deepinside_graph::{Graph, NodeId, Op, ValueId};

use super::normaliser::normaliser_behind;
use crate::{Error, Result};

/// Words in the names of results that are scores, and of results that are something else.
const SCORES: [&str; 7] = ["logit", "prob", "score", "softmax", "class", "pred", "label"];
const OTHERS: [&str; 8] = ["aux", "embed", "feat", "hidden", "box", "mask", "attn", "attention"];

/// Among how many results the scores are looked for; each costs a walk over the network.
const MOST_RESULTS: usize = 1000;

/// The result that holds the scores, or from which they are found.
///
/// Whole numbers (positions, decisions) count only where there is nothing else, and a result from which another one is
/// computed only where its name says more than the other's. Of what remains, results that end in softmax or sigmoid come
/// first, then those with a class axis alone, then the one that most nodes lead to: classifiers for training stand
/// before the last one.
///
/// # Errors
/// When nothing is computed from the picture.
pub(super) fn choose(graph: &Graph, producers: &[Option<NodeId>]) -> Result<ValueId> {
    let mut results: Vec<ValueId> =
        graph.outputs().iter().copied().filter(|value| producers[value.index()].is_some()).collect();
    let has_word = |value: ValueId, words: &[&str]| {
        let name = graph.value(value).name.to_lowercase();
        words.iter().any(|word| name.contains(word))
    };
    let keep = |results: &mut Vec<ValueId>, test: &dyn Fn(ValueId) -> bool| {
        let kept: Vec<ValueId> = results.iter().copied().filter(|&value| test(value)).collect();
        if !kept.is_empty() {
            *results = kept;
        }
    };
    keep(&mut results, &|value| !is_whole_number(graph, producers, value));
    keep(&mut results, &|value| !has_word(value, &OTHERS));
    // Maps and boxes beside scores are other results.
    let positions = |value: ValueId| {
        let extents = graph.value(value).shape.extents();
        extents.iter().skip(1).filter(|&&extent| extent != 1).count() > 1
    };
    keep(&mut results, &|value| !positions(value));
    keep(&mut results, &|value| {
        normaliser_behind(graph, producers, whole(graph, producers, value)).is_some()
    });
    // All at once, since no value is computed from itself.
    let inputs = |value: &ValueId| producers[value.index()].map(|node| &graph.node(node).inputs[..]);
    let before = led_to_by(graph, producers, results.iter().filter_map(inputs).flatten().copied().collect());
    keep(&mut results, &|value| !before[value.index()]);
    keep(&mut results, &|value| has_word(value, &SCORES));
    if results.len() > MOST_RESULTS {
        return Err(Error::Model(format!(
            "the network has {} results that may be its scores; name the score with --score",
            results.len()
        )));
    }
    let depth = |value: ValueId| led_to_by(graph, producers, vec![value]).iter().filter(|led| **led).count();
    // Of equal ones the first, as exporters list the main result first.
    results
        .into_iter()
        .enumerate()
        .max_by_key(|&(place, value)| (depth(value), Reverse(place)))
        .map(|(_, value)| value)
        .ok_or_else(|| Error::Model("the network computes no result; name the score with --score".to_owned()))
}

/// Which values these are computed from, by position, themselves included.
fn led_to_by(graph: &Graph, producers: &[Option<NodeId>], mut open: Vec<ValueId>) -> Vec<bool> {
    let mut seen = vec![false; graph.values().len()];
    while let Some(value) = open.pop() {
        if !std::mem::replace(&mut seen[value.index()], true)
            && let Some(node) = producers[value.index()]
        {
            open.extend(&graph.node(node).inputs);
        }
    }
    seen
}

/// Whether a value holds positions, decisions or numbers cut to whole ones.
fn is_whole_number(graph: &Graph, producers: &[Option<NodeId>], mut value: ValueId) -> bool {
    while let Some(node) = producers[value.index()].map(|node| graph.node(node)) {
        match &node.op {
            Op::TopK(_) => return node.outputs.get(1) == Some(&value),
            Op::Binary(binary) => return is_comparison(*binary),
            Op::Unary(Unary::Round(Rounding::TowardsZero)) => return true,
            Op::Identity(_) | Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) => value = node.inputs[0],
            _ => return false,
        }
    }
    false
}

fn is_comparison(binary: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(binary, Equal | Greater | GreaterOrEqual | Less | LessOrEqual)
}

/// What a result was selected from: the scores of all classes before the largest, their positions or a decision were
/// taken of them; else the result itself.
pub(super) fn whole(graph: &Graph, producers: &[Option<NodeId>], result: ValueId) -> ValueId {
    let (mut value, mut whole) = (result, result);
    while let Some(node) = producers[value.index()].map(|node| graph.node(node)) {
        value = node.inputs[0];
        match &node.op {
            Op::TopK(top) => {
                let from = &graph.value(value).shape;
                // Largest over positions of one class are no selection of classes.
                if top.axis == 0 || from.extents()[top.axis] == 1 {
                    break;
                }
                whole = value;
            }
            // How sure a network is of the class that it names beside.
            Op::Reduce(reduce) if reduce.reduction == Reduction::Maximum => {
                let from = &graph.value(value).shape;
                if reduce.axes != [1] || from.rank() != 2 || from.extents()[1] == 1 {
                    break;
                }
                whole = value;
            }
            Op::Binary(binary) if is_comparison(*binary) => whole = value,
            Op::Unary(Unary::Round(Rounding::TowardsZero)) => whole = value,
            Op::Identity(_) | Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) => {}
            _ => break,
        }
    }
    whole
}
