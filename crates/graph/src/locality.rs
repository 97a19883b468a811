//! Where a network is local: the part in which every position of a value depends on a neighbourhood of positions alone, so that a change
//! of some pixels changes a box of each value, and that box can be computed from a box around it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::op::{AxisRange, LocalResponseNormalization, Pool, Slice, Window};
use crate::{Graph, GraphBuilder, GraphError, Node, NodeId, Op, Origin, Shape, ValueId};

/// Positions along one axis.
pub type Span = Range<usize>;

/// A box of positions: rows and columns.
pub type Region = [Span; 2];

/// What lies between two values of a network, where it is local: everything that the second depends on comes through the first or is
/// constant.
#[derive(Debug, Clone)]
pub struct Stretch<'a> {
    graph: &'a Graph,
    nodes: Vec<NodeId>,
    /// Where it begins.
    pub from: ValueId,
    /// Where it ends.
    pub to: ValueId,
}

/// A graph that computes a box of one value from a box of another.
#[derive(Debug)]
pub struct Crop {
    /// The graph; its one input and its one result have the names of the values.
    pub graph: Graph,
    /// The box of the first value that it reads.
    pub reads: Region,
}

/// The values, in order, that everything on the way from `input` to `targets` passes, as far as the network is local: `input` itself is
/// the first. None of them is a target.
pub fn local_cuts(graph: &Graph, input: ValueId, targets: &[ValueId]) -> Vec<ValueId> {
    let Some(_) = spatial(graph, input) else { return Vec::new() };
    let nodes = nodes_between(graph, input, targets);
    let mut readers: HashMap<ValueId, usize> = HashMap::new();
    for operand in nodes.iter().flat_map(|&node| &graph.node(node).inputs) {
        *readers.entry(*operand).or_default() += 1;
    }
    // What is still to be read; a target is, to the end.
    let mut open = HashSet::from([input]);
    let mut cuts = vec![input];
    for node in nodes.iter().map(|&node| graph.node(node)) {
        if !is_local(graph, node, &open) {
            break;
        }
        for operand in &node.inputs {
            let left = readers.entry(*operand).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && !targets.contains(operand) {
                open.remove(operand);
            }
        }
        let read = |output: &&ValueId| readers.contains_key(output) || targets.contains(output);
        open.extend(node.outputs.iter().filter(read));
        if let [output] = node.outputs[..]
            && open.len() == 1
            && open.contains(&output)
            && !targets.contains(&output)
        {
            cuts.push(output);
        }
    }
    cuts
}

/// The floating-point operations of what computes `targets` from `from`.
pub fn operations_between(graph: &Graph, from: ValueId, targets: &[ValueId]) -> u64 {
    let nodes = nodes_between(graph, from, targets);
    nodes.into_iter().map(|node| crate::operations(graph, graph.node(node))).sum()
}

/// The nodes that compute `targets` from `from`, in topological order.
fn nodes_between(graph: &Graph, from: ValueId, targets: &[ValueId]) -> Vec<NodeId> {
    let mut depends: HashSet<ValueId> = HashSet::from([from]);
    let mut nodes: Vec<NodeId> = Vec::new();
    for (position, node) in graph.nodes.iter().enumerate() {
        if node.inputs.iter().any(|operand| depends.contains(operand)) {
            depends.extend(&node.outputs);
            nodes.push(NodeId(position));
        }
    }
    let mut wanted: HashSet<ValueId> = targets.iter().copied().collect();
    nodes.reverse();
    nodes.retain(|&node| {
        let node = graph.node(node);
        let is_wanted = node.outputs.iter().any(|output| wanted.contains(output));
        if is_wanted {
            wanted.extend(node.inputs.iter().filter(|operand| depends.contains(operand)));
        }
        is_wanted
    });
    nodes.reverse();
    nodes
}

/// Rows and columns of an `N × C × H × W` value.
fn spatial(graph: &Graph, value: ValueId) -> Option<[usize; 2]> {
    match graph.value(value).shape.extents() {
        &[_, _, rows, columns] if rows > 0 && columns > 0 => Some([rows, columns]),
        _ => None,
    }
}

