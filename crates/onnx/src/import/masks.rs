//! Triangles, diagonals, and ones at a position.

use deepinside_graph::Shape;
use deepinside_graph::op::{Binary, Eltwise, Extent, Identity, Reshape, Select, TieRule};

use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use super::selection::position_of_largest;
use crate::tensor::{self, Kind};

/// A matrix of 1 and 0, by row and column.
fn matrix<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    [rows, columns]: [usize; 2],
    is_one: impl Fn(i64) -> bool,
) -> Result<Operand, Failure> {
    let offsets = (0..rows as i64).flat_map(|row| (0..columns as i64).map(move |column| column - row));
    let numbers = || offsets.map(|offset| f64::from(u8::from(is_one(offset)))).collect();
    Ok(importer.constant(node, "mask", &[rows, columns], numbers)?.with_kind(Kind::Boolean))
}

fn last_two(shape: &Shape) -> Result<[usize; 2], Failure> {
    match *shape.extents() {
        [.., rows, columns] => Ok([rows, columns]),
        _ => inconsistent("input", "at least two axes", shape),
    }
}

/// The part of matrices on one side of a diagonal; the other side is zero.
pub(super) fn import_triangle<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let extents = last_two(&importer.shape(&operand))?;
    let upper = node.int("upper")?.unwrap_or(1) != 0;
    let diagonal = match importer.whole_numbers(node, 1, "the diagonal")?.as_deref() {
        None => 0,
        Some(&[number]) => number,
        Some(other) => return inconsistent("diagonal", "one number", format!("{other:?}")),
    };
    let kind = operand.kind;
    let mask = matrix(
        node,
        importer,
        extents,
        |offset| if upper { offset >= diagonal } else { offset <= diagonal },
    )?;
    let zero = importer.constant(node, "zero", &[], || vec![0.0])?;
    importer.finish_as(node, Select, &[mask, operand, zero], kind)
}

/// A matrix with ones on a diagonal, of the extents of the input.
pub(super) fn import_eye_like<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let (extents, 2) = (last_two(&shape)?, shape.rank()) else {
        return inconsistent("input", "a matrix", shape);
    };
    let diagonal = node.int("k")?.unwrap_or(0);
    let kind = match node.int("dtype")? {
        Some(kind) => tensor::kind_of(i32::try_from(kind).unwrap_or(0))?,
        None => operand.kind,
    };
    let mask = matrix(node, importer, extents, |offset| offset == diagonal)?;
    importer.finish_as(node, Identity, &[mask], kind)
}

/// `0, 1, …` along one of some axes.
fn range<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    count: usize,
    behind: usize,
    first: f64,
) -> Result<Operand, Failure> {
    let numbers = || (0..count).map(|number| number as f64 + first).collect();
    let extents: Vec<usize> = std::iter::once(count).chain(std::iter::repeat_n(1, behind)).collect();
    importer.constant(node, if first < 0.0 { "range_from_end" } else { "range" }, &extents, numbers)
}

/// One of two numbers along a new axis: the second where the index is the position. Negative indices count from
/// the end.
pub(super) fn import_one_hot<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (indices, values) = (importer.operand(node, 0)?, importer.operand(node, 2)?);
    let rank = importer.shape(&indices).rank();
    let axis = axis(node.int("axis")?.unwrap_or(-1), rank + 1)?;
    let depth = match importer.whole_numbers(node, 1, "the depth")?.as_deref() {
        Some(&[depth @ 1..=0xff_ffff]) => depth as usize,
        other => return inconsistent("depth", "one number from 1 to 16777215", format!("{other:?}")),
    };
    let mut extents: Vec<Extent> = (0..rank).map(Extent::Copy).collect();
    extents.insert(axis, Extent::Fixed(1));
    let spread = importer.step(node, "indices", Reshape { extents }, &[indices])?;
    let mut hits = Vec::new();
    for (step, first) in [("hit", 0.0), ("hit_from_end", -(depth as f64))] {
        let range = range(node, importer, depth, rank - axis, first)?;
        hits.push(importer.step(node, step, Binary::Equal, &[spread.clone(), range])?);
    }
    let hit = importer.step(node, "hits", Eltwise::Maximum, &hits)?;
    let parts = deepinside_graph::op::Split { axis: 0, sizes: vec![1, 1] };
    let kind = values.kind;
    let parts = importer.steps(node, &["off", "on"], parts, &[values])?;
    let [off, on] = &parts[..] else { return unsupported("a tensor without its parts") };
    importer.finish_as(node, Select, &[hit, on.clone(), off.clone()], kind)
}

/// 1 at the first largest element of each line, 0 elsewhere.
pub(super) fn import_hardmax<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let flattens = node.version < 13;
    let first = axis(node.int("axis")?.unwrap_or(if flattens { 1 } else { -1 }), shape.rank())?;
    // Before operator set 13 all axes from this one on are one line.
    let end = if flattens { shape.rank() } else { first + 1 };
    let kind = operand.kind;
    let flat = importer.step(node, "flat", Reshape::flatten(shape.rank(), first, end), &[operand])?;
    let flat_shape = importer.shape(&flat);
    let position = position_of_largest(node, importer, first, TieRule::SmallerPosition, flat)?;
    let range = range(node, importer, flat_shape.extents()[first], flat_shape.rank() - 1 - first, 0.0)?;
    let hit = importer.step(node, "hit", Binary::Equal, &[position, range])?;
    let extents = (0..first).map(Extent::Copy);
    let extents = extents.chain(shape.extents()[first..end].iter().map(|&extent| Extent::Fixed(extent)));
    let extents = extents.chain((first + 1..flat_shape.rank()).map(Extent::Copy)).collect();
    importer.finish_as(node, Reshape { extents }, &[hit], kind)
}
