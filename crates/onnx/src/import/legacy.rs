//! What operator sets before 7 wrote otherwise.

use deepinside_graph::op::{Extent, Reshape};

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
