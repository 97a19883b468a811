//! Attention, written out as products, a softmax and sums (Vaswani et al. 2017): methods look at what lies
//! between, and plans may join it.

use deepinside_graph::op::{
    Binary, Concat, Eltwise, Extent, Identity, MatrixProduct, Pad, Reshape, Select, Softmax, Take, Transpose,
    Unary,
};

use super::activation::power;
use super::failure::{Failure, inconsistent};
use super::importer::{Importer, Operand};
use super::node::Node;
use crate::tensor::Kind;

/// What is done to the scores of queries and keys before the softmax.
pub(super) struct Scores {
    /// What they are multiplied with; one over the root of a head's size where nothing is said.
    pub scale: Option<f32>,
    /// What is added, or where they count.
    pub mask: Option<Operand>,
    /// Whether a query sees no key behind its own place; the number of keys before the first query.
    pub causal: Option<usize>,
    /// How many keys of each picture count.
    pub lengths: Option<Operand>,
    /// The limit which a hyperbolic tangent keeps them below.
    pub cap: Option<f32>,
}

/// The stages of attention, each of pictures × heads × queries × keys, and what it gives, of pictures × heads ×
/// queries × a head's size.
pub(super) struct Attended {
    pub scores: Operand,
    pub masked: Operand,
    pub capped: Operand,
    pub attention: Operand,
    pub result: Operand,
}

/// Attention of queries, keys and values, of pictures × heads × places × a head's size each.
pub(super) fn attend<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    [queries, keys, values]: [Operand; 3],
    settings: Scores,
) -> Result<Attended, Failure> {
    let shapes = [&queries, &keys, &values].map(|operand| importer.shape(operand));
    let [&[_, heads, places, size], &[_, key_heads, count, _], &[_, value_heads, ..]] =
        shapes.each_ref().map(|shape| shape.extents())
    else {
        let found = shapes.map(|shape| shape.to_string()).join(", ");
        return inconsistent("queries, keys and values", "pictures, heads, places and a size", found);
    };
    let mut shared = [keys, values];
    for (operand, own, step) in [(0, key_heads, "keys_repeated"), (1, value_heads, "values_repeated")] {
        if own == 0 || !heads.is_multiple_of(own) {
            return inconsistent("heads of keys and values", format!("a divisor of {heads}"), own);
        }
        if own != heads {
            // Neighbouring heads of queries share one.
            let positions = (0..heads).map(|head| head / (heads / own)).collect();
            let take = Take { axis: 1, positions };
            shared[operand] = importer.step(node, step, take, std::slice::from_ref(&shared[operand]))?;
        }
    }
    let [keys, values] = shared;
    let turned = Transpose { permutation: vec![0, 1, 3, 2] };
    let turned = importer.step(node, "keys_turned", turned, &[keys])?;
    let products = importer.step(node, "products", MatrixProduct, &[queries, turned])?;
    let scale = settings.scale.unwrap_or_else(|| (1.0 / (size.max(1) as f64).sqrt()) as f32);
    let scores = importer.step(node, "scores", power(1.0, scale, 0.0), &[products])?;
    let masked = masked(node, importer, scores.clone(), &settings, [places, count])?;
    let mut capped = masked.clone();
    if let Some(cap) = settings.cap.filter(|cap| *cap > 0.0) {
        let inner = importer.step(node, "capped_inner", power(1.0, 1.0 / cap, 0.0), &[capped])?;
        let bent = importer.step(node, "capped_bent", Unary::Tanh, &[inner])?;
        capped = importer.step(node, "capped", power(1.0, cap, 0.0), &[bent])?;
    }
    let attention = importer.step(node, "attention", Softmax { axis: 3 }, std::slice::from_ref(&capped))?;
    let result = importer.step(node, "attended", MatrixProduct, &[attention.clone(), values])?;
    Ok(Attended { scores, masked, capped, attention, result })
}

/// The scores with what does not count at −∞.
fn masked<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    mut scores: Operand,
    settings: &Scores,
    [places, count]: [usize; 2],
) -> Result<Operand, Failure> {
    let nowhere = importer.constant(node, "nowhere", &[], || vec![f64::NEG_INFINITY])?;
    if let Some(mut mask) = settings.mask.clone() {
        let shape = importer.shape(&mask);
        let own = shape.extents().last().copied().unwrap_or(1);
        if own < count && own != 1 {
            // A mask that is too short lets nothing behind its end through.
            let (before, mut behind) = (vec![0; shape.rank()], vec![0; shape.rank()]);
            behind[shape.rank() - 1] = count - own;
            let value = if mask.kind == Kind::Boolean { 0.0 } else { f32::NEG_INFINITY };
            let kind = mask.kind;
            mask = importer.step(node, "mask", Pad { before, behind, value }, &[mask])?.with_kind(kind);
        }
        scores = match mask.kind {
            Kind::Boolean => importer.step(node, "masked", Select, &[mask, scores, nowhere.clone()])?,
            _ => {
                let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
                importer.step(node, "masked", sum, &[scores, mask])?
            }
        };
    }
    if let Some(before) = settings.causal {
        let sees = |query: usize| (0..count).map(move |key| f64::from(u8::from(key <= query + before)));
        let numbers = || (0..places).flat_map(sees).collect();
        let mask = importer.constant(node, "causal_mask", &[places, count], numbers)?;
        scores = importer.step(node, "causal", Select, &[mask, scores, nowhere.clone()])?;
    }
    if let Some(lengths) = settings.lengths.clone() {
        let numbers = || (0..count).map(|key| key as f64).collect();
        let range = importer.constant(node, "key_numbers", &[count], numbers)?;
        let extents = std::iter::once(Extent::Copy(0)).chain([Extent::Fixed(1); 3]).collect();
        let lengths = importer.step(node, "lengths", Reshape { extents }, &[lengths])?;
        let counts = importer.step(node, "counts", Binary::Less, &[range, lengths])?;
        scores = importer.step(node, "counted", Select, &[counts, scores, nowhere])?;
    }
    Ok(scores)
}

