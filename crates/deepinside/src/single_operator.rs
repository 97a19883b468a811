//! One operator of a network as a network of its own, so that it can be watched without the others.

use std::collections::HashMap;

use deepinside_graph::{Graph, GraphBuilder, Node, Origin, ValueId};

use crate::Result;

/// A network of one operator.
pub(crate) struct SingleOperator {
    pub graph: Graph,
    /// What it reads that is not constant; what is read twice stands here once.
    pub inputs: Vec<Counterpart>,
    pub results: Vec<Counterpart>,
}

/// A value of the whole network, and the one that stands for it here.
#[derive(Clone, Copy)]
pub(crate) struct Counterpart {
    pub there: ValueId,
    pub here: ValueId,
}

impl SingleOperator {
    /// Cuts one operator out of a network; its constants come along.
    ///
    /// # Errors
    /// When its constants contradict their shapes, which those of a whole network do not.
    pub fn new(graph: &Graph, node: &Node) -> Result<Self> {
        let mut builder = GraphBuilder::new(node.name.clone());
        let mut known: HashMap<ValueId, ValueId> = HashMap::new();
        let mut inputs = Vec::new();
        let mut operands = Vec::new();
        for &there in &node.inputs {
            let here = if let Some(&here) = known.get(&there) {
                here
            } else {
                let value = graph.value(there);
                match &value.origin {
                    Origin::Constant(weights) => builder.constant(value.name.clone(), weights.clone())?,
                    Origin::Input | Origin::Computed => {
                        let here = builder.input(value.name.clone(), value.shape.clone())?;
                        inputs.push(Counterpart { there, here });
                        here
                    }
                }
            };
            known.insert(there, here);
            operands.push(here);
        }
        let names: Vec<&str> = node.outputs.iter().map(|&output| graph.value(output).name.as_str()).collect();
        let results = builder.node(node.name.clone(), node.op.clone(), &operands, &names)?;
        let graph = builder.finish(&results);
        let results = node.outputs.iter().zip(results).map(|(&there, here)| Counterpart { there, here });
        Ok(Self { graph, inputs, results: results.collect() })
    }
}
