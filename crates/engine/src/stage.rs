//! How many pictures of a batch are computed at a time.
//!
//! A network's first layers make large arrays. Taken through them a few pictures at a time, what one layer writes is still in the
//! caches when the next one reads it. Its last layers make small arrays with many weights, which are read once for all
//! pictures that are computed together. So a network is cut into *stages* of consecutive nodes; each takes the batch in so many
//! runs, one on each thread at a time, and only what one stage hands to another, what is observed and what the backward pass
//! reads is kept for the whole batch.

use deepinside_graph::{Graph, Node, Op, ValueId};

/// How many bytes of operands and results a run of a node may have, about: what stays in the caches until the next node reads
/// it, beside weights, working memory and the runs of other threads.
const CACHED: usize = 4 << 20;

/// A network cut into stages.
pub(crate) struct Stages {
    /// Per stage, the network for as many pictures as one of its runs takes.
    pub graphs: Vec<Graph>,
    /// Per stage, how many runs take the whole batch through it.
    pub runs: Vec<usize>,
    /// Per node, its stage; never less than that of the node before.
    pub of_node: Vec<usize>,
}

impl Stages {
    /// One stage that takes all pictures at a time.
    pub fn whole(graph: &Graph) -> Self {
        Self { graphs: vec![graph.clone()], runs: vec![1], of_node: vec![0; graph.nodes().len()] }
    }

    /// Stages in which operands and results fit in the caches, as far as nodes keep the pictures of a batch apart.
    pub fn cached(graph: &Graph) -> Self {
        let whole = Self::whole(graph);
        let Some(batch) = batch(graph) else { return whole };
        let mut runs: Vec<usize> =
            graph.nodes().iter().map(|node| fitting_runs(graph, node, batch)).collect();
        // From the first node on that mixes pictures they stay together; before, no stage takes fewer at a time than the one before.
        let mixed =
            graph.nodes().iter().position(|node| !keeps_apart(graph, node, batch)).unwrap_or(runs.len());
        let mut most = 1;
        for runs in runs[..mixed].iter_mut().rev() {
            most = most.max(*runs);
            *runs = most;
        }
        runs[mixed..].fill(1);
        let mut stages = Self { graphs: Vec::new(), runs: Vec::new(), of_node: Vec::new() };
        for node_runs in runs {
            if stages.runs.last() != Some(&node_runs) {
                let Ok(part) = graph.clone().with_batch(batch / node_runs) else { return whole };
                // Constants that had to be made for a part are not in the whole.
                if part.values().len() != graph.values().len() {
                    return whole;
                }
                stages.graphs.push(part);
                stages.runs.push(node_runs);
            }
            stages.of_node.push(stages.runs.len() - 1);
        }
        if stages.graphs.is_empty() || !stages.keep_extents(graph, batch) { whole } else { stages }
    }

    /// Whether every value of a stage of several runs differs from the whole batch's in nothing but the number of pictures.
    fn keep_extents(&self, whole: &Graph, batch: usize) -> bool {
        whole.nodes().iter().zip(&self.of_node).all(|(node, &stage)| {
            let runs = self.runs[stage];
            let alike = |value: &ValueId| {
                let own = self.graphs[stage].value(*value).shape.extents();
                let all = whole.value(*value).shape.extents();
                whole.value(*value).weights().is_some()
                    || all.first() == Some(&batch) && own[0] * runs == batch && own[1..] == all[1..]
            };
            runs == 1 || node.inputs.iter().chain(&node.outputs).all(alike)
        })
    }
}

/// The number of pictures of a batch: the first extent of all inputs.
fn batch(graph: &Graph) -> Option<usize> {
    let mut batches = graph.inputs().iter().map(|&input| graph.value(input).shape.extents().first());
    let batch = *batches.next()??;
    batches.all(|other| other == Some(&batch)).then_some(batch).filter(|&batch| batch > 1)
}

/// In how few runs of equal size a node's operands and results fit in the caches, or one picture at a time.
fn fitting_runs(graph: &Graph, node: &Node, batch: usize) -> usize {
    let computed =
        node.inputs.iter().chain(&node.outputs).filter(|value| graph.value(**value).weights().is_none());
    let bytes: usize = computed.map(|&value| 4 * graph.value(value).shape.elements()).sum();
    (1..batch).find(|runs| batch.is_multiple_of(*runs) && bytes / runs <= CACHED).unwrap_or(batch)
}