/// `pictures × places × heads · size` as `pictures × heads × places × size`.
pub(super) fn split_heads<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    operand: Operand,
    heads: usize,
) -> Result<Operand, Failure> {
    let shape = importer.shape(&operand);
    let &[_, _, width] = shape.extents() else {
        return inconsistent("queries, keys and values", "pictures, places and numbers", shape);
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        return inconsistent("number of heads", format!("a divisor of {width}"), heads);
    }
    let extents = vec![Extent::Copy(0), Extent::Copy(1), Extent::Fixed(heads), Extent::Fixed(width / heads)];
    let split = importer.step(node, &format!("{step}_split"), Reshape { extents }, &[operand])?;
    importer.step(node, step, Transpose { permutation: vec![0, 2, 1, 3] }, &[split])
}

/// The inverse, as the first result of the node.
pub(super) fn join_heads<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operand: Operand,
) -> Result<(), Failure> {
    let turned = Transpose { permutation: vec![0, 2, 1, 3] };
    let turned = importer.step(node, "turned", turned, &[operand])?;
    let extents = vec![Extent::Copy(0), Extent::Copy(1), Extent::Merge(2, 4)];
    importer.finish(node, Reshape { extents }, &[turned])
}

/// How many heads an attribute says; none where it is left out.
pub(super) fn heads(node: &Node<'_>, name: &'static str) -> Result<Option<usize>, Failure> {
    match node.int(name)? {
        None => Ok(None),
        Some(number) => match usize::try_from(number) {
            Ok(heads) if heads > 0 => Ok(Some(heads)),
            _ => inconsistent(format!("attribute '{name}'"), "a number of at least 1", number),
        },
    }
}

pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let mut parts = [importer.operand(node, 0)?, importer.operand(node, 1)?, importer.operand(node, 2)?];
    let flat = importer.shape(&parts[0]).rank() == 3;
    // Everything is computed in single precision.
    let _ = node.int("softmax_precision")?;
    let [own_heads, shared_heads] = [heads(node, "q_num_heads")?, heads(node, "kv_num_heads")?];
    if flat {
        let (Some(own), Some(shared)) = (own_heads, shared_heads) else {
            return inconsistent("attributes", "q_num_heads and kv_num_heads", "none");
        };
        for (part, (step, heads)) in
            parts.iter_mut().zip([("queries", own), ("keys", shared), ("values", shared)])
        {
            *part = split_heads(node, importer, step, part.clone(), heads)?;
        }
    }
    let mut before = 0;
    for (part, (index, step)) in parts[1..].iter_mut().zip([(4, "all_keys"), (5, "all_values")]) {
        if let Some(past) = importer.optional(node, index)? {
            before = importer.shape(&past).extent(2).unwrap_or(0);
            *part = importer.step(node, step, Concat { axis: 2 }, &[past, part.clone()])?;
        }
    }
    for (part, index) in parts[1..].iter().zip([1, 2]) {
        let kind = part.kind;
        importer.finish_output(node, index, Identity, std::slice::from_ref(part), kind)?;
    }
    let settings = Scores {
        scale: node.float("scale")?,
        mask: importer.optional(node, 3)?,
        causal: node.flag("is_causal")?.then_some(before),
        lengths: importer.optional(node, 6)?,
        cap: node.float("softcap")?,
    };
    let kind = parts[0].kind;
    let attended = attend(node, importer, parts, settings)?;
    let stage = match node.int("qk_matmul_output_mode")?.unwrap_or(0) {
        0 => attended.scores,
        1 => attended.masked,
        2 => attended.capped,
        3 => attended.attention,
        other => return inconsistent("attribute 'qk_matmul_output_mode'", "0 to 3", other),
    };
    importer.finish_output(node, 3, Identity, &[stage], kind)?;
    if flat {
        return join_heads(node, importer, attended.result);
    }
    importer.finish(node, Identity, &[attended.result])
}
