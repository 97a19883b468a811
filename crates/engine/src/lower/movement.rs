//! Nodes that only move numbers: several in a row are one copy.
//!
//! Windows are cut out of pictures that were rolled along two axes, and the heads of queries, keys and values out of one matrix: up to
//! eight nodes, each of which would read and write everything. What they do together is found by letting them move numbers of rows, a row
//! being the longest piece along the last axis that none of them cuts.

use std::collections::{BTreeSet, HashMap};

use deepinside_graph::{Node, NodeId, Op, Shape, ValueId};

use super::{Lowerer, Step};
use crate::Layout;
use crate::kernel::axes::steps;
use crate::kernel::move_rows;

/// How many nodes are looked at together.
const NODES: usize = 64;

/// How many numbers a row must have, so that looking up where it lies is little beside copying it.
const ROW: usize = 8;

/// How many rows all values together may have while they are followed.
const ROWS: usize = 1 << 22;

impl Lowerer<'_> {
    /// Makes one kernel of a node and of those behind it that, as it does, only move numbers of the value that it reads. Says whether it
    /// did: it does not where that is one copy anyway, or where a number is wanted twice.
    pub(super) fn is_moved(&mut self, first: usize) -> bool {
        if self.followed.contains(&first) {
            return false;
        }
        let source = self.graph.nodes()[first].inputs.first().copied();
        let Some(source) = source.filter(|source| self.program.of_value.contains_key(source)) else {
            return false;
        };
        let shape = &self.graph.value(source).shape;
        if shape.rank() == 0
            || self.turned.contains(&source)
            || !self.layout_of(source).equivalent(Layout::Plain, shape)
        {
            return false;
        }
        let nodes = self.movement(first, source);
        self.followed.extend(&nodes);
        let copies = nodes.iter().filter(|&&node| self.is_copy(&self.graph.nodes()[node])).count();
        if copies < 2 {
            return false;
        }
        let results = self.results_of(&nodes);
        let Some((row, sources)) = self.rows_of(source, &nodes, &results) else { return false };
        let Some(kernel) = move_rows::make(row, shape.elements() / row, sources) else { return false };
        let name = self.graph.nodes()[first].name.clone();
        let operand = self.in_layout(source, Layout::Plain, &name);
        let tensors: Vec<_> = results
            .iter()
            .map(|&result| {
                let tensor = self.tensor(self.whole.value(result).shape.clone(), Layout::Plain);
                self.program.of_value.insert(result, tensor);
                tensor
            })
            .collect();
        let numbers: usize =
            results.iter().chain([&source]).map(|&value| self.whole.value(value).shape.elements()).sum();
        self.program.steps.push(Step {
            name,
            stage: self.stage,
            kernel,
            operands: vec![operand],
            results: tensors,
            operations: 0,
            bytes: 4 * numbers as u64,
        });
        self.fused.extend(nodes);
        true
    }

    /// The nodes of this stage, in their order, that only move numbers of a value: the first of them and those behind it.
    fn movement(&self, first: usize, source: ValueId) -> Vec<usize> {
        let mut values = BTreeSet::from([source]);
        let mut nodes = Vec::new();
        // Else those behind it would be taken for all that the first node is, and all readers be looked at for each.
        let node = &self.graph.nodes()[first];
        if !self.moves(node) || node.inputs.iter().any(|input| *input != source) {
            return nodes;
        }
        let mut next: BTreeSet<usize> =
            self.consumers[source.index()].iter().map(|node| node.index()).collect();
        while let Some(index) = next.pop_first().filter(|_| nodes.len() < NODES) {
            let node = &self.graph.nodes()[index];
            let is_one = index >= first
                && self.stage_of[index] == self.stage
                && !self.fused.contains(&index)
                && self.moves(node)
                && node.inputs.iter().all(|input| values.contains(input));
            if is_one {
                nodes.push(index);
                values.extend(&node.outputs);
                let readers = node.outputs.iter().flat_map(|output| &self.consumers[output.index()]);
                next.extend(readers.map(|node| node.index()));
            }
        }
        nodes
    }

    /// Whether a node writes numbers that it reads and nothing else, rows in whole.
    fn moves(&self, node: &Node) -> bool {
        match &node.op {
            Op::Concat(_) | Op::Reshape(_) | Op::Slice(_) | Op::Split(_) => true,
            Op::Transpose(op) => {
                let last = op.permutation.len().checked_sub(1);
                last.is_some() && op.permutation.last().copied() == last
            }
            Op::Pad(op) => op.before.iter().chain(&op.behind).all(|&border| border == 0),
            _ => false,
        }
    }

    /// Whether a node by itself would copy, and not be a view.
    fn is_copy(&self, node: &Node) -> bool {
        let shape = |value: ValueId| &self.graph.value(value).shape;
        match &node.op {
            Op::Slice(_) => shape(node.inputs[0]) != shape(node.outputs[0]),
            Op::Concat(_) => node.inputs.len() > 1,
            Op::Split(_) => node.outputs.len() > 1,
            Op::Transpose(op) => {
                let long = |axis: &&usize| shape(node.inputs[0]).extents()[**axis] != 1;
                !op.permutation.iter().filter(long).is_sorted()
            }
            _ => false,
        }
    }

    /// What other nodes read, or callers observe, of what some nodes make.
    fn results_of(&self, nodes: &[usize]) -> Vec<ValueId> {
        let is_inside = |reader: &NodeId| nodes.binary_search(&reader.index()).is_ok();
        let is_result = |value: &ValueId| {
            self.options.keep.contains(*value) || !self.consumers[value.index()].iter().all(is_inside)
        };
        nodes.iter().flat_map(|&node| &self.graph.nodes()[node].outputs).copied().filter(is_result).collect()
    }

    /// The length of rows, and per result which rows of the source it has.
    fn rows_of(
        &self,
        source: ValueId,
        nodes: &[usize],
        results: &[ValueId],
    ) -> Option<(usize, Vec<Vec<u32>>)> {
        let outputs = || nodes.iter().flat_map(|&node| &self.graph.nodes()[node].outputs).copied();
        let shape = |value: ValueId| &self.graph.value(value).shape;
        let row = outputs().chain([source]).try_fold(0, |row, value| {
            shape(value).extents().last().map(|&extent| greatest_common_divisor(row, extent))
        })?;
        let rows: usize = outputs().chain([source]).map(|value| shape(value).elements() / row.max(1)).sum();
        if row < ROW || rows > ROWS || results.is_empty() {
            return None;
        }
        let count = u32::try_from(shape(source).elements() / row).ok()?;
        let mut found = HashMap::from([(source, (0..count).collect::<Vec<u32>>())]);
        for &index in nodes {
            let node = &self.graph.nodes()[index];
            let operands: Option<Vec<_>> = node
                .inputs
                .iter()
                .map(|input| Some((in_rows(shape(*input), row), &found.get(input)?[..])))
                .collect();
            let shapes: Vec<_> = node.outputs.iter().map(|&output| in_rows(shape(output), row)).collect();
            let moved = moved(&node.op, &operands?, &shapes, row)?;
            found.extend(node.outputs.iter().copied().zip(moved));
        }
        let sources: Option<Vec<_>> = results.iter().map(|result| found.remove(result)).collect();
        Some((row, sources?))
    }
}