/// Whether a node's positions depend on positions nearby of values that are known to be local, and on constants.
fn is_local(graph: &Graph, node: &Node, local: &HashSet<ValueId>) -> bool {
    let is_constant = |operand: &ValueId| matches!(graph.value(*operand).origin, Origin::Constant(_));
    let Some(&first) = node.inputs.first() else { return false };
    let extents = spatial(graph, first);
    let one_operand =
        || extents.is_some() && local.contains(&first) && node.inputs[1..].iter().all(is_constant);
    match &node.op {
        Op::Unary(_) | Op::Identity(_) | Op::BatchNormalization(_) | Op::ParametricRelu(_) => one_operand(),
        Op::Convolution(convolution) => one_operand() && fits(graph, node, &convolution.window),
        Op::Pool(pool) => one_operand() && !pool.with_positions && fits(graph, node, &pool.window),
        Op::LocalResponseNormalization(LocalResponseNormalization::AcrossChannels { .. }) => one_operand(),
        Op::Concat(concat) => concat.axis == 1 && node.inputs.iter().all(|operand| local.contains(operand)),
        Op::Split(split) => split.axis == 1 && one_operand(),
        Op::Slice(slice) => slice.ranges.iter().all(|range| range.axis == 1) && one_operand(),
        Op::Eltwise(_) | Op::Binary(_) => {
            let extents = spatial(graph, node.outputs[0]);
            let fits = |operand: &ValueId| match is_constant(operand) {
                true => graph.value(*operand).shape.extents().iter().rev().take(2).all(|&extent| extent == 1),
                false => local.contains(operand) && spatial(graph, *operand) == extents,
            };
            extents.is_some() && node.inputs.iter().all(fits)
        }
        _ => false,
    }
}

/// Whether every place of a window has some of the operand under it.
fn fits(graph: &Graph, node: &Node, window: &Window) -> bool {
    let Some((from, to)) = spatial(graph, node.inputs[0]).zip(spatial(graph, node.outputs[0])) else {
        return false;
    };
    (0..2).all(|axis| {
        let last = (to[axis] - 1) * window.stride[axis];
        window.reach(axis) > window.pad_begin[axis] && last < window.pad_begin[axis] + from[axis]
    })
}

/// The window of a node, or none where each position depends on the one at the same place.
fn window(node: &Node) -> Option<&Window> {
    match &node.op {
        Op::Convolution(convolution) => Some(&convolution.window),
        Op::Pool(pool) => Some(&pool.window),
        _ => None,
    }
}

/// What a window reads for some of its outputs: positions of the operand, and the padding before and behind them.
fn read(window: &Window, axis: usize, outputs: &Span, extent: usize) -> (Span, [usize; 2]) {
    let [stride, before] = [window.stride[axis], window.pad_begin[axis]];
    // Both count from the first number of the padding.
    let first = outputs.start * stride;
    let end = (outputs.end - 1) * stride + window.reach(axis);
    let span = first.saturating_sub(before)..end.saturating_sub(before).min(extent);
    let behind = end.saturating_sub(before + extent);
    (span, [before.saturating_sub(first), behind])
}

/// The outputs of a window that see some of these positions.
fn seen_by(window: &Window, axis: usize, changed: &Span, outputs: usize) -> Span {
    let [stride, before] = [window.stride[axis], window.pad_begin[axis]];
    let first = (changed.start + before + 1).saturating_sub(window.reach(axis)).div_ceil(stride);
    let end = (changed.end - 1 + before) / stride + 1;
    first.min(outputs)..end.min(outputs)
}

