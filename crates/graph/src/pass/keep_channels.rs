//! Some channels of a value alone.

use super::{Keep, remove_dead_code};
use crate::{Graph, Node, NodeId, Op, Origin, Shape, ValueId, Weights};

/// Computes only some channels (axis 1) of a value, in the order given: what its last layer computes for others falls away. Nothing but
/// these channels is left to be observed.
///
/// `None` where that layer cannot be told: between it and the value stand only what keeps channels apart (functions of one number, pools,
/// means over positions, flattening, a bias), and nothing else reads what is between.
pub fn keep_channels(graph: Graph, value: ValueId, channels: &[usize]) -> Option<Graph> {
    let mut graph = remove_dead_code(graph.with_outputs(&[]), &Keep::from_iter([value]));
    let producers = graph.producers();
    let consumers = graph.consumers();
    let mut current = value;
    loop {
        let readers = if current == value { 0 } else { 1 };
        let node = graph.node(producers[current.0]?).clone();
        // With the same axes in front, a reshape leaves channels where they are.
        let is_channels =
            graph.value(current).shape.extents().get(..2)? == graph.value(value).shape.extents().get(..2)?;
        if consumers[current.0].len() != readers || !is_channels || node.outputs.len() != 1 {
            return None;
        }
        match &node.op {
            Op::Unary(_) | Op::Identity(_) | Op::Pool(_) => {}
            Op::Reduce(reduce) if reduce.axes.iter().all(|&axis| axis > 1) => {}
            // Shapes are inferred anew below: a reshape that names the number of channels fails there.
            Op::Reshape(_) => {}
            Op::Eltwise(_) if keep_bias(&mut graph, &node, &consumers, channels) => {}
            Op::Convolution(convolution) if convolution.groups == 1 => {
                for &operand in &node.inputs[1..] {
                    keep_rows(&mut graph, &consumers, operand, 0, channels)?;
                }
                break;
            }
            Op::InnerProduct(product) if graph.value(current).shape.rank() == 2 => {
                keep_rows(&mut graph, &consumers, node.inputs[1], usize::from(product.transposed), channels)?;
                if let Some(&bias) = node.inputs.get(2) {
                    keep_rows(&mut graph, &consumers, bias, 0, channels)?;
                }
                break;
            }
            _ => return None,
        }
        current = node.inputs[0];
    }
    graph.infer_shapes().ok()?;
    let extents = graph.value(value).shape.extents();
    (extents.get(1) == Some(&channels.len())).then_some(graph)
}

/// Keeps some of the numbers of a bias that is added to a value of rank 2; whether the node is such a sum.
fn keep_bias(graph: &mut Graph, node: &Node, consumers: &[Vec<NodeId>], channels: &[usize]) -> bool {
    let [value, bias] = node.inputs[..] else { return false };
    let rank = graph.value(value).shape.rank();
    let extents = graph.value(bias).shape.extents();
    let is_sum = matches!(node.op, Op::Eltwise(crate::op::Eltwise::Sum { .. }));
    let own = extents.len().wrapping_sub(1);
    is_sum
        && rank == 2
        && extents.iter().rev().skip(1).all(|&extent| extent == 1)
        && keep_rows(graph, consumers, bias, own, channels).is_some()
}

