//! Joining and cutting along an axis.

use deepinside_graph::op::{Concat, Split};

use super::axes::axis;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;

pub(super) fn import_concat<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut operands = importer.operands(node)?;
    let rank = importer.shape(&operands[0]).rank();
    let axis = axis(node.int("axis")?.unwrap_or(1), rank)?;
    // What a slice left nothing of adds nothing, as what a rotation of whole tokens leaves as it is.
    let is_empty = |operand: &Operand| importer.shape(operand).extents().get(axis) == Some(&0);
    if !operands.iter().all(is_empty) {
        operands.retain(|operand| !is_empty(operand));
    }
    importer.finish(node, Concat { axis }, &operands)
}

/// The sizes are an attribute before operator set 13, an input since; without them all parts are equal, but for the last,
/// which may be smaller.
pub(super) fn import_split<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.rank())?;
    let extent = shape.extents()[axis];
    let sizes = match node.ints("split")? {
        Some(sizes) => Some(sizes.to_vec()),
        None => importer.whole_numbers(node, 1, "the sizes of the parts")?,
    };
    let parts = match node.int("num_outputs")? {
        Some(parts) => usize::try_from(parts).unwrap_or(0),
        None => node.outputs(),
    };
    let sizes: Vec<usize> = match sizes {
        Some(sizes) => {
            let checked: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
            match checked {
                Some(checked) if checked.len() == node.outputs() => checked,
                _ => {
                    return inconsistent(
                        "sizes of the parts",
                        format!("{} numbers of 0 or more", node.outputs()),
                        format!("{sizes:?}"),
                    );
                }
            }
        }
        None if parts == 0 || parts != node.outputs() => {
            return inconsistent("number of parts", node.outputs(), parts);
        }
        None => {
            let size = extent.div_ceil(parts);
            (0..parts).map(|part| size.min(extent.saturating_sub(part * size))).collect()
        }
    };
    let count = sizes.len();
    importer.finish_all(node, Split { axis, sizes }, &[operand], count).map(drop)
}