fn hull(a: &Span, b: &Span) -> Span {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

impl<'a> Stretch<'a> {
    /// What lies between two of the values that [`local_cuts`] answers, the first of which comes before the second.
    pub fn new(graph: &'a Graph, from: ValueId, to: ValueId) -> Self {
        Self { graph, nodes: nodes_between(graph, from, &[to]), from, to }
    }

    /// This stretch and the one that begins where it ends.
    pub fn then(&self, next: &Self) -> Self {
        Self { nodes: [&self.nodes[..], &next.nodes].concat(), to: next.to, ..self.clone() }
    }

    /// The floating-point operations of all of it.
    pub fn operations(&self) -> u64 {
        self.nodes.iter().map(|&node| crate::operations(self.graph, self.graph.node(node))).sum()
    }

    /// The numbers of the constants that it reads.
    pub fn parameters(&self) -> usize {
        let operands = self.nodes.iter().flat_map(|&node| &self.graph.node(node).inputs);
        let weights = operands.filter_map(|operand| self.graph.value(*operand).weights());
        weights.map(|weights| weights.shape().elements()).sum()
    }

    /// The positions of the last value, along axis 0 (rows) or 1 (columns), that may change with these of the first.
    pub fn changed(&self, axis: usize, span: &Span) -> Span {
        let mut changed = HashMap::from([(self.from, span.clone())]);
        for node in self.nodes.iter().map(|&node| self.graph.node(node)) {
            let Some(extents) = spatial(self.graph, node.outputs[0]) else { continue };
            let operands = node.inputs.iter().filter_map(|operand| changed.get(operand));
            let seen = operands.filter(|span| !span.is_empty()).map(|span| match window(node) {
                Some(window) => seen_by(window, axis, span, extents[axis]),
                None => span.clone(),
            });
            let seen = seen.reduce(|a, b| hull(&a, &b)).unwrap_or(0..0);
            changed.extend(node.outputs.iter().map(|&output| (output, seen.clone())));
        }
        changed.remove(&self.to).unwrap_or(0..0)
    }

    /// The positions of every value on the way that these of the last are computed from, along axis 0 (rows) or 1 (columns).
    fn needed(&self, axis: usize, span: &Span) -> HashMap<ValueId, Span> {
        let mut needed = HashMap::from([(self.to, span.clone())]);
        for node in self.nodes.iter().rev().map(|&node| self.graph.node(node)) {
            let outputs = node.outputs.iter().filter_map(|output| needed.get(output));
            let Some(outputs) = outputs.cloned().reduce(|a, b| hull(&a, &b)) else { continue };
            // A node computes all of its results in one box.
            needed.extend(node.outputs.iter().map(|&output| (output, outputs.clone())));
            for operand in &node.inputs {
                let Some(extents) = self.spatial_operand(*operand) else { continue };
                let span = match window(node) {
                    Some(window) => read(window, axis, &outputs, extents[axis]).0,
                    None => outputs.clone(),
                };
                needed.entry(*operand).and_modify(|known| *known = hull(known, &span)).or_insert(span);
            }
        }
        needed
    }

    /// The positions of the first value that these of the last are computed from, along axis 0 (rows) or 1 (columns), and whether padding
    /// is needed before and behind them on the way.
    pub fn reads(&self, axis: usize, span: &Span) -> (Span, [bool; 2]) {
        let needed = self.needed(axis, span);
        let mut padded = [false; 2];
        for node in self.nodes.iter().map(|&node| self.graph.node(node)) {
            let Some((window, extents)) = window(node).zip(self.spatial_operand(node.inputs[0])) else {
                continue;
            };
            let Some(outputs) = needed.get(&node.outputs[0]) else { continue };
            let (_, pads) = read(window, axis, outputs, extents[axis]);
            padded = [padded[0] || pads[0] > 0, padded[1] || pads[1] > 0];
        }
        (needed.get(&self.from).cloned().unwrap_or(0..0), padded)
    }

    /// Rows and columns of an operand that is no constant.
    fn spatial_operand(&self, operand: ValueId) -> Option<[usize; 2]> {
        match self.graph.value(operand).origin {
            Origin::Constant(_) => None,
            _ => spatial(self.graph, operand),
        }
    }

    /// The graph that computes a box of the last value, and which box of the first it reads. What is outside of the picture is padded as
    /// in the whole network, so that the numbers are the same.
    ///
    /// # Errors
    /// When the box is empty, or reaches out of the value.
    pub fn crop(&self, region: &Region) -> Result<Crop, GraphError> {
        let [rows, columns] = [0, 1].map(|axis| self.needed(axis, &region[axis]));
        let place = |value: ValueId| Some([rows.get(&value)?.clone(), columns.get(&value)?.clone()]);
        let reads = place(self.from).unwrap_or([0..0, 0..0]);
        let mut builder = GraphBuilder::new(self.graph.name());
        let first = self.graph.value(self.from);
        let input = builder.input(first.name.clone(), extents_of(&first.shape, &reads))?;
        let mut built = HashMap::from([(self.from, input)]);
        for (position, node) in self.nodes.iter().map(|&node| self.graph.node(node)).enumerate() {
            let Some(outputs) = place(node.outputs[0]) else { continue };
            let mut operands = Vec::with_capacity(node.inputs.len());
            let mut pads = [[0; 2]; 2];
            for (number, operand) in node.inputs.iter().enumerate() {
                let value = self.graph.value(*operand);
                if let Some(weights) = value.weights() {
                    let known = match built.get(operand) {
                        Some(&known) => known,
                        None => builder.constant(value.name.clone(), weights.clone())?,
                    };
                    built.insert(*operand, known);
                    operands.push(known);
                    continue;
                }
                let (Some(&known), Some(has)) = (built.get(operand), place(*operand)) else { continue };
                let wants = match (window(node), self.spatial_operand(*operand)) {
                    (Some(window), Some(extents)) => [0, 1].map(|axis| {
                        let (span, around) = read(window, axis, &outputs[axis], extents[axis]);
                        pads[axis] = around;
                        span
                    }),
                    _ => outputs.clone(),
                };
                let name = format!("{}@{position}.{number}", value.name);
                operands.push(cut(&mut builder, known, &has, &wants, name)?);
            }
            let names: Vec<&str> =
                node.outputs.iter().map(|&output| self.graph.value(output).name.as_str()).collect();
            let results =
                builder.node(node.name.clone(), cropped(&node.op, &outputs, pads), &operands, &names)?;
            built.extend(node.outputs.iter().copied().zip(results));
        }
        let result = built[&self.to];
        Ok(Crop { graph: builder.finish(&[result]), reads })
    }
}

/// A shape with other rows and columns.
fn extents_of(shape: &Shape, region: &Region) -> Shape {
    let [rows, columns] = [0, 1].map(|axis| region[axis].len());
    let cropped = shape.with_extent(2, rows).and_then(|shape| shape.with_extent(3, columns));
    cropped.unwrap_or_else(|_| shape.clone())
}

/// The part of what has been computed that is wanted.
fn cut(
    builder: &mut GraphBuilder,
    value: ValueId,
    has: &Region,
    wants: &Region,
    name: String,
) -> Result<ValueId, GraphError> {
    let ranges = (0..2).filter(|&axis| has[axis] != wants[axis]).map(|axis| AxisRange {
        axis: axis + 2,
        start: wants[axis].start - has[axis].start,
        size: wants[axis].len(),
    });
    let ranges: Vec<AxisRange> = ranges.collect();
    if ranges.is_empty() {
        return Ok(value);
    }
    Ok(builder.node(name.clone(), Slice { ranges }, &[value], &[&name])?[0])
}

/// The operator for some of its outputs, with the padding that these need.
fn cropped(op: &Op, outputs: &Region, pads: [[usize; 2]; 2]) -> Op {
    let padded = |window: &Window| Window {
        pad_begin: pads.iter().map(|pads| pads[0]).collect(),
        pad_end: pads.iter().map(|pads| pads[1]).collect(),
        ..window.clone()
    };
    match op {
        Op::Convolution(convolution) => Op::Convolution(crate::op::Convolution {
            window: padded(&convolution.window),
            ..convolution.clone()
        }),
        Op::Pool(pool) => {
            // A window that overhangs the padding does so still: an average may not count it.
            let mut window = padded(&pool.window);
            for axis in 0..2 {
                window.pad_end[axis] = window.pad_end[axis].min(pool.window.pad_end[axis]);
            }
            let output = outputs.iter().map(Span::len).collect();
            Op::Pool(Pool { window, output, ..pool.clone() })
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