/// Keeps some positions of an axis of a constant that one node reads.
fn keep_rows(
    graph: &mut Graph,
    consumers: &[Vec<NodeId>],
    value: ValueId,
    axis: usize,
    kept: &[usize],
) -> Option<()> {
    let known = graph.value(value);
    let weights = known.weights()?;
    let extents = known.shape.extents();
    let extent = *extents.get(axis)?;
    if consumers[value.0].len() != 1 || kept.iter().any(|&position| position >= extent) {
        return None;
    }
    let inner: usize = extents[axis + 1..].iter().product();
    let numbers = weights.to_vec();
    let mut rows = Vec::with_capacity(numbers.len() / extent * kept.len());
    for outer in numbers.chunks_exact(extent * inner) {
        kept.iter().for_each(|&position| rows.extend(&outer[position * inner..(position + 1) * inner]));
    }
    let mut extents = extents.to_vec();
    extents[axis] = kept.len();
    let shape = Shape::new(extents).ok()?;
    let weights = Weights::from_f32(shape.clone(), &rows).ok()?;
    let known = &mut graph.values[value.0];
    (known.shape, known.origin) = (shape, Origin::Constant(weights));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::op::Extent;
    use crate::op::{
        AverageDivisor, Convolution, InnerProduct, Pool, PoolKind, Reshape, Softmax, Unary, Window,
    };

    fn constant(builder: &mut GraphBuilder, name: &str, extents: &[usize]) -> ValueId {
        let shape = Shape::new(extents).unwrap();
        let numbers: Vec<f32> = (0..shape.elements()).map(|number| number as f32).collect();
        builder.constant(name, Weights::from_f32(shape, &numbers).unwrap()).unwrap()
    }

    #[test]
    fn behind_a_convolution_and_a_pool() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2, 4, 4]).unwrap()).unwrap();
        let [w, b] = [("w", vec![5, 2, 1, 1]), ("b", vec![5])].map(|(n, s)| constant(&mut builder, n, &s));
        let convolution = Convolution { window: Window::new([1, 1]), groups: 1 };
        let c = builder.node("c", convolution, &[x, w, b], &["c"]).unwrap()[0];
        let r = builder.node("r", Unary::Tanh, &[c], &["r"]).unwrap()[0];
        let pool = Pool {
            kind: PoolKind::Average(AverageDivisor::Input),
            window: Window::new([4, 4]),
            output: vec![1, 1],
            with_positions: false,
        };
        let p = builder.node("p", pool, &[r], &["p"]).unwrap()[0];
        let y = builder.node("y", Reshape::flatten(4, 1, 4), &[p], &["y"]).unwrap()[0];
        let prob = builder.node("prob", Softmax { axis: 1 }, &[y], &["prob"]).unwrap();
        let kept = keep_channels(builder.finish(&prob), y, &[3, 1]).unwrap();
        assert_eq!(kept.value(y).shape.extents(), [1, 2]);
        assert_eq!(kept.value(w).weights().unwrap().to_vec(), [6.0, 7.0, 2.0, 3.0]);
        assert_eq!(kept.value(b).weights().unwrap().to_vec(), [3.0, 1.0]);
        assert_eq!(kept.nodes().len(), 4);
    }

    #[test]
    fn behind_a_product_stored_either_way() {
        for transposed in [false, true] {
            let mut builder = GraphBuilder::new("");
            let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
            let w = constant(&mut builder, "w", &if transposed { [2, 3] } else { [3, 2] });
            let y = builder.node("y", InnerProduct { axis: 1, transposed }, &[x, w], &["y"]).unwrap()[0];
            let kept = keep_channels(builder.finish(&[y]), y, &[2]).unwrap();
            let expected = if transposed { [2.0, 5.0] } else { [4.0, 5.0] };
            assert_eq!(kept.value(w).weights().unwrap().to_vec(), expected);
        }
    }

    #[test]
    fn not_where_channels_mix_or_a_reshape_counts_them() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let w = constant(&mut builder, "w", &[3, 2]);
        let y = builder.node("y", InnerProduct { axis: 1, transposed: false }, &[x, w], &["y"]).unwrap()[0];
        let s = builder.node("s", Softmax { axis: 1 }, &[y], &["s"]).unwrap()[0];
        let extents = vec![Extent::Fixed(1), Extent::Fixed(3)];
        let r = builder.node("r", Reshape { extents }, &[y], &["r"]).unwrap()[0];
        let graph = builder.finish(&[s, r]);
        assert!(keep_channels(graph.clone(), s, &[0]).is_none());
        assert!(keep_channels(graph, r, &[0]).is_none());
    }
}
