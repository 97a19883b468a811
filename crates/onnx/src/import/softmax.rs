//! Softmax and its logarithm.

use deepinside_graph::Op;
use deepinside_graph::op::{Extent, LogSoftmax, Reshape, Softmax};

use super::axes::axis;
use super::failure::Failure;
use super::importer::Importer;
use super::node::Node;

/// Before operator set 13 all axes from `axis` on are normalised together.
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let function = |axis| match node.operator() {
        "LogSoftmax" => Op::from(LogSoftmax { axis }),
        _ => Op::from(Softmax { axis }),
    };
    let flattens = node.version < 13;
    let axis = axis(node.int("axis")?.unwrap_or(if flattens { 1 } else { -1 }), shape.rank())?;
    if !flattens || shape.product(axis + 1..shape.rank()) == 1 {
        return importer.finish(node, function(axis), &[operand]);
    }
    let flat = importer.step(node, "flat", Reshape::flatten(shape.rank(), axis, shape.rank()), &[operand])?;
    let normalised = importer.step(node, "normalised", function(axis), &[flat])?;
    let extents = (0..axis).map(Extent::Copy);
    let extents =
        extents.chain(shape.extents()[axis..].iter().map(|&extent| Extent::Fixed(extent))).collect();
    importer.finish(node, Reshape { extents }, &[normalised])
}
