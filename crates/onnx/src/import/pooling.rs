//! Pooling.

use deepinside_graph::Shape;
use deepinside_graph::op::{
    AverageDivisor, Convolution, Eltwise, Extent, Pad, Pool, PoolKind, Reduce, Reduction, Reshape, Rounding,
    ScatterElements, ScatterReduction, Unary, Window,
};

use super::activation::power;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;
use super::window::window;
use crate::tensor::Kind;

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
    let by_columns = node.flag("storage_order")?;
    let (operand, window, output) = slide(node, importer)?;
    let kind = PoolKind::Maximum;
    if node.output(1).is_none() {
        return importer.finish(node, Pool { kind, window, output, with_positions: false }, &[operand]);
    }
    let shape = importer.shape(&operand);
    let pool = Pool { kind, window, output, with_positions: true };
    let unchanged = deepinside_graph::op::Identity;
    let pooled = importer.steps(node, &["maxima", "places"], pool, std::slice::from_ref(&operand))?;
    let [maxima, mut places] = <[Operand; 2]>::try_from(pooled).map_err(|_| none())?;
    importer.finish_output(node, 0, unchanged.clone(), &[maxima], operand.kind)?;
    // Places are counted in each channel, ONNX's positions in the whole tensor.
    let plane = shape.product(2..shape.rank());
    if let (true, &[_, _, height, width]) = (by_columns, shape.extents()) {
        let quotient =
            importer.step(node, "quotient", power(1.0, 1.0 / width as f32, 0.0), &[places.clone()])?;
        // Half an element off the whole numbers, so that rounding errors change nothing.
        let shifted = power(1.0, 1.0, 0.5 / width as f32);
        let quotient = importer.step(node, "quotient_inside", shifted, &[quotient])?;
        let row = importer.step(node, "row", Unary::Round(Rounding::Down), &[quotient])?;
        let scaled = Eltwise::Sum { coefficients: vec![1.0, -(width as f32)] };
        let column = importer.step(node, "column", scaled, &[places, row.clone()])?;
        let turned = Eltwise::Sum { coefficients: vec![1.0, height as f32] };
        places = importer.step(node, "turned", turned, &[row, column])?;
    }
    let (pictures, channels) = (shape.extents()[0], shape.extents()[1]);
    let first = || (0..pictures * channels).map(|channel| (channel * plane) as f64).collect();
    let extents = [&[pictures, channels][..], &vec![1; shape.rank() - 2]].concat();
    let first = importer.constant(node, "channels", &extents, first)?;
    let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
    importer.finish_output(node, 1, sum, &[places, first], Kind::Integer)
}

/// An operator without the results that it has.
fn none() -> Failure {
    Failure::Unsupported("maxima without their places".to_owned())
}

/// Puts elements where the maxima of a pooling stood, among zeros.
pub(super) fn import_unpool<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (operand, places) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let shape = importer.shape(&operand);
    if shape.rank() < 3 {
        return inconsistent("input", "a batch, a channel and spatial axes", shape);
    }
    let axes = shape.rank() - 2;
    let (kernel, stride) = (node.extents("kernel_shape", axes, 1)?, node.extents("strides", axes, 1)?);
    let pads = node.extents("pads", 2 * axes, 0)?;
    let numbers = [&kernel, &stride, &pads];
    if numbers.iter().any(|list| list.iter().any(|&number| number > 1 << 24)) {
        return inconsistent("window", "small numbers", format!("{kernel:?}, {stride:?} and {pads:?}"));
    }
    let mut extents = shape.extents()[..2].to_vec();
    for axis in 0..axes {
        let full = (shape.extents()[2 + axis].max(1) - 1) * stride[axis] + kernel[axis];
        let Some(extent) = full.checked_sub(pads[axis] + pads[axes + axis]).filter(|&extent| extent > 0)
        else {
            return inconsistent("padding", format!("less than {full}"), format!("{pads:?}"));
        };
        extents.push(extent);
    }
    let whole = Shape::new(extents)?;
    let zeros = || vec![0.0; whole.elements()];
    let zeros = importer.constant(node, "zeros", &[whole.elements()], zeros)?;
    let flat = || Reshape::flatten(shape.rank(), 0, shape.rank());
    let elements = importer.step(node, "elements", flat(), std::slice::from_ref(&operand))?;
    let places = importer.step(node, "places", flat(), &[places])?;
    let scatter = ScatterElements { axis: 0, reduction: ScatterReduction::Replace };
    let scattered = importer.step(node, "scattered", scatter, &[zeros, places, elements])?;
    let extents = whole.extents().iter().map(|&extent| Extent::Fixed(extent)).collect();
    let unpooled = importer.step(node, "unpooled", Reshape { extents }, &[scattered])?;
    let mut behind = vec![0; shape.rank()];
    if let Some(wanted) = importer.whole_numbers(node, 2, "the shape of the result")? {
        // Rows and columns without any maximum behind the others.
        let missing: Option<Vec<usize>> = wanted
            .iter()
            .zip(whole.extents())
            .map(|(&wanted, &own)| usize::try_from(wanted).ok()?.checked_sub(own))
            .collect();
        match missing {
            Some(missing) if missing.len() == shape.rank() => behind = missing,
            _ => {
                return inconsistent(
                    "shape of the result",
                    format!("at least {whole}"),
                    format!("{wanted:?}"),
                );
            }
        }
    }
    importer.finish_as(
        node,
        Pad { before: vec![0; shape.rank()], behind, value: 0.0 },
        &[unpooled],
        operand.kind,
    )
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
    let ones = || vec![1.0; extents.iter().product()];
    let ones = importer.constant(node, "ones", &extents, ones)?;
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
