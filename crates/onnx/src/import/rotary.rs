//! Rotary position embeddings (Su et al. 2021), written out.

use deepinside_graph::op::{AxisRange, Concat, Eltwise, Extent, GatherNd, Reshape, Slice, Take};

use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

/// RotaryEmbedding of ONNX itself: the caches are inputs 1 and 2, the positions input 3.
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let caches = [importer.operand(node, 1)?, importer.operand(node, 2)?];
    let positions = importer.optional(node, 3)?;
    rotate(node, importer, caches, positions)
}

/// RotaryEmbedding of ONNX Runtime: the positions come before the caches, and one number is the position of the first place.
pub(super) fn import_microsoft<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let caches = [importer.operand(node, 2)?, importer.operand(node, 3)?];
    if node.flag("is_packed_batching")? || node.float("scale")?.is_some_and(|scale| scale != 1.0) {
        return unsupported("packed batches, or a scale");
    }
    let mut positions = importer.operand(node, 1)?;
    let shape = importer.shape(&importer.operand(node, 0)?);
    let (pictures, places) =
        (shape.extent(0).unwrap_or(0), shape.extent(shape.rank().saturating_sub(2)).unwrap_or(0));
    if importer.shape(&positions).rank() < 2 {
        let Some(first) = positions.scalar() else {
            return unsupported(
                "the first position must be constant, but depends on an input of the network",
            );
        };
        let numbers = || (0..pictures).flat_map(|_| (0..places).map(|place| first + place as f64)).collect();
        positions = importer.constant(node, "positions", &[pictures, places], numbers)?;
    }
    rotate(node, importer, caches, Some(positions))
}

/// Rotates pairs of numbers of each head by angles whose cosines and sines stand in caches.
pub(super) fn rotate<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    caches: [Operand; 2],
    positions: Option<Operand>,
) -> Result<(), Failure> {
    let mut operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let heads = usize::try_from(node.int("num_heads")?.unwrap_or(0)).unwrap_or(0);
    // Pictures, heads and places in either order; the size of a head is last.
    let head_axis = match *shape.extents() {
        [_, _, _, _] => 1,
        [_, _, width] if heads > 0 && width.is_multiple_of(heads) => {
            let extents =
                [Extent::Copy(0), Extent::Copy(1), Extent::Fixed(heads), Extent::Fixed(width / heads)];
            operand = importer.step(node, "split", Reshape { extents: extents.to_vec() }, &[operand])?;
            2
        }
        _ => {
            return inconsistent("input", "pictures, heads, places and a size, or num_heads heads", shape);
        }
    };
    let size = importer.shape(&operand).extents()[3];
    let width = match usize::try_from(node.int("rotary_embedding_dim")?.unwrap_or(0)) {
        Ok(0) => size,
        Ok(width) if width <= size => width,
        _ => return inconsistent("attribute 'rotary_embedding_dim'", format!("up to {size}"), "more"),
    };
    if !width.is_multiple_of(2) {
        return inconsistent("rotated size", "an even number", width);
    }
    let mut angles = Vec::new();
    for (cache, step) in caches.into_iter().zip(["cosines", "sines"]) {
        angles.push(angle(node, importer, step, cache, positions.clone(), head_axis)?);
    }
    let range = |start: usize, size: usize| Slice { ranges: vec![AxisRange { axis: 3, start, size }] };
    let rotated = importer.step(node, "rotated", range(0, width), std::slice::from_ref(&operand))?;
    let interleaved = node.flag("interleaved")?;
    let half = width / 2;
    let mut halves = Vec::new();
    for (index, step) in ["first", "second"].into_iter().enumerate() {
        let own = std::slice::from_ref(&rotated);
        halves.push(if interleaved {
            let positions = (0..half).map(|pair| 2 * pair + index).collect();
            importer.step(node, step, Take { axis: 3, positions }, own)?
        } else {
            importer.step(node, step, range(index * half, half), own)?
        });
    }
    let mut turned = Vec::new();
    // cos · a − sin · b and sin · a + cos · b.
    for (index, step) in ["real", "imaginary"].into_iter().enumerate() {
        let mut terms = Vec::new();
        for (part, half) in halves.iter().enumerate() {
            let angle = angles[usize::from(index != part)].clone();
            let name = format!("{step}_{part}");
            terms.push(importer.step(node, &name, Eltwise::Product, &[half.clone(), angle])?);
        }
        let coefficients = vec![1.0, if index == 0 { -1.0 } else { 1.0 }];
        turned.push(importer.step(node, step, Eltwise::Sum { coefficients }, &terms)?);
    }
    let mut joined = if interleaved {
        let pairs = [Extent::Copy(0), Extent::Copy(1), Extent::Copy(2), Extent::Copy(3), Extent::Fixed(1)];
        let mut columns = Vec::new();
        for (part, step) in turned.into_iter().zip(["real_column", "imaginary_column"]) {
            columns.push(importer.step(node, step, Reshape { extents: pairs.to_vec() }, &[part])?);
        }
        let joined = importer.step(node, "pairs", Concat { axis: 4 }, &columns)?;
        importer.step(node, "joined", Reshape::flatten(5, 3, 5), &[joined])?
    } else {
        importer.step(node, "joined", Concat { axis: 3 }, &turned)?
    };
    if width < size {
        let rest = importer.step(node, "rest", range(width, size - width), &[operand])?;
        joined = importer.step(node, "whole", Concat { axis: 3 }, &[joined, rest])?;
    }
    let extents = match head_axis {
        1 => (0..4).map(Extent::Copy).collect(),
        _ => vec![Extent::Copy(0), Extent::Copy(1), Extent::Merge(2, 4)],
    };
    importer.finish(node, Reshape { extents }, &[joined])
}

/// A cache at the places' positions, with an axis for the heads.
fn angle<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    mut cache: Operand,
    positions: Option<Operand>,
    head_axis: usize,
) -> Result<Operand, Failure> {
    if let Some(positions) = positions {
        let rank = importer.shape(&positions).rank();
        let rows = (0..rank).map(Extent::Copy).chain([Extent::Fixed(1)]).collect();
        let rows = importer.step(node, &format!("{step}_rows"), Reshape { extents: rows }, &[positions])?;
        let taken = GatherNd { batch_axes: 0 };
        cache = importer.step(node, &format!("{step}_taken"), taken, &[cache, rows])?;
    }
    let shape = importer.shape(&cache);
    if shape.rank() != 3 {
        return inconsistent("cache", "a row for each place of each picture", shape);
    }
    let mut extents: Vec<Extent> = (0..3).map(Extent::Copy).collect();
    extents.insert(head_axis, Extent::Fixed(1));
    importer.step(node, step, Reshape { extents }, &[cache])
}
