//! Images sampled at computed places, and windows added up.

use deepinside_graph::op::{
    Col2Im, CumulativeSum, Extent, GridSample, Interpolation, MatrixProduct, Outside, Pad, Reshape, Slice,
    Transpose, Window,
};

use super::axes::{axis, sorted_axes};
use super::failure::{Failure, inconsistent};
use super::importer::Importer;
use super::node::Node;

pub(super) fn import_grid_sample<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = [importer.operand(node, 0)?, importer.operand(node, 1)?];
    let interpolation = match node.text("mode")?.as_deref() {
        None | Some("linear" | "bilinear") => Interpolation::Linear,
        Some("nearest") => Interpolation::Nearest,
        Some("cubic" | "bicubic") => Interpolation::Cubic,
        Some(other) => return inconsistent("attribute 'mode'", "linear, nearest or cubic", other),
    };
    let outside = match node.text("padding_mode")?.as_deref() {
        None | Some("zeros") => Outside::Zeros,
        Some("border") => Outside::Border,
        Some("reflection") => Outside::Reflection,
        Some(other) => {
            return inconsistent("attribute 'padding_mode'", "zeros, border or reflection", other);
        }
    };
    let align_corners = node.flag("align_corners")?;
    importer.finish(node, GridSample { interpolation, outside, align_corners }, &operands)
}

/// The places of an image of some size, moved by a matrix for each picture: `θ · (x, y, 1)`.
pub(super) fn import_affine_grid<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let theta = importer.operand(node, 0)?;
    let size = importer.whole_numbers(node, 1, "the size")?.unwrap_or_default();
    let spatial: Option<Vec<usize>> = size
        .iter()
        .skip(2)
        .map(|&extent| usize::try_from(extent).ok().filter(|&extent| extent > 0))
        .collect();
    let (Some(spatial), 4 | 5) = (spatial, size.len()) else {
        return inconsistent("size", "4 or 5 extents of at least 1", format!("{size:?}"));
    };
    let aligned = node.flag("align_corners")?;
    let axes = spatial.len();
    let shape = importer.shape(&theta);
    if shape.extents().len() != 3 || shape.extents()[1..] != [axes, axes + 1] {
        return inconsistent("matrices", format!("a batch of {axes}×{}", axes + 1), shape);
    }
    let extents = [&spatial[..], &[axes + 1]].concat();
    let count = deepinside_graph::Shape::new(extents)?.elements();
    let coordinate = |at: usize, extent: usize| match (aligned, extent) {
        (true, 1) => 0.0,
        (true, extent) => 2.0 * at as f64 / (extent as f64 - 1.0) - 1.0,
        (false, extent) => (2.0 * at as f64 + 1.0) / extent as f64 - 1.0,
    };
    let numbers = || {
        let mut numbers = Vec::with_capacity(count);
        for mut place in 0..count / (axes + 1) {
            // The innermost axis first.
            for &extent in spatial.iter().rev() {
                numbers.push(coordinate(place % extent, extent));
                place /= extent;
            }
            numbers.push(1.0);
        }
        numbers
    };
    let places = importer.constant(node, "places", &[count / (axes + 1), axes + 1], numbers)?;
    let turned = importer.step(node, "turned", Transpose { permutation: vec![0, 2, 1] }, &[theta])?;
    let grid = importer.step(node, "grid", MatrixProduct, &[places, turned])?;
    let fixed = spatial.iter().chain([&axes]).map(|&extent| Extent::Fixed(extent));
    let extents = std::iter::once(Extent::Copy(0)).chain(fixed).collect();
    importer.finish(node, Reshape { extents }, &[grid])
}

pub(super) fn import_columns_to_image<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let extents = |index: usize, what: &str| -> Result<Vec<usize>, Failure> {
        let numbers = importer.whole_numbers(node, index, what)?.unwrap_or_default();
        let extents: Option<Vec<usize>> =
            numbers.iter().map(|&extent| usize::try_from(extent).ok().filter(|&extent| extent > 0)).collect();
        match extents {
            Some(extents) if !extents.is_empty() => Ok(extents),
            _ => inconsistent(what, "extents of at least 1", format!("{numbers:?}")),
        }
    };
    let (spatial, kernel) = (extents(1, "the image's shape")?, extents(2, "the block's shape")?);
    let axes = spatial.len();
    let pads = node.extents("pads", 2 * axes, 0)?;
    let window = Window {
        stride: node.extents("strides", axes, 1)?,
        dilation: node.extents("dilations", axes, 1)?,
        pad_begin: pads[..axes].to_vec(),
        pad_end: pads[axes..].to_vec(),
        kernel,
    };
    importer.finish(node, Col2Im { window, spatial }, &[operand])
}

pub(super) fn import_cumulative_sum<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    let axis = match importer.whole_numbers(node, 1, "the axis")?.as_deref() {
        Some(&[number]) => axis(number, rank)?,
        other => return inconsistent("axis", "one number", format!("{other:?}")),
    };
    let (exclusive, reverse) = (node.flag("exclusive")?, node.flag("reverse")?);
    importer.finish(node, CumulativeSum { axis, exclusive, reverse }, &[operand])
}

/// The middle of each axis, or the axis with zeros on both sides.
pub(super) fn import_center_crop_pad<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let wanted = importer.whole_numbers(node, 1, "the shape")?.unwrap_or_default();
    let axes: Vec<usize> = match node.ints("axes")? {
        Some(numbers) => {
            numbers.iter().map(|&number| axis(number, shape.rank())).collect::<Result<_, _>>()?
        }
        None => (0..shape.rank()).collect(),
    };
    sorted_axes(&axes.iter().map(|&axis| axis as i64).collect::<Vec<_>>(), shape.rank())?;
    if wanted.len() != axes.len() {
        return inconsistent("shape", format!("{} extents", axes.len()), format!("{wanted:?}"));
    }
    let mut ranges = Vec::new();
    let mut pad = Pad { before: vec![0; shape.rank()], behind: vec![0; shape.rank()], value: 0.0 };
    for (&axis, &wanted) in axes.iter().zip(&wanted) {
        let extent = shape.extents()[axis];
        let Ok(wanted) = usize::try_from(wanted) else {
            return inconsistent("shape", "extents of 0 or more", wanted);
        };
        if wanted < extent {
            let start = (extent - wanted) / 2;
            ranges.push(deepinside_graph::op::AxisRange { axis, start, size: wanted });
        } else {
            pad.before[axis] = (wanted - extent) / 2;
            pad.behind[axis] = wanted - extent - pad.before[axis];
        }
    }
    let cropped = importer.step(node, "cropped", Slice { ranges }, &[operand])?;
    importer.finish(node, pad, &[cropped])
}
