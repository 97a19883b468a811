//! Elementwise functions of several operands, with broadcasting.

use deepinside_graph::op::{Binary, Eltwise, Identity, Rounding, Select, Unary};

use super::activation::{power, truth};
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::legacy;
use super::node::Node;
use crate::tensor::Kind;

/// Two operands, which broadcast.
fn pair<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<[Operand; 2], Failure> {
    let (left, right) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let right = legacy::aligned(node, importer, &left, right)?;
    Ok([left, right])
}

/// Add, Sub, Sum and Mean.
pub(super) fn import_sum<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operands = importer.operands(node)?;
    if let ("Add" | "Sub", [left, right]) = (node.operator(), &operands[..]) {
        let right = legacy::aligned(node, importer, left, right.clone())?;
        operands[1] = right;
    }
    let coefficients = match node.operator() {
        "Sub" => vec![1.0, -1.0],
        "Mean" => vec![1.0 / operands.len() as f32; operands.len()],
        _ => vec![1.0; operands.len()],
    };
    if operands.len() != coefficients.len() {
        return inconsistent("number of inputs", coefficients.len(), operands.len());
    }
    match operands.as_slice() {
        [only] => importer.finish(node, Identity, std::slice::from_ref(only)),
        [left, right] => {
            if let Some(shift) = lone_number(importer, left, right) {
                let affine = power(1.0, coefficients[0], coefficients[1] * shift);
                return importer.finish(node, affine, std::slice::from_ref(left));
            }
            if let Some(shift) = lone_number(importer, right, left) {
                let affine = power(1.0, coefficients[1], coefficients[0] * shift);
                return importer.finish(node, affine, std::slice::from_ref(right));
            }
            importer.finish(node, Eltwise::Sum { coefficients }, &operands)
        }
        _ => importer.finish(node, Eltwise::Sum { coefficients }, &operands),
    }
}

/// The number of `constant`, where it is one known number that leaves the shape of a computed `operand` as it is.
fn lone_number(importer: &Importer<'_>, operand: &Operand, constant: &Operand) -> Option<f32> {
    let fits = importer.shape(constant).rank() <= importer.shape(operand).rank();
    let number = constant.scalar().filter(|_| fits && operand.constant().is_none())?;
    Some(number as f32)
}

pub(super) fn import_product<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = pair(node, importer)?;
    {
        let [left, right] = &operands;
        for (operand, constant) in [(left, right), (right, left)] {
            if let Some(scale) = lone_number(importer, operand, constant) {
                return importer.finish(node, power(1.0, scale, 0.0), std::slice::from_ref(operand));
            }
        }
    }
    importer.finish(node, Eltwise::Product, &operands)
}

/// Division by constants is multiplication by their reciprocals; whole numbers are cut off towards zero.
pub(super) fn import_division<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let [left, right] = pair(node, importer)?;
    if left.kind != Kind::Float {
        let quotient = importer.step(node, "quotient", Binary::Divide, &[left, right])?;
        return importer.finish(node, Unary::Round(Rounding::TowardsZero), &[quotient]);
    }
    if left.constant().is_none() && right.constant().is_some() {
        if let Some(divisor) = lone_number(importer, &left, &right) {
            return importer.finish(node, power(1.0, 1.0 / divisor, 0.0), &[left]);
        }
        let one = importer.constant(node, "one", &[], || vec![1.0])?;
        let reciprocal = importer.step(node, "reciprocal", Binary::Divide, &[one, right])?;
        return importer.finish(node, Eltwise::Product, &[left, reciprocal]);
    }
    importer.finish(node, Binary::Divide, &[left, right])
}

/// `a − ⌊a/b⌋ · b`, whose sign is that of the divisor; with `fmod` that of the dividend.
pub(super) fn import_remainder<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (left, right) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let rounding = if node.flag("fmod")? { Rounding::TowardsZero } else { Rounding::Down };
    remainder(node, importer, [left, right], rounding)
}

/// `a − round(a/b) · b`.
pub(super) fn remainder<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    [left, right]: [Operand; 2],
    rounding: Rounding,
) -> Result<(), Failure> {
    let quotient = importer.step(node, "quotient", Binary::Divide, &[left.clone(), right.clone()])?;
    let whole = importer.step(node, "whole", Unary::Round(rounding), &[quotient])?;
    let product = importer.step(node, "product", Eltwise::Product, &[whole, right])?;
    importer.finish(node, Eltwise::Sum { coefficients: vec![1.0, -1.0] }, &[left, product])
}

pub(super) fn import_power<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let [base, exponent] = pair(node, importer)?;
    match lone_number(importer, &base, &exponent) {
        Some(number) => importer.finish(node, power(number, 1.0, 0.0), &[base]),
        None => importer.finish(node, Binary::Power, &[base, exponent]),
    }
}

/// Max and Min.
pub(super) fn import_extreme<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = importer.operands(node)?;
    let function = if node.operator() == "Max" { Eltwise::Maximum } else { Eltwise::Minimum };
    importer.finish(node, function, &operands)
}

pub(super) fn import_comparison<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = pair(node, importer)?;
    let function = match node.operator() {
        "Equal" => Binary::Equal,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "Less" => Binary::Less,
        _ => Binary::LessOrEqual,
    };
    importer.finish_as(node, function, &operands, Kind::Boolean)
}

pub(super) fn import_and<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = pair(node, importer)?;
    importer.finish(node, Eltwise::Product, &operands)
}

pub(super) fn import_or<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = pair(node, importer)?;
    importer.finish(node, Eltwise::Maximum, &operands)
}

/// True where one of two truth values is.
pub(super) fn import_exclusive_or<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = pair(node, importer)?;
    let same = importer.step(node, "same", Binary::Equal, &operands)?;
    importer.finish_as(node, power(1.0, -1.0, 1.0), &[same], Kind::Boolean)
}

pub(super) fn import_where<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = importer.operands(node)?;
    let [condition, first, second] = operands.as_slice() else {
        return inconsistent("number of inputs", 3, operands.len());
    };
    let kind = first.kind;
    let condition = truth(node, importer, condition.clone())?;
    importer.finish_as(node, Select, &[condition, first.clone(), second.clone()], kind)
}
