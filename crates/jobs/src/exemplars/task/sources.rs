//! Where the maxima of layers come from.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deepinside::Model;
use deepinside::graph::{Op, ValueId};
use deepinside::grid::Grid;

/// Where the maxima of a layer's units come from.
pub enum Source {
    /// The engine takes those of the channels of a value; the layer's units are these from `first` on.
    Maxima {
        /// The layer, or what it is joined to.
        of: ValueId,
        /// The channel that is its first unit.
        first: usize,
    },
    /// From its numbers as they are: it has no places in the picture.
    Numbers,
    /// From its numbers, laid out as channels × rows × columns.
    Grid(Arc<Grid>),
}

/// The sources of layers.
pub fn sources(model: &Model, layers: &[ValueId]) -> Vec<Source> {
    let graph = &model.graph;
    let computed: HashSet<ValueId> = graph.nodes().iter().flat_map(|node| &node.outputs).copied().collect();
    let plain = |value: ValueId| {
        let extents = graph.value(value).shape.extents();
        model.grid(value).is_ok_and(|grid| {
            let [channels, rows, columns] = grid.extents();
            let is_alike = extents.len() > 2
                && extents[..2] == [1, channels]
                && extents[2..].iter().product::<usize>() == rows * columns;
            grid.is_plain() && is_alike && computed.contains(&value)
        })
    };
    let plain: HashSet<ValueId> = layers.iter().copied().filter(|&value| plain(value)).collect();
    let mut joined: HashMap<ValueId, (ValueId, usize)> = HashMap::new();
    // From the last one on, so that what a concatenation is joined to itself is known.
    for node in graph.nodes().iter().rev() {
        let Op::Concat(concat) = &node.op else { continue };
        let whole = node.outputs[0];
        if concat.axis != 1 || !plain.contains(&whole) {
            continue;
        }
        let (of, mut first) = joined.get(&whole).copied().unwrap_or((whole, 0));
        for &input in &node.inputs {
            joined.insert(input, (of, first));
            first += graph.value(input).shape.extents()[1];
        }
    }
    let source = |&value: &ValueId| match model.grid(value) {
        Ok(_) if plain.contains(&value) => {
            let (of, first) = joined.get(&value).copied().unwrap_or((value, 0));
            Source::Maxima { of, first }
        }
        Ok(grid) if !grid.is_plain() => Source::Grid(grid),
        _ => Source::Numbers,
    };
    layers.iter().map(source).collect()
}
