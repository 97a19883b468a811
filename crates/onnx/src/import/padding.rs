//! Borders.

use deepinside_graph::op::{AxisRange, Pad, Slice, Take};

use super::axes::axis;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;

/// The largest border on one side; no image comes near it.
const LARGEST: u64 = 1 << 16;

/// Borders of a number, of the nearest element (`edge`), mirrored (`reflect`) or wrapped around (`wrap`). Negative ones cut
/// away.
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    let mode = node.text("mode")?.unwrap_or_else(|| "constant".to_owned());
    let (numbers, value, axes) = if node.version < 11 {
        (
            node.ints(if node.version < 2 { "paddings" } else { "pads" })?.map(<[i64]>::to_vec),
            node.float("value")?.unwrap_or(0.0),
            None,
        )
    } else {
        let value = match importer.known(node, 2, "the value of the border")? {
            Some(constant) => constant.numbers().first().copied().unwrap_or(0.0) as f32,
            None => 0.0,
        };
        (
            importer.whole_numbers(node, 1, "the widths of the border")?,
            value,
            importer.whole_numbers(node, 3, "the axes of the border")?,
        )
    };
    let numbers = numbers.unwrap_or_default();
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    if numbers.len() != 2 * axes.len() || numbers.iter().any(|&number| number.unsigned_abs() > LARGEST) {
        return inconsistent("border", format!("{} small numbers", 2 * axes.len()), format!("{numbers:?}"));
    }
    let mut borders = vec![(0, 0); rank];
    for (index, &number) in axes.iter().enumerate() {
        borders[axis(number, rank)?] = (numbers[index], numbers[axes.len() + index]);
    }
    match mode.as_str() {
        "constant" => constant(node, importer, operand, &borders, value),
        "edge" | "reflect" | "wrap" => repeating(node, importer, operand, &borders, &mode),
        _ => inconsistent("attribute 'mode'", "constant, edge, reflect or wrap", mode),
    }
}

fn constant<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
    borders: &[(i64, i64)],
    value: f32,
) -> Result<(), Failure> {
    let shape = importer.shape(&operand);
    let width = |number: i64| usize::try_from(number.max(0)).unwrap_or(0);
    let mut operand = operand;
    if borders.iter().any(|&(before, behind)| before < 0 || behind < 0) {
        let mut ranges = Vec::new();
        for (axis, &(before, behind)) in borders.iter().enumerate() {
            let (start, cut) = (width(-before), width(-before) + width(-behind));
            let extent = shape.extents()[axis];
            let Some(size) = extent.checked_sub(cut) else {
                return inconsistent(
                    format!("border of axis {axis}"),
                    format!("at most {extent} cut away"),
                    cut,
                );
            };
            ranges.push(AxisRange { axis, start, size });
        }
        operand = importer.step(node, "cut", Slice { ranges }, &[operand])?;
    }
    let pad = Pad {
        before: borders.iter().map(|border| width(border.0)).collect(),
        behind: borders.iter().map(|border| width(border.1)).collect(),
        value,
    };
    importer.finish(node, pad, &[operand])
}

fn repeating<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    mut operand: Operand,
    borders: &[(i64, i64)],
    mode: &str,
) -> Result<(), Failure> {
    let shape = importer.shape(&operand);
    for (axis, &(before, behind)) in borders.iter().enumerate() {
        if (before, behind) == (0, 0) {
            continue;
        }
        let extent = shape.extents()[axis] as i64;
        if extent == 0 {
            return inconsistent(format!("extent of axis {axis}"), "at least 1", 0);
        }
        let position = |place: i64| match mode {
            "edge" => place.clamp(0, extent - 1),
            "wrap" => place.rem_euclid(extent),
            _ => {
                // There and back again without repeating the ends.
                let period = (2 * (extent - 1)).max(1);
                let phase = place.rem_euclid(period);
                phase.min(period - phase)
            }
        };
        let positions = (-before..extent + behind).map(|place| position(place) as usize).collect();
        operand = importer.step(node, &format!("axis{axis}"), Take { axis, positions }, &[operand])?;
    }
    importer.finish(node, deepinside_graph::op::Identity, &[operand])
}
