//! Pictures whose channels come last.

use crate::op::Transpose;
use crate::{Graph, GraphError, Node, Op, Origin, Value, ValueId};

/// Puts a transposition before an input of `N × H × W × C`, as networks from Keras have it; returns the network and its
/// new input of `N × C × H × W`.
///
/// # Errors
/// Never for an input of four axes; otherwise what shape inference says.
pub fn channels_first(mut graph: Graph, input: ValueId) -> Result<(Graph, ValueId), GraphError> {
    let old = &graph.values[input.0];
    let failed = |cause| GraphError::Value { value: old.name.clone(), cause };
    let transpose = Op::from(Transpose { permutation: vec![0, 2, 3, 1] });
    let inverse = Op::from(Transpose { permutation: vec![0, 3, 1, 2] });
    let shape = inverse.operator().infer(&[&old.shape]).map_err(failed)?.remove(0);
    let name = format!("{}@channels_first", old.name);
    if graph.names.contains_key(&name) {
        return Err(GraphError::DuplicateName { name });
    }
    let added = ValueId(graph.values.len());
    let node = Node { name: name.clone(), op: transpose, inputs: vec![added], outputs: vec![input] };
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
    use crate::op::Unary;
    use crate::{GraphBuilder, Shape};

    #[test]
    fn the_input_becomes_a_transposition() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 4, 5, 3]).unwrap()).unwrap();
        let y = builder.node("y", Unary::Tanh, &[x], &["y"]).unwrap()[0];
        let (graph, input) = channels_first(builder.finish(&[y]), x).unwrap();
        assert_eq!(graph.value(input).shape.extents(), [1, 3, 4, 5]);
        assert_eq!(graph.inputs(), [input]);
        let graph = graph.with_batch(2).unwrap();
        assert_eq!(graph.value(x).shape.extents(), [2, 4, 5, 3]);
    }
}
