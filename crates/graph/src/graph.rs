//! Values, nodes and the graph that they make.

use std::collections::HashMap;

use crate::{GraphError, Inconsistency, Op, Shape, Weights};

/// Names a value of one graph; passes keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) usize);

impl ValueId {
    /// The position among [`Graph::values`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Names a node of one graph: its position in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The position among [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Fed from outside at every run.
    Input,
    /// Known for good.
    Constant(Weights),
    /// Computed by a node.
    Computed,
}

/// A tensor of the network: an input, a constant or what a node computes.
#[derive(Debug, Clone)]
pub struct Value {
    /// The blob or tensor name of the source file, kept to the letter; a value that a later in-place layer overwrites
    /// is called `blob@before:layer`.
    pub name: String,
    /// The shape, inferred.
    pub shape: Shape,
    /// Where it comes from.
    pub origin: Origin,
}

impl Value {
    /// The weights, where the value is a constant.
    pub fn weights(&self) -> Option<&Weights> {
        match &self.origin {
            Origin::Constant(weights) => Some(weights),
            _ => None,
        }
    }
}

/// One application of an operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// The layer's name in the source file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The operands, in the operator's documented order.
    pub inputs: Vec<ValueId>,
    /// The results, in the operator's documented order.
    pub outputs: Vec<ValueId>,
}

/// A network in static single assignment form, its nodes in topological order.
///
/// Made by [`GraphBuilder`](crate::GraphBuilder), which checks every operand and infers every shape.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    pub(crate) names: HashMap<String, ValueId>,
}

impl Graph {
    /// The network's name, as its file states it; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All values, by position of their [`ValueId`]. A pass may leave values which no node produces any more.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is fed from outside, in the order of the source file.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The network's results, in the order of the source file.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// One value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The value of that name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The node that computes each value, by position; `None` for inputs, constants and values no longer computed.
    pub fn producers(&self) -> Vec<Option<NodeId>> {
        let mut producers = vec![None; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for output in &node.outputs {
                producers[output.0] = Some(NodeId(index));
            }
        }
        producers
    }

    /// Which values are computed from `source`, itself included; by the values' indices.
    pub fn depends_on(&self, source: ValueId) -> Vec<bool> {
        let mut depends = vec![false; self.values.len()];
        depends[source.index()] = true;
        for node in &self.nodes {
            if node.inputs.iter().any(|input| depends[input.index()]) {
                node.outputs.iter().for_each(|output| depends[output.index()] = true);
            }
        }
        depends
    }

    /// Which values have a way to `target`, itself included; by the values' indices.
    pub fn leads_to(&self, target: ValueId) -> Vec<bool> {
        let mut leads = vec![false; self.values.len()];
        leads[target.index()] = true;
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().any(|output| leads[output.index()]) {
                node.inputs.iter().for_each(|input| leads[input.index()] = true);
            }
        }
        leads
    }

    /// The nodes that read each value, by position, in topological order; one that reads it twice stands twice.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                consumers[input.0].push(NodeId(index));
            }
        }
        consumers
    }

    /// The number of learnt numbers that the nodes read, each constant counted once.
    pub fn parameters(&self) -> usize {
        let mut used = vec![false; self.values.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            used[input.0] = true;
        }
        let weights = self.values.iter().zip(used).filter(|(_, used)| *used);
        weights.filter_map(|(value, _)| value.weights()).map(|weights| weights.shape().elements()).sum()
    }

    /// The constants that hold numbers which are NaN or infinite, and how many: the file is damaged, or the training
    /// diverged.
    ///
    /// Reads all weights (of a network of 244 MB about a tenth of a second once the file is in the system's cache), but
    /// never keeps more than a piece of a mapped file in memory.
    pub fn not_finite(&self) -> Vec<(ValueId, usize)> {
        let constants = self.values.iter().enumerate().filter_map(|(id, value)| Some((id, value.weights()?)));
        let counted = constants.map(|(id, weights)| (ValueId(id), weights.not_finite()));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Checks that the files in which constants lie are as they were when they were opened. What was read of them before
    /// is what they held then.
    ///
    /// # Errors
    /// When one was changed since, see [`MappedFile::check_unchanged`](mapped_file::MappedFile::check_unchanged).
    pub fn check_files(&self) -> std::io::Result<()> {
        let mut checked: Vec<*const mapped_file::MappedFile> = Vec::new();
        for file in self.values.iter().filter_map(|value| value.weights()?.file()) {
            let own = std::sync::Arc::as_ptr(file);
            if !checked.contains(&own) {
                file.check_unchanged()?;
                checked.push(own);
            }
        }
        Ok(())
    }

    /// The same network with other numbers for a constant.
    ///
    /// # Errors
    /// When the value is no constant, or the weights have another shape.
    pub fn with_weights(mut self, value: ValueId, weights: Weights) -> Result<Self, GraphError> {
        let known = &mut self.values[value.0];
        let failed = |cause| GraphError::Value { value: known.name.clone(), cause };
        if known.weights().is_none() {
            return Err(failed(Inconsistency::new("value", "a constant", "a computed one")));
        }
        if *weights.shape() != known.shape {
            return Err(failed(Inconsistency::new("shape", &known.shape, weights.shape())));
        }
        known.origin = Origin::Constant(weights);
        Ok(self)
    }

    /// Adds a node with one result behind all others, and gives that result and the node this name. The network's results
    /// stay as they are.
    ///
    /// # Errors
    /// When operands and attributes do not fit, or the name is taken.
    pub fn append(
        &mut self,
        name: impl Into<String>,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        let name = name.into();
        if self.names.contains_key(&name) {
            return Err(GraphError::DuplicateName { name });
        }
        let id = ValueId(self.values.len());
        let node = Node { name: name.clone(), op: op.into(), inputs: inputs.to_vec(), outputs: vec![id] };
        let shapes: Vec<&Shape> = inputs.iter().map(|input| &self.values[input.0].shape).collect();
        let shape = infer(&node, &shapes)?.remove(0);
        self.names.insert(name.clone(), id);
        self.values.push(Value { name, shape, origin: Origin::Computed });
        self.nodes.push(node);
        Ok(id)
    }

    /// The same network with other results; what led to the old ones alone becomes dead code.
    pub fn with_outputs(mut self, outputs: &[ValueId]) -> Self {
        self.outputs = outputs.to_vec();
        self
    }

    /// Infers the shape of everything that nodes compute, from the inputs and constants.
    pub(crate) fn infer_shapes(&mut self) -> Result<(), GraphError> {
        for node in &self.nodes {
            let shapes: Vec<&Shape> = node.inputs.iter().map(|input| &self.values[input.0].shape).collect();
            let inferred = infer(node, &shapes)?;
            for (output, shape) in node.outputs.iter().zip(inferred) {
                self.values[output.0].shape = shape;
            }
        }
        Ok(())
    }
}

/// The shapes of a node's results, with its name in any error.
pub(crate) fn infer(node: &Node, inputs: &[&Shape]) -> Result<Vec<Shape>, GraphError> {
    let operator = node.op.operator();
    let failed = |cause| GraphError::Node { node: node.name.clone(), operator: operator.name(), cause };
    let shapes = operator.infer(inputs).map_err(failed)?;
    if shapes.len() != node.outputs.len() {
        return Err(failed(Inconsistency::new("number of outputs", shapes.len(), node.outputs.len())));
    }
    Ok(shapes)
}
