//! Elements and slices that indices name, read and written.

use deepinside_graph::op::{
    Extent, GatherElements, GatherNd, Places, Reshape, ScatterElements, ScatterNd, ScatterReduction, Take,
};
use deepinside_graph::{Constant, Shape};

use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

pub(super) fn import_gather_elements<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let (operand, indices) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let (shape, index_shape) = (importer.shape(&operand), importer.shape(&indices));
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.rank())?;
    let places = Places::of_elements(&shape, &index_shape, axis)?;
    let kept = usize::from(axis > 0 && index_shape.extents().first() == Some(&1));
    match known(importer, &operand, &indices, &places)? {
        Some(indices) => take(node, importer, operand, &places, &indices, index_shape.extents(), kept),
        None => importer.finish(node, GatherElements { axis }, &[operand, indices]),
    }
}

pub(super) fn import_gather_nd<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (operand, indices) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let (shape, index_shape) = (importer.shape(&operand), importer.shape(&indices));
    let batch_axes = usize::try_from(node.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let places = Places::of_slices(&shape, &index_shape, batch_axes)?;
    let Some(indices_known) = known(importer, &operand, &indices, &places)? else {
        return importer.finish(node, GatherNd { batch_axes }, &[operand, indices]);
    };
    let (width, outer) = match index_shape.extents().split_last() {
        Some((&width, outer)) => (width, outer),
        None => return inconsistent("indices", "at least one axis", "a scalar"),
    };
    let result = [outer, &shape.extents()[batch_axes + width..]].concat();
    let kept = usize::from(batch_axes > 0 && shape.extents()[0] == 1);
    take(node, importer, operand, &places, &indices_known, &result, kept)
}

/// The numbers of indices that are known, checked, where what they name is computed: elements at known
/// positions are taken by an operator of their own.
fn known(
    importer: &Importer<'_>,
    operand: &Operand,
    indices: &Operand,
    places: &Places,
) -> Result<Option<Vec<f64>>, Failure> {
    let Some(constant) = indices.constant() else { return Ok(None) };
    importer.ask_for(constant.shape().elements() as u64)?;
    let numbers = constant.numbers().into_owned();
    check(&numbers, places)?;
    Ok(operand.constant().is_none().then_some(numbers))
}

/// Checks that known indices lie inside of their axes.
fn check(indices: &[f64], places: &Places) -> Result<(), Failure> {
    match places.outside(indices) {
        Some((index, extent)) => {
            inconsistent("index", format!("−{extent} to {}", extent.saturating_sub(1)), index)
        }
        None => Ok(()),
    }
}

/// The slices at places that are known, as a result of these extents. The first `kept` axes, the number of
/// pictures, are left as they are.
fn take<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
    places: &Places,
    indices: &[f64],
    result: &[usize],
    kept: usize,
) -> Result<(), Failure> {
    let slice = places.slice().max(1);
    importer.ask_for(places.count() as u64)?;
    let mut positions = Vec::with_capacity(places.count());
    places.for_each(|at| indices[at], |_, place| positions.push(place / slice));
    let lead = |rest: Vec<Extent>| {
        let kept = (0..kept).map(Extent::Copy);
        Reshape { extents: kept.chain(rest).collect() }
    };
    let flat = lead(vec![Extent::Fixed(places.elements() / slice), Extent::Fixed(slice)]);
    let flat = importer.step(node, "flat", flat, &[operand])?;
    let taken = importer.step(node, "taken", Take { axis: kept, positions }, &[flat])?;
    let extents = result[kept..].iter().map(|&extent| Extent::Fixed(extent)).collect();
    importer.finish(node, lead(extents), &[taken])
}

/// Gather with computed indices, along an axis that is brought to the front for it.
pub(super) fn gather_computed<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
    indices: Operand,
    axis: usize,
) -> Result<(), Failure> {
    use deepinside_graph::op::Transpose;

    let rank = importer.shape(&operand).rank();
    let index_rank = importer.shape(&indices).rank();
    let front = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
    let moved = importer.step(node, "front", Transpose { permutation: front }, &[operand])?;
    let rows = (0..index_rank).map(Extent::Copy).chain([Extent::Fixed(1)]).collect();
    let rows = importer.step(node, "rows", Reshape { extents: rows }, &[indices])?;
    let taken = importer.step(node, "taken", GatherNd { batch_axes: 0 }, &[moved, rows])?;
    // The indices' axes stand in front now, and belong where the axis was.
    let behind = index_rank..index_rank + axis;
    let permutation = behind.chain(0..index_rank).chain(index_rank + axis..index_rank + rank - 1).collect();
    importer.finish(node, Transpose { permutation }, &[taken])
}

