//! Elements at positions along an axis, and the largest ones.

use deepinside_graph::op::{AxisRange, Extent, Reshape, Slice, Take, TieRule, TopK};

use super::activation::power;
use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::indexed::gather_computed;
use super::node::Node;
use crate::tensor::Kind;

/// Indices of any shape take the place of the axis.
pub(super) fn import_gather<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.rank())?;
    let indices = importer.operand(node, 1)?;
    if indices.constant().is_none() {
        return gather_computed(node, importer, operand, indices, axis);
    }
    let Some(indices) = importer.known(node, 1, "the indices")? else {
        return inconsistent("number of inputs", 2, 1);
    };
    let extent = shape.extents()[axis];
    let positions = positions(&indices.numbers(), extent)?;
    let index_shape = indices.shape().extents().to_vec();
    if index_shape.len() == 1 {
        return importer.finish(node, Take { axis, positions }, &[operand]);
    }
    let taken = importer.step(node, "taken", Take { axis, positions }, &[operand])?;
    let mut extents: Vec<Extent> = (0..axis).map(Extent::Copy).collect();
    extents.extend(index_shape.into_iter().map(Extent::Fixed));
    extents.extend((axis + 1..shape.rank()).map(Extent::Copy));
    importer.finish(node, Reshape { extents }, &[taken])
}

/// Positions of an axis; negative ones count from the end.
fn positions(numbers: &[f64], extent: usize) -> Result<Vec<usize>, Failure> {
    numbers
        .iter()
        .map(|&number| {
            let index = if number < 0.0 { number + extent as f64 } else { number };
            if index >= 0.0 && index < extent as f64 {
                return Ok(index as usize);
            }
            inconsistent("index", format!("−{extent} to {}", extent.saturating_sub(1)), number)
        })
        .collect()
}

/// Starts, ends, axes and steps are attributes before operator set 10, and inputs since.
pub(super) fn import_slice<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let (starts, ends, axes, steps) = if node.version < 10 {
        let list = |name| Ok::<_, Failure>(node.ints(name)?.map(<[i64]>::to_vec));
        (list("starts")?, list("ends")?, list("axes")?, None)
    } else {
        (
            importer.whole_numbers(node, 1, "the starts")?,
            importer.whole_numbers(node, 2, "the ends")?,
            importer.whole_numbers(node, 3, "the axes")?,
            importer.whole_numbers(node, 4, "the steps")?,
        )
    };
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return inconsistent("range", "starts and ends", "none");
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return inconsistent(
            "ranges",
            "as many starts as ends, axes and steps",
            format!("{}, {}, {} and {}", starts.len(), ends.len(), axes.len(), steps.len()),
        );
    }
    let mut ranges = Vec::new();
    for (index, &number) in axes.iter().enumerate() {
        let axis = axis(number, shape.rank())?;
        let extent = shape.extents()[axis];
        importer.ask_for(extent as u64)?;
        let positions = stepped(starts[index], ends[index], steps[index], extent)?;
        match steps[index] {
            1 => {
                let (start, size) = (positions.first().copied().unwrap_or(0), positions.len());
                if size != extent {
                    ranges.push(AxisRange { axis, start, size });
                }
            }
            _ => {
                operand =
                    importer.step(node, &format!("axis{axis}"), Take { axis, positions }, &[operand])?;
            }
        }
    }
    importer.finish(node, Slice { ranges }, &[operand])
}

/// The positions from a start up to, not including, an end; both are clamped to the axis.
fn stepped(start: i64, end: i64, step: i64, extent: usize) -> Result<Vec<usize>, Failure> {
    let length = extent as i64;
    let from_end = |number: i64| if number < 0 { number.saturating_add(length) } else { number };
    match step {
        0 => inconsistent("step", "a number other than 0", 0),
        1.. => {
            let (start, end) = (from_end(start).clamp(0, length), from_end(end).clamp(0, length));
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            Ok((start as usize..(end as usize).max(start as usize)).step_by(step).collect())
        }
        _ => {
            let (start, end) = (from_end(start).clamp(-1, length - 1), from_end(end).clamp(-1, length - 1));
            let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            Ok((end + 1..=start).rev().step_by(step).map(|position| position as usize).collect())
        }
    }
}

/// ArgMax and ArgMin.
pub(super) fn import_arg<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.rank())?;
    let last = node.flag("select_last_index")?;
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    if node.operator() == "ArgMin" {
        operand = importer.step(node, "negated", power(1.0, -1.0, 0.0), &[operand])?;
    }
    let ties = if last { TieRule::LargerPosition } else { TieRule::SmallerPosition };
    let positions = position_of_largest(node, importer, axis, ties, operand)?;
    let kept = (0..shape.rank()).filter(|&other| keep || other != axis).map(Extent::Copy);
    importer.finish_as(node, Reshape { extents: kept.collect() }, &[positions], Kind::Integer)
}

/// The position of the largest element along an axis, which keeps one place.
pub(super) fn position_of_largest<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    axis: usize,
    ties: TieRule,
    operand: Operand,
) -> Result<Operand, Failure> {
    Ok(top(node, importer, TopK { axis, k: 1, ties }, operand)?.1)
}

/// The largest elements and their positions, as steps.
fn top<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    op: TopK,
    operand: Operand,
) -> Result<(Operand, Operand), Failure> {
    match importer.steps(node, &["largest", "positions"], op, &[operand])?.as_slice() {
        [values, positions] => Ok((values.clone(), positions.clone())),
        _ => unsupported("the largest elements without their positions"),
    }
}

pub(super) fn import_top_k<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let axis = axis(node.int("axis")?.unwrap_or(-1), shape.rank())?;
    let (largest, _) = (node.int("largest")?.unwrap_or(1) != 0, node.int("sorted")?);
    let k = match node.int("k")? {
        Some(k) => Some(vec![k]),
        None => importer.whole_numbers(node, 1, "the number of elements")?,
    };
    let k = match k.as_deref() {
        Some(&[k]) => usize::try_from(k).unwrap_or(0),
        other => return inconsistent("k", "one number", format!("{other:?}")),
    };
    let negate = power(1.0, -1.0, 0.0);
    if !largest {
        operand = importer.step(node, "negated", negate, &[operand])?;
    }
    let kind = operand.kind;
    let (values, positions) = top(node, importer, TopK { axis, k, ties: TieRule::SmallerPosition }, operand)?;
    let unchanged = deepinside_graph::op::Identity;
    if largest {
        importer.finish_output(node, 0, unchanged.clone(), &[values], kind)?;
    } else {
        importer.finish_output(node, 0, negate, &[values], kind)?;
    }
    importer.finish_output(node, 1, unchanged, &[positions], Kind::Integer)
}
