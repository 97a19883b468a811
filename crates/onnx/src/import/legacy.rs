//! What operator sets before 7 wrote otherwise.

use deepinside_graph::op::{AxisRange, Eltwise, Extent, Reshape, Slice, Unary};

use super::axes::axis;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;

/// The second operand of a broadcasting operator. Before operator set 7 an attribute says with which axis of the first
/// operand its first axis is aligned; since, the last axes are.
pub(super) fn aligned<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    first: &Operand,
    second: Operand,
) -> Result<Operand, Failure> {
    if node.version >= 7 {
        return Ok(second);
    }
    let _ = node.flag("broadcast")?;
    let Some(number) = node.int("axis")? else { return Ok(second) };
    let (rank, own) = (importer.shape(first).rank(), importer.shape(&second).rank());
    let axis = axis(number, rank)?;
    let Some(behind) = rank.checked_sub(axis + own) else {
        return inconsistent("operands", format!("at most {} axes from axis {axis} on", rank - axis), own);
    };
    if behind == 0 {
        return Ok(second);
    }
    let extents = (0..own).map(Extent::Copy).chain(std::iter::repeat_n(Extent::Fixed(1), behind)).collect();
    importer.step(node, "aligned", Reshape { extents }, &[second])
}

/// `alpha · x + beta`, and `alpha · tanh(beta · x)`.
pub(super) fn import_scaled<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let number = |name: &'static str, usual: f32| Ok::<f32, Failure>(node.float(name)?.unwrap_or(usual));
    let (alpha, beta) =
        (number("alpha", 1.0)?, number("beta", if node.operator() == "Affine" { 0.0 } else { 1.0 })?);
    let scaled = |scale: f32, shift: f32| Unary::Power { power: 1.0, scale, shift };
    if node.operator() == "Affine" {
        return importer.finish(node, scaled(alpha, beta), &[operand]);
    }
    let argument = importer.step(node, "argument", scaled(beta, 0.0), &[operand])?;
    let tangent = importer.step(node, "tangent", Unary::Tanh, &[argument])?;
    importer.finish(node, scaled(alpha, 0.0), &[tangent])
}

/// A picture times a number, and one number more for each channel (of converters from Core ML).
pub(super) fn import_image_scaler<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let bias: Vec<f64> =
        node.floats("bias")?.unwrap_or_default().iter().map(|&number| f64::from(number)).collect();
    let channels = shape.extent(1).unwrap_or(0);
    if bias.len() != channels || shape.rank() != 4 {
        return inconsistent(
            "bias",
            format!("{channels} numbers, for the channels of a picture"),
            bias.len(),
        );
    }
    let scale = Unary::Power { power: 1.0, scale: node.float("scale")?.unwrap_or(1.0), shift: 0.0 };
    let scaled = importer.step(node, "scaled", scale, &[operand])?;
    let bias = importer.constant(node, "bias", &[channels, 1, 1], || bias)?;
    importer.finish(node, Eltwise::Sum { coefficients: vec![1.0; 2] }, &[scaled, bias])
}

/// A picture without a border (left, top, right, bottom), or a part of a given size behind the left and the upper one.
pub(super) fn import_crop<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let whole = |numbers: Option<&[i64]>| {
        numbers.map(|list| list.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>())
    };
    let (border, size) = (whole(node.ints("border")?), whole(node.ints("scale")?));
    let (&[_, _, height, width], Some(Some(border))) = (shape.extents(), border) else {
        return inconsistent("border", "four numbers from 0 for a picture", "others");
    };
    let &[left, top, right, bottom] = &border[..] else {
        return inconsistent("border", "four numbers", border.len());
    };
    let [rows, columns] = match size.flatten().as_deref() {
        Some(&[rows, columns]) => [rows, columns],
        _ => [
            height.saturating_sub(top.saturating_add(bottom)),
            width.saturating_sub(left.saturating_add(right)),
        ],
    };
    let ranges = vec![
        AxisRange { axis: 2, start: top, size: rows },
        AxisRange { axis: 3, start: left, size: columns },
    ];
    importer.finish(node, Slice { ranges }, &[operand])
}

/// ONNX's number of a type that is named.
pub(super) fn data_type(name: &str) -> i64 {
    match name {
        "FLOAT" => 1,
        "UINT8" => 2,
        "INT8" => 3,
        "UINT16" => 4,
        "INT16" => 5,
        "INT32" => 6,
        "INT64" => 7,
        "BOOL" => 9,
        "FLOAT16" => 10,
        "DOUBLE" => 11,
        "UINT32" => 12,
        "UINT64" => 13,
        _ => 0,
    }
}
