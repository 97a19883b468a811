//! Pictures without a batch axis.

use crate::op::{Extent, Reshape};
use crate::{Graph, GraphError, Node, Op, Origin, Shape, Value, ValueId};

/// Puts a reshape before an input of `C × H × W`, as networks that take a single picture have it; returns the network and
/// its new input of `1 × C × H × W`.
///
/// # Errors
/// When the input has not three axes, or a name is taken.
pub fn batch_axis(mut graph: Graph, input: ValueId) -> Result<(Graph, ValueId), GraphError> {
    let old = &graph.values[input.0];
    let failed = |cause| GraphError::Value { value: old.name.clone(), cause };
    let extents = [&[1], old.shape.extents()].concat();
    let shape = Shape::new(extents).map_err(failed)?;
    // The first axis is merged, so that a single channel may turn out to be the batch.
    let op = Op::from(Reshape { extents: vec![Extent::Merge(0, 2), Extent::Copy(2), Extent::Copy(3)] });
    op.operator().infer(&[&shape]).map_err(failed)?;
    let name = format!("{}@batch", old.name);
    if graph.names.contains_key(&name) {
        return Err(GraphError::DuplicateName { name });
    }
    let added = ValueId(graph.values.len());
    let node = Node { name: name.clone(), op, inputs: vec![added], outputs: vec![input] };
    graph.names.insert(name.clone(), added);
    graph.values.push(Value { name, shape, origin: Origin::Input });
    graph.values[input.0].origin = Origin::Computed;
    graph.nodes.insert(0, node);
    graph.inputs.iter_mut().filter(|own| **own == input).for_each(|own| *own = added);
    Ok((graph, added))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::op::Unary;

    #[test]
    fn the_input_gets_a_batch_axis() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([3, 4, 5]).unwrap()).unwrap();
        let y = builder.node("y", Unary::Tanh, &[x], &["y"]).unwrap()[0];
        let (graph, input) = batch_axis(builder.finish(&[y]), x).unwrap();
        assert_eq!(graph.value(input).shape.extents(), [1, 3, 4, 5]);
        assert_eq!(graph.inputs(), [input]);
        let graph = graph.with_batch(1).unwrap();
        assert_eq!(graph.value(x).shape.extents(), [3, 4, 5]);
    }
}
