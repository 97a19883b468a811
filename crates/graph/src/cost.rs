//! How much a node computes.

use std::borrow::Borrow;

use crate::op::Operator;
use crate::{Graph, Node, Op, Shape, ValueId};

/// The floating-point operations of one forward pass through a node: two for each product that is summed up (a multiplication and
/// an addition), one for each element that a window compares or adds, and one for each element of what other operators
/// compute. Operators that only move or rename elements cost nothing.
pub fn operations(graph: &Graph, node: &Node) -> u64 {
    let shapes = |values: &[ValueId]| -> Vec<&Shape> {
        values.iter().map(|&value| &graph.value(value).shape).collect()
    };
    operations_of(&node.op, &shapes(&node.inputs), &shapes(&node.outputs))
}

/// The same for an operator with operands and results of these shapes.
pub(crate) fn operations_of<R: Borrow<Shape>>(op: &Op, inputs: &[&Shape], outputs: &[R]) -> u64 {
    let elements = |position: usize| inputs.get(position).map_or(0, |shape| shape.elements() as u64);
    let results: u64 = outputs.iter().map(|shape| shape.borrow().elements() as u64).sum();
    match op {
        Op::Convolution(_) => {
            // Each result element sums over its filter: the weights of one output channel.
            2 * results * inputs[1].product(1..inputs[1].rank()) as u64
        }
        Op::Deconvolution(_) => {
            // Each operand element is spread over its filter.
            2 * elements(0) * inputs[1].product(1..inputs[1].rank()) as u64
        }
        Op::InnerProduct(product) => {
            2 * results * inputs[1].extents()[usize::from(!product.transposed)] as u64
        }
        Op::MatrixProduct(_) => 2 * results * inputs[0].extents().last().map_or(1, |&inner| inner as u64),
        Op::Pool(pool) => results * pool.window.taps() as u64,
        Op::Resample(resample) => {
            let taps: usize = resample.taps.iter().map(Vec::len).sum();
            2 * results * (taps / resample.taps.len().max(1)) as u64
        }
        Op::Col2Im(_) | Op::Reduce(_) | Op::TopK(_) => elements(0),
        Op::Eltwise(_) => results * inputs.len().saturating_sub(1) as u64,
        Op::Concat(_)
        | Op::GatherElements(_)
        | Op::GatherNd(_)
        | Op::Identity(_)
        | Op::Im2Col(_)
        | Op::Pad(_)
        | Op::Reshape(_)
        | Op::ScatterElements(_)
        | Op::ScatterNd(_)
        | Op::Slice(_)
        | Op::Split(_)
        | Op::Take(_)
        | Op::Tile(_)
        | Op::Transpose(_) => 0,
        _ => results,
    }
}

/// The name of a node's operator with its attributes, as "Convolution 3×3 stride 2×2".
pub fn described(op: &Op) -> String {
    let operator: &dyn Operator = op.operator();
    let attributes = operator.to_string();
    if attributes.is_empty() {
        operator.name().to_owned()
    } else {
        format!("{} {attributes}", operator.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Convolution, InnerProduct, Unary, Window};
    use crate::{GraphBuilder, Shape, Weights};

    #[test]
    fn products_count_twice() {
        let mut builder = GraphBuilder::new("");
        let zeros = |extents: &[usize]| {
            let shape = Shape::new(extents).unwrap();
            Weights::from_f32(shape.clone(), &vec![0.0; shape.elements()]).unwrap()
        };
        let x = builder.input("x", Shape::new([1, 4, 8, 8]).unwrap()).unwrap();
        let w = builder.constant("w", zeros(&[6, 2, 3, 3])).unwrap();
        let convolution = Convolution { window: Window::new([3, 3]), groups: 2 };
        let c = builder.node("c", convolution, &[x, w], &["c"]).unwrap()[0];
        let r = builder.node("r", Unary::Tanh, &[c], &["r"]).unwrap()[0];
        let m = builder.constant("m", zeros(&[216, 5])).unwrap();
        let product = InnerProduct { axis: 1, transposed: true };
        let y = builder.node("y", product, &[r, m], &["y"]).unwrap()[0];
        let graph = builder.finish(&[y]);
        let counts: Vec<u64> = graph.nodes().iter().map(|node| operations(&graph, node)).collect();
        // 6·6·6 results of 2·3·3 products, as many functions, and 5 results of 216 products.
        assert_eq!(counts, [2 * 216 * 18, 216, 2 * 5 * 216]);
    }
}
