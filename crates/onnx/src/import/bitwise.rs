//! Functions of the bits of whole numbers. What the network computes is in single precision, which holds 24 of them.

use deepinside_graph::op::{Binary, Eltwise, Rounding, Unary};

use super::activation::power;
use super::arithmetic;
use super::failure::{Failure, unsupported};
use super::importer::Importer;
use super::node::Node;
use crate::tensor::{Kind, bits};

/// BitwiseAnd, BitwiseOr and BitwiseXor.
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = [importer.operand(node, 0)?, importer.operand(node, 1)?];
    let known = operands.iter().all(|operand| operand.constant().is_some());
    let width = type_bits(node, importer).map(|(width, _)| width);
    if !known && operands[0].kind != Kind::Boolean && width.is_none_or(|width| width > 16.0) {
        return unsupported(
            "the bits of computed numbers that may have more than 16; cast them to 16 bits before",
        );
    }
    note_type(node, importer);
    let function = match node.operator() {
        "BitwiseAnd" => Binary::BitwiseAnd,
        "BitwiseOr" => Binary::BitwiseOr,
        _ => Binary::BitwiseXor,
    };
    importer.finish(node, function, &operands)
}

/// `−1 − x`; of unsigned numbers the largest less `x`.
pub(super) fn import_not<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let largest = match (operand.kind, type_bits(node, importer)) {
        (Kind::Boolean, _) => 1.0,
        (_, Some((width, false))) => width.exp2() - 1.0,
        (_, Some((_, true))) => -1.0,
        (_, None) => {
            return unsupported("the bits of numbers whose type the file does not say; cast them before");
        }
    };
    note_type(node, importer);
    importer.finish(node, power(1.0, -1.0, largest as f32), &[operand])
}

/// Multiplied with a power of two, of which what exceeds the type is lost, or divided by it.
pub(super) fn import_shift<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let [operand, places] = [importer.operand(node, 0)?, importer.operand(node, 1)?];
    let two = importer.constant(node, "two", &[], || vec![2.0])?;
    let factor = importer.step(node, "factor", Binary::Power, &[two, places])?;
    let width = type_bits(node, importer);
    note_type(node, importer);
    match node.text("direction")?.as_deref() {
        Some("RIGHT") => {
            let quotient = importer.step(node, "quotient", Binary::Divide, &[operand, factor])?;
            importer.finish_as(node, Unary::Round(Rounding::Down), &[quotient], Kind::Integer)
        }
        Some("LEFT") => {
            let Some((width, false)) = width else {
                return unsupported(
                    "a shift to the left of numbers whose type the file does not say; cast them before",
                );
            };
            let shifted = importer.step(node, "shifted", Eltwise::Product, &[operand, factor])?;
            let limit = importer.constant(node, "limit", &[], || vec![width.exp2()])?;
            arithmetic::remainder(node, importer, [shifted, limit], Rounding::Down)
        }
        _ => super::failure::inconsistent("attribute 'direction'", "LEFT or RIGHT", "another"),
    }
}

/// How many bits the first operand's numbers have, and whether one of them is the sign.
fn type_bits(node: &Node<'_>, importer: &Importer<'_>) -> Option<(f64, bool)> {
    node.input(0).and_then(|name| importer.data_type(name)).and_then(bits)
}

/// The result has the type of the first operand.
fn note_type<'a>(node: &Node<'a>, importer: &mut Importer<'a>) {
    if let Some(data_type) = node.input(0).and_then(|name| importer.data_type(name)) {
        importer.note_data_type(node, data_type);
    }
}
