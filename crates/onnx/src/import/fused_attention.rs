//! Attention as ONNX Runtime's transformer optimiser writes it (`com.microsoft`): with the projections of queries, keys and
//! values inside, or with the biases of theirs.

use deepinside_graph::op::{
    AxisRange, Concat, Eltwise, Extent, InnerProduct, MatrixProduct, Reshape, Slice, Split,
};

use super::activation::power;
use super::attention::{Scores, attend, heads, join_heads, split_heads};
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

/// What is added to scores that a mask leaves out, where the file does not say.
const FILTER: f32 = -10_000.0;

/// Attention: pictures × places × width, projected to queries, keys and values by one matrix.
pub(super) fn import_attention<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (input, weights) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let count = required_heads(node)?;
    let shape = importer.shape(&weights);
    let &[_, width] = shape.extents() else { return inconsistent("weights", "a matrix", shape) };
    let sizes = match node.ints("qkv_hidden_sizes")?.unwrap_or(&[]) {
        [] if width.is_multiple_of(3) => vec![width / 3; 3],
        sizes => sizes.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect(),
    };
    if sizes.len() != 3 || sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) != Some(width) {
        return inconsistent(
            "attribute 'qkv_hidden_sizes'",
            format!("three that add up to {width}"),
            format!("{sizes:?}"),
        );
    }
    if node.flag("do_rotary")? {
        return unsupported("rotary embeddings inside of attention (do_rotary = 1)");
    }
    let _ = (node.int("rotary_embedding_dim")?, node.int("past_present_share_buffer")?);
    let bias = importer.optional(node, 2)?;
    let product = match weights.constant().is_some() && input.constant().is_none() {
        true => {
            importer.step(node, "projected", InnerProduct { axis: 2, transposed: true }, &[input, weights])?
        }
        false => importer.step(node, "projected", MatrixProduct, &[input, weights])?,
    };
    let projected = added(node, importer, "projected_biased", product, bias)?;
    let steps = ["all_queries", "all_keys", "all_values"];
    let parts = importer.steps(node, &steps, Split { axis: 2, sizes }, &[projected])?;
    let mut parts = per_head(node, importer, parts, count)?;
    let past = importer.optional(node, 4)?;
    let before = match past {
        None => 0,
        Some(past) => {
            // Keys and values of earlier places, in one tensor.
            let before = importer.shape(&past).extent(3).unwrap_or(0);
            for (index, step) in ["past_keys", "past_values"].into_iter().enumerate() {
                let range = Slice { ranges: vec![AxisRange { axis: 0, start: index, size: 1 }] };
                let own = importer.step(node, &format!("{step}_part"), range, std::slice::from_ref(&past))?;
                let extents = (1..5).map(Extent::Copy).collect();
                let own = importer.step(node, step, Reshape { extents }, &[own])?;
                let part = &mut parts[1 + index];
                *part = importer.step(
                    node,
                    &format!("{step}_joined"),
                    Concat { axis: 2 },
                    &[own, part.clone()],
                )?;
            }
            before
        }
    };
    if node.output(1).is_some() {
        return unsupported("its keys and values as a result ('present'), which belong to generating text");
    }
    let mask = mask(node, importer, importer.optional(node, 3)?, importer.optional(node, 5)?, &parts)?;
    finish(node, importer, parts, mask, before)
}

/// MultiHeadAttention: queries, keys and values, each projected before, or packed in one tensor.
pub(super) fn import_multi_head<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let count = required_heads(node)?;
    let first = importer.operand(node, 0)?;
    let given = [importer.optional(node, 1)?, importer.optional(node, 2)?];
    for index in [6, 7] {
        if importer.optional(node, index)?.is_some() {
            return unsupported(
                "keys and values of earlier places ('past'), which belong to generating text",
            );
        }
    }
    if (1..node.outputs()).any(|index| node.output(index).is_some()) {
        return unsupported("further results ('present', scores), which belong to generating text");
    }
    let mut parts = match given {
        [None, None] => unpacked(node, importer, first, &["queries_part", "keys_part", "values_part"])?,
        [Some(packed), None] => {
            let mut parts = vec![first];
            parts.extend(unpacked(node, importer, packed, &["keys_part", "values_part"])?);
            parts
        }
        [Some(keys), Some(values)] => vec![first, keys, values],
        [None, Some(_)] => return inconsistent("inputs", "keys where there are values", "values alone"),
    };
    if let Some(bias) = importer.optional(node, 3)? {
        let width = |part: &Operand| match *importer.shape(part).extents() {
            [_, _, width] => width,
            [_, heads, _, size] => heads * size,
            _ => 0,
        };
        let sizes = parts.iter().map(width).collect();
        let biases = importer.steps(
            node,
            &["queries_bias", "keys_bias", "values_bias"],
            Split { axis: 0, sizes },
            &[bias],
        )?;
        for ((part, bias), step) in
            parts.iter_mut().zip(biases).zip(["biased_queries", "biased_keys", "biased_values"])
        {
            // Keys and values of a cross attention come with their heads apart, and without a bias to add.
            if importer.shape(part).rank() == 3 {
                *part = added(node, importer, step, part.clone(), Some(bias))?;
            }
        }
    }
    let parts = per_head(node, importer, parts, count)?;
    let mask = mask(node, importer, importer.optional(node, 4)?, importer.optional(node, 5)?, &parts)?;
    finish(node, importer, parts, mask, 0)
}

