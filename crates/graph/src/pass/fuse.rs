//! What passes share that make one node of several: where an operator's steps are looked for, and what becomes of them.

use super::Keep;
use crate::{Graph, NodeId, Op, ValueId};

/// The graph as it is searched.
pub(super) struct Search<'a> {
    pub graph: &'a Graph,
    pub keep: &'a Keep,
    pub consumers: &'a [Vec<NodeId>],
    pub producers: &'a [Option<NodeId>],
}

/// What some nodes compute together: an operator of one operand, and the steps that it replaces; the last one may be among them.
pub(super) type Found = (Op, ValueId, Vec<usize>);

/// Looks behind each node for steps of which it is the last, and makes it the operator that they are.
pub(super) fn fuse(
    mut graph: Graph,
    keep: &Keep,
    find: impl Fn(&Search<'_>, usize) -> Option<Found>,
) -> Graph {
    let (consumers, producers) = (graph.consumers(), graph.producers());
    let mut alive = vec![true; graph.nodes.len()];
    for root in 0..graph.nodes.len() {
        let search = Search { graph: &graph, keep, consumers: &consumers, producers: &producers };
        if let Some((operator, operand, steps)) = find(&search, root) {
            steps.iter().for_each(|&step| alive[step] = false);
            alive[root] = true;
            let node = &mut graph.nodes[root];
            node.op = operator;
            node.inputs = vec![operand];
        }
    }
    let mut alive = alive.into_iter();
    graph.nodes.retain(|_| alive.next() == Some(true));
    graph
}
