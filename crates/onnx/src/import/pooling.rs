//! Pooling.

use deepinside_graph::op::{AverageDivisor, Convolution, Pool, PoolKind, Reduce, Reduction, Unary, Window};

use super::activation::power;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use super::window::window;

/// The window and the output extents; with `ceil_mode` windows may overhang, but not start behind the input.
fn slide(node: &Node<'_>, importer: &Importer<'_>) -> Result<(Operand, Window, Vec<usize>), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    if shape.rank() < 3 {
        return inconsistent("input", "a batch, a channel and spatial axes", shape);
    }
    let spatial = &shape.extents()[2..];
    let kernel = node.extents("kernel_shape", spatial.len(), 0)?;
    let window = window(node, kernel, spatial)?;
    let ceil = node.flag("ceil_mode")?;
    let mut output = Vec::new();
    for axis in 0..window.axes() {
        let (stride, reach) = (window.stride[axis], window.reach(axis));
        let padded =
            spatial[axis].saturating_add(window.pad_begin[axis]).saturating_add(window.pad_end[axis]);
        let Some(room) = padded.checked_sub(reach) else {
            return inconsistent("window", format!("at most the padded extent {padded}"), reach);
        };
        let mut extent = if ceil { room.div_ceil(stride) + 1 } else { room / stride + 1 };
        if (extent - 1) * stride >= spatial[axis] + window.pad_begin[axis] {
            extent -= 1;
        }
        output.push(extent);
    }
    Ok((operand, window, output))
}

pub(super) fn import_maximum<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let _ = node.int("storage_order")?;
    if node.output(1).is_some() {
        return unsupported("the positions of the maxima, its second result, are not computed");
    }
    let (operand, window, output) = slide(node, importer)?;
    importer.finish(node, Pool { kind: PoolKind::Maximum, window, output, with_positions: false }, &[operand])
}

pub(super) fn import_average<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let divisor = match node.flag("count_include_pad")? {
        true => AverageDivisor::PaddedInput,
        false => AverageDivisor::Input,
    };
    let (operand, window, output) = slide(node, importer)?;
    let kind = PoolKind::Average(divisor);
    importer.finish(node, Pool { kind, window, output, with_positions: false }, &[operand])
}

/// `(Σ |x|ᵖ)^(1/p)` over windows: the sum is a convolution of each channel with ones.
pub(super) fn import_lp<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let exponent = exponent(node)?;
    let (operand, window, output) = slide(node, importer)?;
    let shape = importer.shape(&operand);
    let channels = shape.extents()[1];
    let mut window = window;
    for axis in 0..window.axes() {
        // Where the last windows overhang, there is nothing to sum.
        let covered = (output[axis] - 1) * window.stride[axis] + window.reach(axis);
        let padded = shape.extents()[2 + axis] + window.pad_begin[axis] + window.pad_end[axis];
        window.pad_end[axis] += covered.saturating_sub(padded);
    }
    let mut extents = vec![channels, 1];
    extents.extend(&window.kernel);
    let taps = extents.iter().product();
    let ones = importer.constant(node, "ones", &extents, vec![1.0; taps])?;
    let powers = powers(node, importer, operand, exponent)?;
    let convolution = Convolution { window, groups: channels };
    let sum = importer.step(node, "sum", convolution, &[powers, ones])?;
    importer.finish(node, power(1.0 / exponent, 1.0, 0.0), &[sum])
}

fn exponent(node: &Node<'_>) -> Result<f32, Failure> {
    match node.int("p")?.unwrap_or(2) {
        exponent @ 1..=64 => Ok(exponent as f32),
        other => inconsistent("attribute 'p'", "1 to 64", other),
    }
}

/// `|x|ᵖ`.
fn powers<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
    exponent: f32,
) -> Result<Operand, Failure> {
    let magnitudes = importer.step(node, "magnitudes", Unary::Absolute, &[operand])?;
    if exponent == 1.0 {
        return Ok(magnitudes);
    }
    importer.step(node, "powers", power(exponent, 1.0, 0.0), &[magnitudes])
}

/// The pooling of whole channels.
fn global<'a>(node: &Node<'a>, importer: &mut Importer<'a>, kind: PoolKind) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    if shape.rank() < 3 {
        return inconsistent("input", "a batch, a channel and spatial axes", shape);
    }
    let kernel = shape.extents()[2..].to_vec();
    let output = vec![1; kernel.len()];
    importer.finish(
        node,
        Pool { kind, window: Window::new(kernel), output, with_positions: false },
        &[operand],
    )
}

pub(super) fn import_global_average<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    global(node, importer, PoolKind::Average(AverageDivisor::Input))
}

pub(super) fn import_global_maximum<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    global(node, importer, PoolKind::Maximum)
}

pub(super) fn import_global_lp<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let exponent = exponent(node)?;
    let operand = importer.operand(node, 0)?;
    let axes = (2..importer.shape(&operand).rank()).collect();
    let powers = powers(node, importer, operand, exponent)?;
    let sum = Reduce { reduction: Reduction::Sum, axes, keep_axes: true, coefficient: 1.0 };
    let sum = importer.step(node, "sum", sum, &[powers])?;
    importer.finish(node, power(1.0 / exponent, 1.0, 0.0), &[sum])
}
