//! Other nodes in the places of some.

use crate::{Graph, GraphError, Node, Op, Origin, Shape, Value, ValueId, Weights};

/// What takes the place of a node: new constants and nodes, added in topological order.
#[derive(Debug)]
pub struct Replacement<'a> {
    graph: &'a mut Graph,
    /// The replaced node's name, which the new values' names begin with.
    name: String,
    nodes: Vec<Node>,
}

impl Replacement<'_> {
    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.graph.values[value.0].shape
    }

    /// The numbers of a constant.
    pub fn weights(&self, value: ValueId) -> Option<&Weights> {
        self.graph.values[value.0].weights()
    }

    /// Something known for good.
    pub fn constant(&mut self, weights: Weights) -> ValueId {
        self.value(weights.shape().clone(), Origin::Constant(weights))
    }

    /// One application of an operator with one result.
    ///
    /// # Errors
    /// When operands and attributes do not fit.
    pub fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        let id = ValueId(self.graph.values.len());
        let node =
            Node { name: self.name.clone(), op: op.into(), inputs: inputs.to_vec(), outputs: vec![id] };
        let shapes: Vec<&Shape> = inputs.iter().map(|input| self.shape(*input)).collect();
        let shape = crate::graph::infer(&node, &shapes)?.remove(0);
        self.nodes.push(node);
        Ok(self.value(shape, Origin::Computed))
    }

    fn value(&mut self, shape: Shape, origin: Origin) -> ValueId {
        let id = ValueId(self.graph.values.len());
        // A number that no other value has, so that the name is new.
        let name = format!("{}@replaced{}", self.name, id.0);
        self.graph.names.insert(name.clone(), id);
        self.graph.values.push(Value { name, shape, origin });
        id
    }
}

/// Adds what takes the place of a node and answers with its result, or with nothing where the node stays.
pub type Replace<'a, E> = &'a mut dyn FnMut(&Node, &mut Replacement<'_>) -> Result<Option<ValueId>, E>;

/// Goes through the nodes in their order. Where `replace` answers with a value, the nodes that it added take the node's place,
/// and the node's only result is that value from then on, under its own name and identity.
///
/// # Errors
/// What `replace` answers, and when a value of another shape should take a result's place.
pub fn replace_nodes<E: From<GraphError>>(mut graph: Graph, replace: Replace<'_, E>) -> Result<Graph, E> {
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes) {
        let mut replacement = Replacement { name: node.name.clone(), nodes: Vec::new(), graph: &mut graph };
        let Some(value) = replace(&node, &mut replacement)? else {
            nodes.push(node);
            continue;
        };
        let result = node.outputs[0];
        let (expected, found) = (replacement.shape(result).clone(), replacement.shape(value).clone());
        if node.outputs.len() != 1 || expected != found {
            let cause = crate::Inconsistency::new("shape of the replacement's one result", expected, found);
            return Err(GraphError::Value { value: node.name, cause }.into());
        }
        for mut new in replacement.nodes {
            new.outputs.iter_mut().filter(|output| **output == value).for_each(|output| *output = result);
            new.inputs.iter_mut().filter(|input| **input == value).for_each(|input| *input = result);
            nodes.push(new);
        }
    }
    graph.nodes = nodes;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::op::{Eltwise, Unary};

    #[test]
    fn a_replaced_value_keeps_its_name_and_readers() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let a = builder.node("a", Unary::Tanh, &[x], &["a"]).unwrap()[0];
        let b = builder.node("b", Unary::Sigmoid, &[a], &["b"]).unwrap()[0];
        let graph = builder.finish(&[b]);
        let replaced = replace_nodes::<GraphError>(graph.clone(), &mut |node, new| {
            if node.name != "a" {
                return Ok(None);
            }
            let slope = new.constant(Weights::filled(Shape::new([1, 2]).unwrap(), 2.0));
            Ok(Some(new.node(Eltwise::Product, &[node.inputs[0], slope])?))
        })
        .unwrap();
        let [product, sigmoid] = replaced.nodes() else { panic!("two nodes") };
        assert_eq!(product.outputs, [a]);
        assert_eq!((sigmoid.inputs.as_slice(), replaced.find("a")), (&[a][..], Some(a)));
        let failed = replace_nodes::<GraphError>(graph, &mut |node, new| {
            let other = new.constant(Weights::filled(Shape::new([1, 3]).unwrap(), 2.0));
            Ok((node.name == "a").then_some(other))
        });
        assert!(failed.unwrap_err().to_string().contains("'a'"));
    }
}
