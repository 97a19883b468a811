//! Builds a graph node by node, checking as it goes.

use std::collections::HashMap;

use crate::graph::infer;
use crate::{Graph, GraphError, Node, Op, Origin, Shape, Value, ValueId, Weights};

/// Adds inputs, constants and nodes in topological order; shapes are inferred and operands checked at once, so an error
/// names the very layer that is wrong.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// An empty network of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            graph: Graph {
                name: name.into(),
                values: Vec::new(),
                nodes: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                names: HashMap::new(),
            },
        }
    }

    /// Something that is fed from outside.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn input(&mut self, name: impl Into<String>, shape: Shape) -> Result<ValueId, GraphError> {
        let id = self.value(name.into(), shape, Origin::Input)?;
        self.graph.inputs.push(id);
        Ok(id)
    }

    /// Something known for good.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn constant(&mut self, name: impl Into<String>, weights: Weights) -> Result<ValueId, GraphError> {
        self.value(name.into(), weights.shape().clone(), Origin::Constant(weights))
    }

    /// One application of an operator; returns its results, named `outputs`.
    ///
    /// # Errors
    /// When operands and attributes do not fit, or a name is taken.
    pub fn node(
        &mut self,
        name: impl Into<String>,
        op: impl Into<Op>,
        inputs: &[ValueId],
        outputs: &[&str],
    ) -> Result<Vec<ValueId>, GraphError> {
        let first = self.graph.values.len();
        let mut node = Node {
            name: name.into(),
            op: op.into(),
            inputs: inputs.to_vec(),
            outputs: (first..first + outputs.len()).map(ValueId).collect(),
        };
        let shapes: Vec<&Shape> = inputs.iter().map(|input| &self.graph.values[input.0].shape).collect();
        let inferred = infer(&node, &shapes)?;
        node.outputs.clear();
        for (output, shape) in outputs.iter().zip(inferred) {
            node.outputs.push(self.value((*output).to_owned(), shape, Origin::Computed)?);
        }
        let results = node.outputs.clone();
        self.graph.nodes.push(node);
        Ok(results)
    }

    /// Gives a value another name, as when an in-place layer overwrites the blob that had it.
    ///
    /// # Errors
    /// When the new name is taken.
    pub fn rename(&mut self, id: ValueId, name: impl Into<String>) -> Result<(), GraphError> {
        let name = name.into();
        if self.graph.names.contains_key(&name) {
            return Err(GraphError::DuplicateName { name });
        }
        let old = std::mem::replace(&mut self.graph.values[id.0].name, name.clone());
        self.graph.names.remove(&old);
        self.graph.names.insert(name, id);
        Ok(())
    }

    /// The shape inferred for a value.
    pub fn shape(&self, id: ValueId) -> &Shape {
        &self.graph.values[id.0].shape
    }

    /// The value of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.graph.find(name)
    }

    /// The finished network with its results.
    pub fn finish(mut self, outputs: &[ValueId]) -> Graph {
        self.graph.outputs = outputs.to_vec();
        self.graph
    }

    fn value(&mut self, name: String, shape: Shape, origin: Origin) -> Result<ValueId, GraphError> {
        let id = ValueId(self.graph.values.len());
        if self.graph.names.contains_key(&name) {
            return Err(GraphError::DuplicateName { name });
        }
        self.graph.names.insert(name.clone(), id);
        self.graph.values.push(Value { name, shape, origin });
        Ok(id)
    }
}
