//! Where the maxima of layers come from.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deepinside::Model;
use deepinside::graph::op::Unary;
use deepinside::graph::{Node, Op, ValueId};
use deepinside::grid::Grid;

/// Where the maxima of a layer's units come from.
pub enum Source {
    /// The engine takes those of the channels of values: the layer's units are these, one part after the other.
    Maxima(Vec<Part>),
    /// From its numbers as they are: it has no places in the picture.
    Numbers,
    /// From its numbers, laid out as channels × rows × columns.
    Grid(Arc<Grid>),
}

/// Channels that lie side by side in one value.
#[derive(Clone, Copy)]
pub struct Part {
    /// The layer itself, what it is joined to, or what it is the rectifier of.
    pub of: ValueId,
    /// The first channel.
    pub first: usize,
    /// How many there are.
    pub channels: usize,
    /// Whether the layer is the rectified value.
    pub is_rectified: bool,
}

/// The sources of layers.
pub fn sources(model: &Model, layers: &[ValueId]) -> Vec<Source> {
    let plain: HashSet<ValueId> = plain(model, layers);
    let parts = parts(model, &plain);
    let source = |value: &ValueId| match model.grid(*value) {
        Ok(_) if plain.contains(value) => Source::Maxima(parts.get(value).cloned().unwrap_or_default()),
        Ok(grid) if !grid.is_plain() => Source::Grid(grid),
        _ => Source::Numbers,
    };
    layers.iter().map(source).collect()
}

/// The layers whose units are channels as the engine has them.
fn plain(model: &Model, layers: &[ValueId]) -> HashSet<ValueId> {
    let graph = &model.graph;
    let computed: HashSet<ValueId> = graph.nodes().iter().flat_map(|node| &node.outputs).copied().collect();
    let is_plain = |value: ValueId| {
        let extents = graph.value(value).shape.extents();
        model.grid(value).is_ok_and(|grid| {
            let [channels, rows, columns] = grid.extents();
            let is_alike = extents.len() > 2
                && extents[..2] == [1, channels]
                && extents[2..].iter().product::<usize>() == rows * columns;
            grid.is_plain() && is_alike && computed.contains(&value)
        })
    };
    layers.iter().copied().filter(|&value| is_plain(value)).collect()
}

/// The channels that each of these layers is looked at in.
fn parts(model: &Model, plain: &HashSet<ValueId>) -> HashMap<ValueId, Vec<Part>> {
    let graph = &model.graph;
    let channels = |value: ValueId| graph.value(value).shape.extents()[1];
    let is_joined = |node: &Node| matches!(&node.op, Op::Concat(concat) if concat.axis == 1);
    // The maximum of a rectified channel is the rectified maximum, where the channel itself is looked at as well.
    let mut follows: HashSet<ValueId> = HashSet::new();
    for node in graph.nodes() {
        let is_rectifier = matches!(node.op, Op::Unary(Unary::Relu { negative_slope: 0.0 }));
        let of_layers = node.inputs.iter().all(|input| plain.contains(input));
        let of_such = node.inputs.iter().all(|input| follows.contains(input));
        if plain.contains(&node.outputs[0]) && ((is_rectifier && of_layers) || (is_joined(node) && of_such)) {
            follows.insert(node.outputs[0]);
        }
    }
    let own = |of: ValueId| Part { of, first: 0, channels: channels(of), is_rectified: false };
    let mut parts: HashMap<ValueId, Vec<Part>> =
        plain.iter().map(|&value| (value, vec![own(value)])).collect();
    // From the last one on, so that what a concatenation is joined to itself is known.
    for node in graph.nodes().iter().rev().filter(|node| is_joined(node)) {
        let whole = node.outputs[0];
        let Some(&[Part { of, mut first, .. }]) = parts.get(&whole).map(Vec::as_slice) else { continue };
        if follows.contains(&whole) {
            continue;
        }
        for &input in &node.inputs {
            if plain.contains(&input) {
                parts.insert(input, vec![Part { of, first, ..own(input) }]);
            }
            first += channels(input);
        }
    }
    for node in graph.nodes().iter().filter(|node| follows.contains(&node.outputs[0])) {
        let of_inputs = node.inputs.iter().flat_map(|input| parts.get(input).cloned().unwrap_or_default());
        let rectified = |part: Part| Part { is_rectified: true, ..part };
        let found = of_inputs.map(rectified).collect();
        parts.insert(node.outputs[0], found);
    }
    parts
}