/// The parts of pictures × places × heads × parts × size, each as pictures × places × width.
fn unpacked<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    packed: Operand,
    steps: &[&str],
) -> Result<Vec<Operand>, Failure> {
    let shape = importer.shape(&packed);
    if shape.rank() != 5 || shape.extent(3) != Some(steps.len()) {
        return inconsistent(
            "packed input",
            format!("pictures, places, heads, {} and a size", steps.len()),
            shape,
        );
    }
    let sizes = vec![1; steps.len()];
    let parts = importer.steps(node, steps, Split { axis: 3, sizes }, &[packed])?;
    let flat = Reshape { extents: vec![Extent::Copy(0), Extent::Copy(1), Extent::Merge(2, 5)] };
    let named = parts.into_iter().zip(steps);
    named.map(|(part, step)| importer.step(node, &format!("{step}_flat"), flat.clone(), &[part])).collect()
}

fn required_heads(node: &Node<'_>) -> Result<usize, Failure> {
    match heads(node, "num_heads")? {
        Some(count) => Ok(count),
        None => inconsistent("attributes", "num_heads", "none"),
    }
}

/// The sum with a bias; what is given where there is none.
fn added<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    operand: Operand,
    bias: Option<Operand>,
) -> Result<Operand, Failure> {
    match bias {
        None => Ok(operand),
        Some(bias) => {
            importer.step(node, step, Eltwise::Sum { coefficients: vec![1.0, 1.0] }, &[operand, bias])
        }
    }
}

/// Queries, keys and values as pictures × heads × places × size.
fn per_head<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    parts: Vec<Operand>,
    count: usize,
) -> Result<[Operand; 3], Failure> {
    let mut split = Vec::new();
    for (part, step) in parts.into_iter().zip(["queries", "keys", "values"]) {
        split.push(match importer.shape(&part).rank() {
            4 => part,
            _ => split_heads(node, importer, step, part, count)?,
        });
    }
    match <[Operand; 3]>::try_from(split) {
        Ok(parts) => Ok(parts),
        Err(parts) => inconsistent("inputs", "queries, keys and values", parts.len()),
    }
}

/// What is added to the scores: a bias, and a large negative number where a mask of ones and zeros leaves keys out.
fn mask<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    mask: Option<Operand>,
    bias: Option<Operand>,
    parts: &[Operand; 3],
) -> Result<Option<Operand>, Failure> {
    let filter = node.float("mask_filter_value")?.unwrap_or(FILTER);
    let Some(mask) = mask else { return Ok(bias) };
    let shape = importer.shape(&mask);
    let keys = importer.shape(&parts[1]).extent(2);
    let extents = match *shape.extents() {
        [_, places] if Some(places) == keys => {
            vec![Extent::Copy(0), Extent::Fixed(1), Extent::Fixed(1), Extent::Copy(1)]
        }
        [_, _, places] if Some(places) == keys => {
            vec![Extent::Copy(0), Extent::Fixed(1), Extent::Copy(1), Extent::Copy(2)]
        }
        _ => {
            return unsupported(format!(
                "a mask of {shape}; one number for each key is read, also per query"
            ));
        }
    };
    let mask = importer.step(node, "mask", Reshape { extents }, &[mask])?;
    let left_out = importer.step(node, "left_out", power(1.0, -filter, filter), &[mask])?;
    added(node, importer, "bias", left_out, bias).map(Some)
}

fn finish<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    parts: [Operand; 3],
    mask: Option<Operand>,
    before: usize,
) -> Result<(), Failure> {
    let settings = Scores {
        // 0 stands for the usual one.
        scale: node.float("scale")?.filter(|scale| *scale != 0.0),
        mask,
        causal: node.flag("unidirectional")?.then_some(before),
        lengths: None,
        cap: None,
    };
    let attended = attend(node, importer, parts, settings)?;
    join_heads(node, importer, attended.result)
}