fn reduction(node: &Node<'_>) -> Result<ScatterReduction, Failure> {
    Ok(match node.text("reduction")?.as_deref() {
        None | Some("none") => ScatterReduction::Replace,
        Some("add") => ScatterReduction::Add,
        Some("mul") => ScatterReduction::Multiply,
        Some("max") => ScatterReduction::Maximum,
        Some("min") => ScatterReduction::Minimum,
        Some(other) => {
            return inconsistent("attribute 'reduction'", "none, add, mul, max or min", other);
        }
    })
}

/// ScatterElements, and Scatter as it was called before operator set 11.
pub(super) fn import_scatter_elements<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let operands = [importer.operand(node, 0)?, importer.operand(node, 1)?, importer.operand(node, 2)?];
    let shape = importer.shape(&operands[0]);
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.rank())?;
    let places = Places::of_elements(&shape, &importer.shape(&operands[1]), axis)?;
    known(importer, &operands[0], &operands[1], &places)?;
    importer.finish(node, ScatterElements { axis, reduction: reduction(node)? }, &operands)
}

pub(super) fn import_scatter_nd<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = [importer.operand(node, 0)?, importer.operand(node, 1)?, importer.operand(node, 2)?];
    let places = Places::of_slices(&importer.shape(&operands[0]), &importer.shape(&operands[1]), 0)?;
    known(importer, &operands[0], &operands[1], &places)?;
    importer.finish(node, ScatterNd { reduction: reduction(node)? }, &operands)
}

/// The slices of an axis for which a condition, which must be known, holds.
pub(super) fn import_compress<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    let Some(condition) = importer.known(node, 1, "the condition")? else {
        return inconsistent("number of inputs", 2, node.inputs());
    };
    let rank = importer.shape(&operand).rank();
    let axis = match node.int("axis")? {
        Some(number) => axis(number, rank)?,
        None => {
            operand = importer.step(node, "flat", Reshape::flatten(rank, 0, rank), &[operand])?;
            0
        }
    };
    let numbers = condition.numbers();
    let positions = (0..numbers.len()).filter(|&position| numbers[position] != 0.0).collect();
    importer.finish(node, Take { axis, positions }, &[operand])
}

/// Where a known tensor is not 0: a row of positions for each axis.
pub(super) fn import_non_zero<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Some(constant) = importer.operand(node, 0)?.constant().cloned() else {
        return unsupported("the size of its result depends on the picture");
    };
    let extents = constant.shape().extents();
    importer.ask_for(constant.shape().elements() as u64 * extents.len() as u64)?;
    let numbers = constant.numbers();
    let found: Vec<usize> = (0..numbers.len()).filter(|&index| numbers[index] != 0.0).collect();
    let rows = extents.iter().enumerate().flat_map(|(axis, &extent)| {
        let step: usize = extents[axis + 1..].iter().product();
        found.iter().map(move |index| (index / step % extent) as f64)
    });
    let shape = Shape::new([extents.len(), found.len()])?;
    importer.finish_known(node, 0, Constant::new(shape, rows.collect())?, crate::tensor::Kind::Integer)
}

/// The first elements of each picture, as many as `sequence_lens` says, the other way round.
pub(super) fn import_reverse_sequence<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let lengths = importer.whole_numbers(node, 1, "the lengths")?.unwrap_or_default();
    let (time, batch) = (node.int("time_axis")?.unwrap_or(0), node.int("batch_axis")?.unwrap_or(1));
    let (true, &[first, second, ..]) = ([(0, 1), (1, 0)].contains(&(time, batch)), shape.extents()) else {
        return inconsistent("time and batch axis", "0 and 1, or 1 and 0", format!("{time} and {batch}"));
    };
    let [times, batches] = if time == 0 { [first, second] } else { [second, first] };
    if lengths.len() != batches || lengths.iter().any(|&length| length < 0 || length > times as i64) {
        let expected = format!("{batches} numbers up to {times}");
        return inconsistent("lengths", expected, format!("{lengths:?}"));
    }
    let place = |row: usize| {
        let (at, picture) =
            if time == 0 { (row / second, row % second) } else { (row % second, row / second) };
        let length = lengths[picture] as usize;
        let at = if at < length { length - 1 - at } else { at };
        if time == 0 { at * second + picture } else { picture * second + at }
    };
    let positions = (0..first * second).map(place).collect();
    let rows = importer.step(node, "rows", Reshape::flatten(shape.rank(), 0, 2), &[operand])?;
    let taken = importer.step(node, "taken", Take { axis: 0, positions }, &[rows])?;
    let extents = [Extent::Fixed(first), Extent::Fixed(second)];
    let extents = extents.into_iter().chain((1..shape.rank() - 1).map(Extent::Copy)).collect();
    importer.finish(node, Reshape { extents }, &[taken])
}
