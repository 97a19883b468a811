//! Another order of the axes.

use deepinside_graph::op::{Extent, Reshape, Transpose};

use super::failure::{Failure, inconsistent};
use super::importer::Importer;
use super::node::Node;

/// The axis that a number of the file means: negative ones count from the end.
pub(super) fn axis(number: i64, rank: usize) -> Result<usize, Failure> {
    let signed = rank as i64;
    match usize::try_from(if number < 0 { number.saturating_add(signed) } else { number }) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => inconsistent("axis", format!("{} to {}", -signed, signed - 1), number),
    }
}

/// Different axes, in increasing order.
pub(super) fn sorted_axes(numbers: &[i64], rank: usize) -> Result<Vec<usize>, Failure> {
    if numbers.len() > rank {
        return inconsistent("axes", format!("at most {rank}, each once"), numbers.len());
    }
    let mut axes = numbers.iter().map(|&number| axis(number, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return inconsistent("axes", "each axis once", format!("{numbers:?}"));
    }
    Ok(axes)
}

pub(super) fn import_transpose<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let rank = importer.shape(&operand).rank();
    let permutation = match node.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(list) => list.iter().map(|&number| axis(number, rank)).collect::<Result<_, _>>()?,
    };
    importer.finish(node, Transpose { permutation }, &[operand])
}

/// Height, width and block size of an image, checked.
fn blocks(node: &Node<'_>, importer: &Importer<'_>) -> Result<([usize; 4], usize), Failure> {
    let shape = importer.shape(&importer.operand(node, 0)?);
    let block = node.int("blocksize")?.and_then(|block| usize::try_from(block).ok());
    match (shape.extents(), block) {
        (&[n, c, h, w], Some(block @ 1..=1024)) => Ok(([n, c, h, w], block)),
        (_, Some(1..=1024)) => inconsistent("input", "a batch, a channel and two spatial axes", shape),
        _ => inconsistent("attribute 'blocksize'", "1 to 1024", format!("{block:?}")),
    }
}

/// A shape whose first extent, the number of pictures, stays what it is.
fn per_picture(extents: &[usize]) -> Reshape {
    let fixed = extents.iter().map(|&extent| Extent::Fixed(extent));
    Reshape { extents: std::iter::once(Extent::Copy(0)).chain(fixed).collect() }
}

pub(super) fn import_depth_to_space<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let ([_, channels, height, width], block) = blocks(node, importer)?;
    let area = block * block;
    if !channels.is_multiple_of(area) {
        return inconsistent("channels", format!("a multiple of {area}"), channels);
    }
    let (split, permutation) = match node.text("mode")?.as_deref() {
        None | Some("DCR") => ([block, block, channels / area, height, width], [0, 3, 4, 1, 5, 2]),
        Some("CRD") => ([channels / area, block, block, height, width], [0, 1, 4, 2, 5, 3]),
        Some(other) => return inconsistent("attribute 'mode'", "DCR or CRD", other),
    };
    let operand = importer.operand(node, 0)?;
    let split = importer.step(node, "split", per_picture(&split), &[operand])?;
    let moved = importer.step(node, "moved", Transpose { permutation: permutation.to_vec() }, &[split])?;
    importer.finish(node, per_picture(&[channels / area, height * block, width * block]), &[moved])
}

pub(super) fn import_space_to_depth<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let ([_, channels, height, width], block) = blocks(node, importer)?;
    if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
        return inconsistent("input", format!("multiples of {block}"), format!("{height}×{width}"));
    }
    let operand = importer.operand(node, 0)?;
    let split = per_picture(&[channels, height / block, block, width / block, block]);
    let split = importer.step(node, "split", split, &[operand])?;
    let permutation = vec![0, 3, 5, 1, 2, 4];
    let moved = importer.step(node, "moved", Transpose { permutation }, &[split])?;
    let joined = per_picture(&[channels * block * block, height / block, width / block]);
    importer.finish(node, joined, &[moved])
}
