//! Convolutions whose filters the network computes (dynamic convolution, Yang et al. 2019; correlation with
//! another picture): windows as columns, and a product. Both factors get gradients.

use deepinside_graph::op::{
    Col2Im, Convolution, Deconvolution, Eltwise, Extent, Im2Col, MatrixProduct, Reshape, Transpose,
};
use deepinside_graph::{Op, Shape};

use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;

/// A convolution, or its adjoint; a bias may be computed by itself.
pub(super) fn finish<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    op: impl Into<Op>,
    mut operands: Vec<Operand>,
) -> Result<(), Failure> {
    let op = op.into();
    if operands[1..].iter().all(|operand| operand.constant().is_some()) {
        return importer.finish(node, op, &operands);
    }
    let shapes: Vec<Shape> = operands.iter().map(|operand| importer.shape(operand)).collect();
    let result = op.operator().infer(&shapes.iter().collect::<Vec<_>>())?.remove(0);
    let bias = (operands.len() > 2).then(|| operands.remove(2));
    let sums = match (&op, operands[1].constant()) {
        (_, Some(_)) => importer.step(node, "without_bias", op, &operands)?,
        (Op::Convolution(op), None) => correlate(node, importer, op, &operands, &result)?,
        (Op::Deconvolution(op), None) => spread(node, importer, op, &operands, &result)?,
        (other, None) => return inconsistent("operator", "a convolution", other.operator().name()),
    };
    let Some(bias) = bias else { return importer.finish(node, deepinside_graph::op::Identity, &[sums]) };
    let extents = std::iter::once(Extent::Copy(0)).chain(vec![Extent::Fixed(1); result.rank() - 2]).collect();
    let bias = importer.step(node, "bias", Reshape { extents }, &[bias])?;
    importer.finish(node, Eltwise::Sum { coefficients: vec![1.0, 1.0] }, &[sums, bias])
}

/// Fixed extents behind the number of pictures.
fn per_picture(extents: &[usize]) -> Reshape {
    let fixed = extents.iter().map(|&extent| Extent::Fixed(extent));
    Reshape { extents: std::iter::once(Extent::Copy(0)).chain(fixed).collect() }
}

fn fixed(extents: &[usize]) -> Reshape {
    Reshape { extents: extents.iter().map(|&extent| Extent::Fixed(extent)).collect() }
}

/// Filters times windows.
fn correlate<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    op: &Convolution,
    operands: &[Operand],
    result: &Shape,
) -> Result<Operand, Failure> {
    let filters = importer.shape(&operands[1]);
    let (outputs, rows) = (filters.extents()[0], filters.product(1..filters.rank()));
    let places = result.product(2..result.rank());
    let windows = Im2Col { window: op.window.clone() };
    let windows = importer.step(node, "windows", windows, &operands[..1])?;
    let windows = importer.step(node, "grouped", per_picture(&[op.groups, rows, places]), &[windows])?;
    let matrices = fixed(&[op.groups, outputs / op.groups, rows]);
    let matrices = importer.step(node, "filters", matrices, &operands[1..2])?;
    let products = importer.step(node, "products", MatrixProduct, &[matrices, windows])?;
    importer.step(node, "sums", per_picture(&result.extents()[1..]), &[products])
}

/// Filters, the other way round, times elements, added up where their windows stand.
fn spread<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    op: &Deconvolution,
    operands: &[Operand],
    result: &Shape,
) -> Result<Operand, Failure> {
    let [input, filters] = [0, 1].map(|operand| importer.shape(&operands[operand]));
    let (channels, columns) = (filters.extents()[0], filters.product(1..filters.rank()));
    let places = input.product(2..input.rank());
    let elements = per_picture(&[op.groups, channels / op.groups, places]);
    let elements = importer.step(node, "grouped", elements, &operands[..1])?;
    let matrices = fixed(&[op.groups, channels / op.groups, columns]);
    let matrices = importer.step(node, "filters", matrices, &operands[1..2])?;
    let turned = Transpose { permutation: vec![0, 2, 1] };
    let turned = importer.step(node, "filters_turned", turned, &[matrices])?;
    let products = importer.step(node, "products", MatrixProduct, &[turned, elements])?;
    let windows = per_picture(&[op.groups * columns, places]);
    let windows = importer.step(node, "windows", windows, &[products])?;
    let added = Col2Im { window: op.window.clone(), spatial: result.extents()[2..].to_vec() };
    importer.step(node, "sums", added, &[windows])
}
