//! Quantised numbers: weights are turned back while the file is read, activations are rounded as the file says, and
//! pass their gradient as if they were not.

use deepinside_graph::op::{Binary, Eltwise, Extent, Reshape, Rounding, Unary};

use super::axes::axis;
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;
use crate::tensor::Kind;

/// Scale and zero point, shaped to meet the tensor.
fn parameters<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    rank: usize,
) -> Result<(Operand, Option<Operand>), Failure> {
    if node.int("block_size")?.unwrap_or(0) != 0 {
        return unsupported("quantisation in blocks");
    }
    let number = node.int("axis")?.unwrap_or(1);
    let shaped = |importer: &mut Importer<'a>, step: &str, operand: Operand| {
        let shape = importer.shape(&operand);
        match shape.rank() {
            0 => Ok(operand),
            1 if shape.elements() == 1 => {
                importer.step(node, step, Reshape { extents: Vec::new() }, &[operand])
            }
            1 => {
                let behind = rank - 1 - axis(number, rank)?;
                let mut extents = vec![Extent::Copy(0)];
                extents.extend(vec![Extent::Fixed(1); behind]);
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
    let rank = importer.shape(&operand).rank();
    let (scale, zero) = parameters(node, importer, rank)?;
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
    let rank = importer.shape(&operand).rank();
    // The type of the result is that of the zero point, unsigned bytes without one.
    let narrow = match node.input(2).and_then(|name| importer.data_type(name)) {
        Some(3) => (-128.0, 127.0),
        Some(4) => (0.0, 65535.0),
        Some(5) => (-32768.0, 32767.0),
        Some(2) | None => (0.0, 255.0),
        Some(other) => return unsupported(format!("quantisation to data type {other}")),
    };
    if node.int("output_dtype")?.unwrap_or(0) != 0 {
        return unsupported("quantisation to a type named by output_dtype");
    }
    let _ = node.int("saturate")?;
    let (scale, zero) = parameters(node, importer, rank)?;
    let quotient = importer.step(node, "quotient", Binary::Divide, &[operand, scale])?;
    let mut rounded = importer.step(node, "rounded", rounding, &[quotient])?;
    if let Some(zero) = zero {
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        rounded = importer.step(node, "shifted", sum, &[rounded, zero])?;
    }
    let clip = Unary::Clip { minimum: narrow.0, maximum: narrow.1 };
    importer.finish_as(node, clip, &[rounded], Kind::Integer)
}