/// Whether no number of a node's result depends on another picture than its own.
fn keeps_apart(graph: &Graph, node: &Node, batch: usize) -> bool {
    let first = |value: &ValueId| graph.value(*value).shape.extents().first().copied();
    let rank = |value: &ValueId| graph.value(*value).shape.rank();
    let computed = |value: &&ValueId| graph.value(**value).weights().is_none();
    let mut values = node.inputs.iter().filter(computed).chain(&node.outputs);
    if !values.all(|value| first(value) == Some(batch)) {
        return false;
    }
    match &node.op {
        Op::BatchNormalization(_)
        | Op::Col2Im(_)
        | Op::Convolution(_)
        | Op::Deconvolution(_)
        | Op::Identity(_)
        | Op::Im2Col(_)
        | Op::LocalResponseNormalization(_)
        | Op::ParametricRelu(_)
        | Op::Pool(_)
        // The elements keep their order, and the first extent its size.
        | Op::Reshape(_)
        | Op::Unary(_) => true,
        // Axes are aligned from the last one on.
        Op::Binary(_) | Op::Eltwise(_) | Op::Select(_) => {
            let own = rank(&node.outputs[0]);
            let aligned = |input: &ValueId| rank(input) == own;
            node.inputs.iter().filter(computed).all(aligned)
                && node.inputs.iter().all(|input| computed(&input) || rank(input) < own || first(input) == Some(1))
        }
        Op::Concat(op) => op.axis > 0,
        Op::CumulativeSum(op) => op.axis > 0,
        // A grid that is known has its own number of pictures.
        Op::GridSample(_) => node.inputs.iter().all(|input| computed(&input)),
        Op::InnerProduct(op) => op.axis > 0,
        Op::LogSoftmax(op) => op.axis > 0,
        Op::MeanVarianceNormalization(op) => !op.axes.contains(&0),
        Op::Pad(op) => op.before.first() == Some(&0) && op.behind.first() == Some(&0),
        Op::Reduce(op) => !op.axes.contains(&0),
        Op::Resample(op) => op.axis > 0,
        Op::Slice(op) => op.ranges.iter().all(|range| range.axis > 0),
        Op::Softmax(op) => op.axis > 0,
        Op::Split(op) => op.axis > 0,
        Op::Take(op) => op.axis > 0,
        Op::Transpose(op) => op.permutation.first() == Some(&0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::{Reduce, Reduction, Transpose, Unary};
    use deepinside_graph::{GraphBuilder, Shape};

    use super::*;

    /// Pictures of `1 << 20` elements, halved from node to node.
    fn narrowing(batch: usize, nodes: usize) -> GraphBuilder {
        let mut b = GraphBuilder::new("narrowing");
        let mut value = b.input("0", Shape::new([batch, 1 << 20]).unwrap()).unwrap();
        for node in 1..=nodes {
            let name = node.to_string();
            let half = b.node(&name, slice(1, 0, (1 << 20) >> node), &[value], &[&name]).unwrap();
            value = half[0];
        }
        b
    }

    fn slice(axis: usize, start: usize, size: usize) -> deepinside_graph::op::Slice {
        deepinside_graph::op::Slice { ranges: vec![deepinside_graph::op::AxisRange { axis, start, size }] }
    }

    #[test]
    fn smaller_arrays_come_more_at_a_time() {
        let mut b = narrowing(4, 3);
        let last = b.find("3").unwrap();
        let y = b.node("y", Unary::Tanh, &[last], &["y"]).unwrap();
        let graph = b.finish(&y);
        let stages = Stages::cached(&graph);
        // Operands and results of a picture: 6, 3, 1.5 and 1 MiB.
        assert_eq!((stages.runs, stages.of_node), (vec![4, 2, 1], vec![0, 0, 1, 2]));
        let pictures = |graph: &Graph| graph.value(graph.inputs()[0]).shape.extents()[0];
        assert_eq!(stages.graphs.iter().map(pictures).collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn from_where_pictures_are_mixed_they_stay_together() {
        let mut b = narrowing(4, 1);
        let half = b.find("1").unwrap();
        let turned = b.node("t", Transpose { permutation: vec![1, 0] }, &[half], &["t"]).unwrap();
        let back = b.node("b", Transpose { permutation: vec![1, 0] }, &turned, &["b"]).unwrap();
        let graph = b.finish(&back);
        let stages = Stages::cached(&graph);
        assert_eq!((stages.runs, stages.of_node), (vec![4, 1], vec![0, 1, 1]));
    }

    #[test]
    fn a_sum_over_pictures_is_no_part_of_a_stage() {
        let mut b = GraphBuilder::new("sum");
        let x = b.input("x", Shape::new([4, 4, 1 << 18]).unwrap()).unwrap();
        let sum = Reduce { reduction: Reduction::Sum, axes: vec![0], keep_axes: false, coefficient: 1.0 };
        // As many rows as there were pictures.
        let sum = b.node("sum", sum, &[x], &["sum"]).unwrap();
        let y = b.node("y", Unary::Tanh, &sum, &["y"]).unwrap();
        assert_eq!(Stages::cached(&b.finish(&y)).runs, [1]);
    }

    #[test]
    fn one_picture_is_one_stage() {
        let graph = narrowing(1, 2);
        let last = graph.find("2").unwrap();
        assert_eq!(Stages::cached(&graph.finish(&[last])).runs, [1]);
    }
}