/// The extents of an array whose last axis is counted in rows.
fn in_rows(shape: &Shape, row: usize) -> Vec<usize> {
    let mut extents = shape.extents().to_vec();
    if let Some(last) = extents.last_mut() {
        *last /= row;
    }
    extents
}

/// What an operator makes of rows, given the extents of operands and results in rows.
fn moved(
    op: &Op,
    operands: &[(Vec<usize>, &[u32])],
    results: &[Vec<usize>],
    row: usize,
) -> Option<Vec<Vec<u32>>> {
    let (extents, rows) = operands.first()?;
    let own = steps(extents);
    let read = |result: &[usize], steps: &[usize], start: usize| -> Vec<u32> {
        places(result, steps, start).into_iter().map(|place| rows[place]).collect()
    };
    // How far an axis' position is from the first, of what is counted in numbers.
    let along = |axis: usize, position: usize| {
        let position = if axis + 1 == extents.len() { position / row } else { position };
        position * own[axis]
    };
    Some(match op {
        Op::Reshape(_) | Op::Pad(_) => vec![rows.to_vec()],
        Op::Transpose(op) => {
            let steps: Vec<usize> = op.permutation.iter().map(|&axis| own[axis]).collect();
            vec![read(&results[0], &steps, 0)]
        }
        Op::Slice(op) => {
            let is_whole = |start: usize, axis: usize| axis + 1 < extents.len() || start.is_multiple_of(row);
            if !op.ranges.iter().all(|range| is_whole(range.start, range.axis)) {
                return None;
            }
            let start = op.ranges.iter().map(|range| along(range.axis, range.start)).sum();
            vec![read(&results[0], &own, start)]
        }
        Op::Split(op) => {
            let starts = op.sizes.iter().scan(0, |next, &size| {
                let start = *next;
                *next += size;
                Some(start)
            });
            let part = |(start, result): (usize, &Vec<usize>)| read(result, &own, along(op.axis, start));
            starts.zip(results).map(part).collect()
        }
        Op::Concat(op) => {
            let steps = steps(&results[0]);
            let mut whole = vec![0; results[0].iter().product()];
            let mut start = 0;
            for (extents, rows) in operands {
                let places = places(extents, &steps, start * steps[op.axis]);
                places.into_iter().zip(*rows).for_each(|(place, &row)| whole[place] = row);
                start += extents[op.axis];
            }
            vec![whole]
        }
        _ => return None,
    })
}

/// Where the elements of an array lie, in their order, when it is walked along with these steps from a start.
fn places(extents: &[usize], steps: &[usize], start: usize) -> Vec<usize> {
    let mut places = vec![start];
    for (&extent, &step) in extents.iter().zip(steps) {
        places =
            places.into_iter().flat_map(|place| (0..extent).map(move |index| place + index * step)).collect();
    }
    places
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
