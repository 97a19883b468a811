//! Matrix products.

use deepinside_graph::op::{Eltwise, Extent, InnerProduct, MatrixProduct, Reshape, Transpose, Unary};

use super::activation::power;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;

/// `α · A′ · B′ + β · C`; a fully connected layer where `B` is constant.
pub(super) fn import_gemm<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (alpha, beta) = (node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0));
    if node.version < 7 {
        let _ = node.flag("broadcast")?;
    }
    let transposed = [node.flag("transA")?, node.flag("transB")?];
    let mut left = importer.operand(node, 0)?;
    let mut right = importer.operand(node, 1)?;
    let bias = importer.optional(node, 2)?.filter(|_| beta != 0.0);
    for operand in [&left, &right] {
        let shape = importer.shape(operand);
        if shape.rank() != 2 {
            return inconsistent("input", "a matrix", shape);
        }
    }
    let exchange = Transpose { permutation: vec![1, 0] };
    if transposed[0] {
        left = importer.step(node, "left", exchange.clone(), &[left])?;
    }
    if alpha != 1.0 && right.constant().is_some() {
        right = importer.step(node, "weights", power(1.0, alpha, 0.0), &[right])?;
    }
    if right.constant().is_none() || left.constant().is_some() {
        if transposed[1] {
            right = importer.step(node, "right", exchange, &[right])?;
        }
        let mut product = importer.step(node, "product", MatrixProduct, &[left, right.clone()])?;
        if alpha != 1.0 && right.constant().is_none() {
            product = importer.step(node, "scaled", power(1.0, alpha, 0.0), &[product])?;
        }
        return add(node, importer, product, bias, beta);
    }
    let outputs = importer.shape(&right).extents()[usize::from(!transposed[1])];
    let product = InnerProduct { axis: 1, transposed: !transposed[1] };
    let bias = match bias {
        // One number per result, whatever its axes: part of the layer.
        Some(bias) if bias.constant().is_some() && per_output(importer, &bias, outputs) => {
            let flat = Reshape { extents: vec![Extent::Fixed(outputs)] };
            let mut flat = importer.step(node, "bias", flat, &[bias])?;
            if beta != 1.0 {
                flat = importer.step(node, "scaled_bias", power(1.0, beta, 0.0), &[flat])?;
            }
            return importer.finish(node, product, &[left, right, flat]);
        }
        bias => bias,
    };
    let product = importer.step(node, "product", product, &[left, right])?;
    add(node, importer, product, bias, beta)
}

/// Whether a tensor broadcasts to rows of `outputs` different numbers.
fn per_output(importer: &Importer<'_>, bias: &Operand, outputs: usize) -> bool {
    let shape = importer.shape(bias);
    shape.elements() == outputs && shape.extents().last() == Some(&outputs)
}

fn add<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    product: Operand,
    bias: Option<Operand>,
    beta: f32,
) -> Result<(), Failure> {
    match bias {
        Some(bias) => importer.finish(node, Eltwise::Sum { coefficients: vec![1.0, beta] }, &[product, bias]),
        None => importer.finish(node, deepinside_graph::op::Identity, &[product]),
    }
}

/// NumPy's matrix product: vectors count as matrices of one row or column.
pub(super) fn import_matrix_product<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (left, right) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    matrix_product(node, importer, left, right)
}

/// ONNX Runtime's product of matrices, either of them transposed, times a factor.
pub(super) fn import_fused_matrix_product<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let mut operands = [importer.operand(node, 0)?, importer.operand(node, 1)?];
    let transposed = [node.flag("transA")?, node.flag("transB")?];
    let rows_first = [node.flag("transBatchA")?, node.flag("transBatchB")?];
    for (index, operand) in operands.iter_mut().enumerate() {
        let rank = importer.shape(operand).rank();
        if rank < 2 {
            continue;
        }
        let mut permutation: Vec<usize> = (0..rank).collect();
        // The rows may stand before the batch.
        if rows_first[index] {
            permutation[..rank - 1].rotate_left(1);
        }
        if transposed[index] {
            permutation.swap(rank - 2, rank - 1);
        }
        if !permutation.is_sorted() {
            let step = ["left", "right"][index];
            *operand = importer.step(node, step, Transpose { permutation }, std::slice::from_ref(operand))?;
        }
    }
    let factor = node.float("alpha")?.unwrap_or(1.0);
    let [mut left, right] = operands;
    if factor != 1.0 {
        let scaled = Unary::Power { power: 1.0, scale: factor, shift: 0.0 };
        left = importer.step(node, "scaled", scaled, &[left])?;
    }
    matrix_product(node, importer, left, right)
}

fn matrix_product<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    left: Operand,
    right: Operand,
) -> Result<(), Failure> {
    let (left_rank, right_rank) = (importer.shape(&left).rank(), importer.shape(&right).rank());
    if left_rank == 0 || right_rank == 0 {
        return inconsistent("input", "at least one axis", "a scalar");
    }
    if left.constant().is_none() && right.constant().is_some() && right_rank == 2 {
        let product = InnerProduct { axis: left_rank - 1, transposed: true };
        return importer.finish(node, product, &[left, right]);
    }
    let as_matrix = |rank: usize, extent: usize, at: usize| {
        let mut extents = vec![Extent::Fixed(extent)];
        extents.insert(at, Extent::Fixed(1));
        (rank == 1).then_some(Reshape { extents })
    };
    let row = as_matrix(left_rank, importer.shape(&left).elements(), 0);
    let column = as_matrix(right_rank, importer.shape(&right).elements(), 1);
    if row.is_none() && column.is_none() {
        return importer.finish(node, MatrixProduct, &[left, right]);
    }
    let left = match row {
        Some(row) => importer.step(node, "row", row, &[left])?,
        None => left,
    };
    let right = match column {
        Some(column) => importer.step(node, "column", column, &[right])?,
        None => right,
    };
    let product = importer.step(node, "product", MatrixProduct, &[left, right])?;
    let rank = importer.shape(&product).rank();
    let kept = (0..rank)
        .filter(|&axis| !(axis == rank - 1 && right_rank == 1 || axis == rank - 2 && left_rank == 1));
    let extents = kept.map(Extent::Copy).collect();
    importer.finish(node, Reshape { extents }, &[product])
}
