//! Which values say something at places of the picture that the score depends on, and which only serve an attention inside.

use deepinside_graph::{Graph, Node, Op, ValueId};

use super::places::{Places, is_somewhere};

/// Whether the score depends on a value's numbers with a place in the picture, and on those without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reached {
    placed: bool,
    other: bool,
}

const ALL: Reached = Reached { placed: true, other: true };

/// For each value whether the score depends on what it says at places of the picture.
///
/// After the last attention of a transformer whose class token is read, patches no longer lead there.
pub(super) fn leads(graph: &Graph, places: &[Option<Places>], score: ValueId) -> Vec<bool> {
    let mut reached = vec![Reached::default(); graph.values().len()];
    reached[score.index()] = ALL;
    for node in graph.nodes().iter().rev() {
        let mut wanted = Reached::default();
        for output in &node.outputs {
            let own = reached[output.index()];
            let has = |test: bool| {
                places[output.index()]
                    .as_ref()
                    .is_some_and(|places| places.at.iter().any(|place| is_somewhere(place) == test))
            };
            wanted.placed |= own.placed && has(true);
            wanted.other |= own.other && has(false);
        }
        if wanted == Reached::default() {
            continue;
        }
        for (position, input) in node.inputs.iter().enumerate() {
            let Some(own) = &places[input.index()] else { continue };
            let add = match mixes(node, position, own, places) {
                true => ALL,
                // A gate, or the like, of the whole picture.
                false if !own.have_any() => Reached { placed: false, other: true },
                false => wanted,
            };
            let known = &mut reached[input.index()];
            known.placed |= add.placed;
            known.other |= add.other;
        }
    }
    let placed = |(reached, places): (Reached, &Option<Places>)| {
        reached.placed && places.as_ref().is_some_and(Places::have_any)
    };
    reached.into_iter().zip(places).map(placed).collect()
}

/// Whether a result that is about a place (or about none) depends on numbers of this operand that are about others.
fn mixes(node: &Node, position: usize, operand: &Places, places: &[Option<Places>]) -> bool {
    let result_has_any =
        node.outputs.iter().any(|output| places[output.index()].as_ref().is_some_and(Places::have_any));
    let rank = operand.extents.len();
    match &node.op {
        Op::Slice(_)
        | Op::Split(_)
        | Op::Take(_)
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Identity(_)
        | Op::Concat(_)
        | Op::Pad(_)
        | Op::Tile(_)
        | Op::Unary(_)
        | Op::Eltwise(_)
        | Op::Binary(_)
        | Op::Select(_)
        | Op::BatchNormalization(_)
        | Op::ParametricRelu(_) => false,
        Op::InnerProduct(inner) => (inner.axis..rank).any(|axis| operand.vary(axis)),
        Op::Reduce(reduce) => reduce.axes.iter().any(|&axis| operand.vary(axis)),
        Op::MeanVarianceNormalization(normalisation) => {
            normalisation.axes.iter().any(|&axis| operand.vary(axis))
        }
        Op::Softmax(softmax) => operand.vary(softmax.axis),
        Op::MatrixProduct(_) if position == 0 => operand.vary(rank - 1),
        Op::MatrixProduct(_) => {
            // Keys: every query reads all of them.
            let left = places[node.inputs[0].index()].as_ref();
            operand.vary(rank - 2) || left.is_some_and(Places::have_any)
        }
        Op::Convolution(_) | Op::Pool(_) | Op::Deconvolution(_) | Op::Resample(_) => !result_has_any,
        _ => true,
    }
}

/// The values between the projections that an attention begins with and its products of two computed matrices.
pub(super) fn inside_attention(graph: &Graph) -> Vec<bool> {
    let producers = graph.producers();
    let mut inner = vec![false; graph.values().len()];
    for node in graph.nodes().iter().filter(|node| matches!(node.op, Op::MatrixProduct(_))) {
        if node.inputs.iter().any(|&input| graph.value(input).weights().is_some()) {
            continue;
        }
        let mut open = node.inputs.clone();
        let mut found = Vec::new();
        let mut begins_anywhere = false;
        while let Some(value) = open.pop() {
            // What another attention has reached has been followed from there.
            if found.contains(&value) || inner[value.index()] {
                continue;
            }
            found.push(value);
            let Some(maker) = producers[value.index()].map(|maker| graph.node(maker)) else {
                begins_anywhere |= graph.value(value).weights().is_none();
                continue;
            };
            let is_projection = match &maker.op {
                Op::InnerProduct(_) => true,
                Op::Convolution(convolution) => convolution.window.taps() == 1,
                _ => false,
            };
            if !is_projection {
                open.extend(maker.inputs.iter().filter(|&&input| graph.value(input).weights().is_none()));
            }
        }
        // Without projections before it the product is of layers themselves.
        if !begins_anywhere {
            found.into_iter().for_each(|value| inner[value.index()] = true);
        }
    }
    inner
}
