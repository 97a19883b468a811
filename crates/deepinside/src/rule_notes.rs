//! What must be said of a backward rule in a certain network.

use deepinside_graph::op::{Binary, Eltwise, PoolKind, Reduction, Unary};
use deepinside_graph::{Graph, Node, Op, ValueId};

use crate::{BackwardRule, Model};

/// What a reader of maps by this rule of units of this value (of a class: the score's) has to know about them in this network, in whole
/// sentences; mostly nothing.
///
/// DeconvNet's rectifiers look at what comes from above alone, and convolutions are the same for every picture: only maxima, by
/// where they stood, and products of computed values tie its map to the photograph. A network that has neither, such as one
/// that halves its resolution by strides, gives every photograph the same map, in which nothing is seen but the pattern in
/// which strided windows overlap.
pub fn rule_notes(model: &Model, rule: BackwardRule, value: ValueId) -> Vec<String> {
    if rule != BackwardRule::DeconvNet || depends_on_picture(&model.graph, model.input, value) {
        return Vec::new();
    }
    let from = if value == model.score.value { "the score" } else { &model.graph.value(value).name };
    vec![format!(
        "DeconvNet's map does not depend on the photograph here: its rectifiers look at what comes from above alone, and between \
         the picture and {from} there is no maximum pooling, whose positions would tell one photograph from another; what is \
         seen is the pattern of the strides"
    )]
}

/// Whether DeconvNet's way back from `target` to `picture` takes different numbers for different pictures.
fn depends_on_picture(graph: &Graph, picture: ValueId, target: ValueId) -> bool {
    let (depends, leads) = (graph.depends_on(picture), graph.leads_to(target));
    let on_the_way = |value: &ValueId| depends[value.index()] && leads[value.index()];
    let nodes = graph.nodes().iter().filter(|node| node.outputs.iter().any(on_the_way));
    nodes.into_iter().any(|node| !is_the_same_for_all(node, |value| depends[value.index()]))
}

/// Whether an operator passes DeconvNet's gradient on without a look at what it computed: it is linear in the picture, or a rectifier.
fn is_the_same_for_all(node: &Node, depends: impl Fn(ValueId) -> bool) -> bool {
    let only_first = || !node.inputs.iter().skip(1).any(|&input| depends(input));
    let only_one = || node.inputs.iter().filter(|&&input| depends(input)).count() == 1;
    match &node.op {
        Op::Convolution(_)
        | Op::Deconvolution(_)
        | Op::InnerProduct(_)
        | Op::BatchNormalization(_)
        | Op::Pad(_)
        | Op::Reshape(_)
        | Op::Resample(_)
        | Op::Slice(_)
        | Op::Split(_)
        | Op::Take(_)
        | Op::Tile(_)
        | Op::Transpose(_)
        | Op::Identity(_) => only_first(),
        Op::MatrixProduct(_) => only_one(),
        Op::Concat(_) | Op::Eltwise(Eltwise::Sum { .. }) => true,
        Op::Eltwise(Eltwise::Product) => only_one(),
        Op::Pool(pool) => matches!(pool.kind, PoolKind::Average(_)),
        Op::Reduce(reduce) => matches!(reduce.reduction, Reduction::Sum | Reduction::Mean),
        // Also leaky ones: what passes with the slope is what is negative above.
        Op::Unary(Unary::Relu { .. } | Unary::Clip { .. }) => true,
        Op::ParametricRelu(_) | Op::Binary(Binary::Divide) => only_first(),
        Op::Unary(Unary::Power { power, .. }) => *power == 1.0,
        _ => false,
    }
}
