//! The same elements in another shape, or repeated.

use deepinside_graph::op::{Extent, Reshape};
use deepinside_graph::{Shape, op::broadcast};

use super::axes::{axis, sorted_axes};
use super::constant::repeat;
use super::failure::{Failure, inconsistent};
use super::importer::Importer;
use super::node::Node;

/// The shape is an input: 0 copies an extent (unless `allowzero`), −1 is inferred.
///
/// A first extent equal to the operand's is taken as its copy: it is the number of pictures, which files with a fixed
/// batch write as a number, and the network then also runs with another.
pub(super) fn import_reshape<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let input = importer.shape(&operand);
    let keeps_zero = node.flag("allowzero")?;
    let named = if node.version < 5 { node.ints("shape")?.map(<[i64]>::to_vec) } else { None };
    let numbers = match named {
        Some(numbers) => Some(numbers),
        None => importer.whole_numbers(node, 1, "the shape")?,
    };
    let Some(numbers) = numbers else { return inconsistent("shape", "extents", "none") };
    let extent = |(axis, &number): (usize, &i64)| match number {
        0 if !keeps_zero => Ok(Extent::Copy(axis)),
        -1 => Ok(Extent::Infer),
        number => match usize::try_from(number) {
            Ok(extent) if axis == 0 && input.extent(0) == Some(extent) => Ok(Extent::Copy(0)),
            Ok(extent) => Ok(Extent::Fixed(extent)),
            Err(_) => inconsistent("shape", "extents of −1 or more", format!("{numbers:?}")),
        },
    };
    let extents = numbers.iter().enumerate().map(extent).collect::<Result<_, _>>()?;
    importer.finish(node, Reshape { extents }, &[operand])
}

pub(super) fn import_flatten<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    // Unlike elsewhere the axis may be the rank itself.
    let number = node.int("axis")?.unwrap_or(1);
    let axis = if number == rank as i64 { rank } else { axis(number, rank)? };
    let extents = vec![Extent::Merge(0, axis), Extent::Merge(axis, rank)];
    importer.finish(node, Reshape { extents }, &[operand])
}

/// Axes are an attribute before operator set 13, and an input since.
fn axes(node: &Node<'_>, importer: &Importer<'_>) -> Result<Option<Vec<i64>>, Failure> {
    match node.ints("axes")? {
        Some(axes) => Ok(Some(axes.to_vec())),
        None => importer.whole_numbers(node, 1, "the axes"),
    }
}

pub(super) fn import_squeeze<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let removed = match axes(node, importer)? {
        Some(numbers) => sorted_axes(&numbers, shape.rank())?,
        None => (0..shape.rank()).filter(|&axis| shape.extents()[axis] == 1).collect(),
    };
    if let Some(axis) = removed.iter().find(|&&axis| shape.extents()[axis] != 1) {
        return inconsistent(format!("extent of axis {axis}"), 1, shape.extents()[*axis]);
    }
    let extents = (0..shape.rank()).filter(|axis| !removed.contains(axis)).map(Extent::Copy).collect();
    importer.finish(node, Reshape { extents }, &[operand])
}

pub(super) fn import_unsqueeze<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    let Some(numbers) = axes(node, importer)? else { return inconsistent("axes", "some", "none") };
    let added = sorted_axes(&numbers, rank + numbers.len())?;
    let mut own = 0;
    let extent = |axis: usize| {
        if added.binary_search(&axis).is_ok() {
            return Extent::Fixed(1);
        }
        own += 1;
        Extent::Copy(own - 1)
    };
    let extents = (0..rank + added.len()).map(extent).collect();
    importer.finish(node, Reshape { extents }, &[operand])
}

/// Broadcasts to a shape, as NumPy does with both.
pub(super) fn import_expand<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let own = importer.shape(&operand);
    let numbers = importer.whole_numbers(node, 1, "the shape")?.unwrap_or_default();
    // Some exporters write −1 for what stays as it is.
    let numbers: Vec<i64> = numbers.into_iter().map(|number| if number == -1 { 1 } else { number }).collect();
    let result = broadcast(&own, &crate::tensor::shape(&numbers)?)?;
    let lead = result.rank() - own.rank();
    let led = led(&own, lead);
    let mut operand = operand;
    if lead > 0 {
        let extents = std::iter::repeat_n(Extent::Fixed(1), lead);
        let extents = extents.chain((0..own.rank()).map(Extent::Copy)).collect();
        operand = importer.step(node, "led", Reshape { extents }, &[operand])?;
    }
    let repeats: Vec<usize> = result
        .extents()
        .iter()
        .zip(&led)
        .map(|(&extent, &own)| if own == extent { 1 } else { extent })
        .collect();
    repeat(node, importer, operand, &repeats)
}

/// Extents with ones put in front.
fn led(shape: &Shape, lead: usize) -> Vec<usize> {
    std::iter::repeat_n(1, lead).chain(shape.extents().iter().copied()).collect()
}

pub(super) fn import_tile<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    let mut numbers = importer.whole_numbers(node, 1, "the repeats")?.unwrap_or_default();
    if node.version < 6 {
        // One number and its axis.
        let along = importer.whole_numbers(node, 2, "the axis")?.unwrap_or_default();
        let (&[repeats], &[along]) = (&numbers[..], &along[..]) else {
            return inconsistent("repeats and axis", "one number each", format!("{numbers:?} and {along:?}"));
        };
        let along = axis(along, rank)?;
        numbers = (0..rank).map(|axis| if axis == along { repeats } else { 1 }).collect();
    }
    let repeats: Option<Vec<usize>> = numbers.iter().map(|&number| usize::try_from(number).ok()).collect();
    match repeats {
        Some(repeats) if repeats.len() == rank => repeat(node, importer, operand, &repeats),
        _ => inconsistent("repeats", format!("{rank} numbers of 0 or more"), format!("{numbers:?}")),
    }
}
