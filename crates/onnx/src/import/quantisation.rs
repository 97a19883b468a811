//! Quantised numbers: weights are turned back while the file is read, activations are rounded as the file says, and
//! pass their gradient as if they were not.

use deepinside_graph::op::{
    Binary, Eltwise, Extent, Identity, Reduce, Reduction, Reshape, Rounding, Take, Unary,
};

use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use crate::tensor::Kind;

/// Scale and zero point, shaped to meet the tensor.
fn parameters<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    extents: &[usize],
) -> Result<(Operand, Option<Operand>), Failure> {
    let rank = extents.len();
    let block = node.int("block_size")?.unwrap_or(0);
    let number = node.int("axis")?.unwrap_or(1);
    let shaped = |importer: &mut Importer<'a>, step: &str, operand: Operand| {
        let shape = importer.shape(&operand);
        match shape.rank() {
            0 => Ok(operand),
            1 if shape.elements() == 1 => {
                importer.step(node, step, Reshape { extents: Vec::new() }, &[operand])
            }
            own if block != 0 => {
                let axis = axis(number, rank)?;
                let (Ok(block), true) = (usize::try_from(block), own == rank) else {
                    return inconsistent("scale", format!("{rank} axes and blocks of at least 1"), shape);
                };
                // Every position of a block has the block's.
                let positions = (0..extents[axis]).map(|position| position / block).collect();
                importer.step(node, step, Take { axis, positions }, &[operand])
            }
            1 => {
                // A single number has no axis that could be told.
                let axis = axis(number, rank)?;
                let mut extents = vec![Extent::Copy(0)];
                extents.extend(vec![Extent::Fixed(1); rank - 1 - axis]);
                importer.step(node, step, Reshape { extents }, &[operand])
            }
            _ => inconsistent("scale", "one number, or one for each position of an axis", shape),
        }
    };
    let scale = importer.operand(node, 1)?;
    let scale = shaped(importer, "scale", scale)?;
    let zero = match importer.optional(node, 2)? {
        Some(zero) => Some(shaped(importer, "zero_point", zero)?),
        None => None,
    };
    Ok((scale, zero))
}

/// `(x − zero point) · scale`.
pub(super) fn import_dequantise<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let (scale, zero) = parameters(node, importer, shape.extents())?;
    let difference = match zero {
        Some(zero) => {
            let op = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
            importer.step(node, "difference", op, &[operand, zero])?
        }
        None => operand,
    };
    importer.finish_as(node, Eltwise::Product, &[difference, scale], Kind::Float)
}

/// `round(x / scale) + zero point` inside of the type's bounds. The rounding of activations passes the gradient straight
/// through; what is cut off at the bounds passes none.
pub(super) fn import_quantise<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rounding = match operand.constant() {
        Some(_) => Unary::Round(Rounding::Nearest),
        None => {
            importer.warn(
                "activations are quantised; gradients pass their rounding as if it were not there (straight-through)",
            );
            Unary::StraightThrough
        }
    };
    // The type of the result is that of the zero point, or named; unsigned bytes without either.
    let named = node.int("output_dtype")?.and_then(|data_type| i32::try_from(data_type).ok());
    let of_zero = node.input(2).and_then(|name| importer.data_type(name));
    if let (Some(zero), None, None) = (importer.optional(node, 2)?, of_zero, named)
        && zero.constant().is_some()
    {
        return unsupported(
            "a zero point whose type the file does not say; store it as a tensor of its type",
        );
    }
    let narrow = match of_zero.or(named.filter(|data_type| *data_type != 0)) {
        Some(3) => (-128.0, 127.0),
        Some(4) => (0.0, 65535.0),
        Some(5) => (-32768.0, 32767.0),
        Some(21) => (0.0, 15.0),
        Some(22) => (-8.0, 7.0),
        Some(2) | None => (0.0, 255.0),
        Some(other) => return unsupported(format!("quantisation to data type {other}")),
    };
    let _ = (node.int("saturate")?, node.int("precision")?);
    let shape = importer.shape(&operand);
    let (scale, zero) = parameters(node, importer, shape.extents())?;
    quantise(node, importer, [operand, scale], zero, rounding, narrow)
}

/// The first result: `round(x / scale) + zero point` inside of bounds.
fn quantise<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    [operand, scale]: [Operand; 2],
    zero: Option<Operand>,
    rounding: Unary,
    (minimum, maximum): (f32, f32),
) -> Result<(), Failure> {
    let quotient = importer.step(node, "quotient", Binary::Divide, &[operand, scale])?;
    let mut rounded = importer.step(node, "rounded", rounding, &[quotient])?;
    if let Some(zero) = zero {
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        rounded = importer.step(node, "shifted", sum, &[rounded, zero])?;
    }
    importer.finish_output(node, 0, Unary::Clip { minimum, maximum }, &[rounded], Kind::Integer)
}

/// Bytes whose scale and zero point follow from the smallest and largest number, which pass no gradient.
pub(super) fn import_dynamic<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    /// A range of nothing but zeros has any scale.
    const SMALLEST: f64 = 1e-30;
    const LEVELS: f64 = 255.0;
    let operand = importer.operand(node, 0)?;
    importer.warn(
        "activations are quantised; gradients pass their rounding as if it were not there (straight-through)",
    );
    let axes: Vec<usize> = (0..importer.shape(&operand).rank()).collect();
    let numbers = importer.step(node, "numbers", Unary::Detach, std::slice::from_ref(&operand))?;
    let nothing = importer.constant(node, "nothing", &[], || vec![0.0])?;
    let bound = |importer: &mut Importer<'a>, step: &str, reduction: Reduction, with: Eltwise| {
        let reduce = Reduce { reduction, axes: axes.clone(), keep_axes: false, coefficient: 1.0 };
        let found = importer.step(node, &format!("{step}_number"), reduce, std::slice::from_ref(&numbers))?;
        importer.step(node, step, with, &[found, nothing.clone()])
    };
    let low = bound(importer, "low", Reduction::Minimum, Eltwise::Minimum)?;
    let high = bound(importer, "high", Reduction::Maximum, Eltwise::Maximum)?;
    let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
    let range = importer.step(node, "range", difference, &[high, low.clone()])?;
    let smallest = importer.constant(node, "smallest", &[], || vec![SMALLEST])?;
    let range = importer.step(node, "positive_range", Eltwise::Maximum, &[range, smallest])?;
    let levels = importer.constant(node, "levels", &[], || vec![LEVELS])?;
    let scale = importer.step(node, "scale", Binary::Divide, &[range, levels])?;
    let zero = importer.step(node, "steps", Binary::Divide, &[low, scale.clone()])?;
    let negative = Unary::Power { power: 1.0, scale: -1.0, shift: 0.0 };
    let zero = importer.step(node, "negative", negative, &[zero])?;
    let zero = importer.step(node, "whole", Unary::Round(Rounding::Nearest), &[zero])?;
    let bounds = (0.0, LEVELS as f32);
    let clip = Unary::Clip { minimum: bounds.0, maximum: bounds.1 };
    let zero = importer.step(node, "zero_point", clip, &[zero])?.with_kind(Kind::Integer);
    importer.finish_output(node, 1, Identity, std::slice::from_ref(&scale), Kind::Float)?;
    importer.finish_output(node, 2, Identity, std::slice::from_ref(&zero), Kind::Integer)?;
    quantise(node, importer, [operand, scale], Some(zero), Unary::StraightThrough, bounds)
}
