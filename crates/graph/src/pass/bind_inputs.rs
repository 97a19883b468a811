//! Inputs whose numbers are known.

use std::collections::BTreeMap;

use crate::{Budget, Constant, Graph, GraphError, Inconsistency, Origin, ValueId, Weights, fold};

/// Makes inputs constants, and what follows from constants alone as well, as far as the budget goes; values keep their identity.
///
/// # Errors
/// When a value is no input, or the numbers have another shape.
pub fn bind_inputs(
    mut graph: Graph,
    numbers: &BTreeMap<ValueId, Weights>,
    budget: &Budget,
) -> Result<Graph, GraphError> {
    for (&input, weights) in numbers {
        let value = &mut graph.values[input.0];
        let failed = |cause| GraphError::Value { value: value.name.clone(), cause };
        if !matches!(value.origin, Origin::Input) {
            return Err(failed(Inconsistency::new("value", "an input", "a computed one or a constant")));
        }
        if *weights.shape() != value.shape {
            return Err(failed(Inconsistency::new("shape", &value.shape, weights.shape())));
        }
        value.origin = Origin::Constant(weights.clone());
        graph.inputs.retain(|own| *own != input);
    }
    let mut known: BTreeMap<ValueId, Constant> =
        numbers.iter().map(|(&input, weights)| (input, Constant::from(weights.clone()))).collect();
    let mut kept = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes) {
        let operands: Option<Vec<Constant>> = node
            .inputs
            .iter()
            .map(|input| {
                let stored = || graph.values[input.0].weights().cloned().map(Constant::from);
                known.get(input).cloned().or_else(stored)
            })
            .collect();
        // Only what reads a bound input changes.
        let reads_known = node.inputs.iter().any(|input| known.contains_key(input));
        let folded = operands.filter(|_| reads_known).and_then(|operands| {
            let operands: Vec<&Constant> = operands.iter().collect();
            fold(&node.op, &operands, budget).ok().flatten()
        });
        let weights: Option<Vec<Weights>> = folded
            .as_ref()
            .and_then(|results| results.iter().map(|result| result.to_weights().ok()).collect());
        let (Some(folded), Some(weights)) = (folded, weights) else {
            kept.push(node);
            continue;
        };
        for ((&output, constant), weights) in node.outputs.iter().zip(folded).zip(weights) {
            graph.values[output.0].origin = Origin::Constant(weights);
            known.insert(output, constant);
        }
    }
    graph.nodes = kept;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Eltwise, Unary};
    use crate::{GraphBuilder, Interrupt, Shape};

    #[test]
    fn a_bound_input_and_what_follows_from_it_are_constants() {
        let shape = || Shape::new([1, 2]).unwrap();
        let mut builder = GraphBuilder::new("");
        let [x, y] = ["x", "y"].map(|name| builder.input(name, shape()).unwrap());
        let square = Unary::Power { power: 2.0, scale: 1.0, shift: 0.0 };
        let squares = builder.node("squares", square, &[y], &["squares"]).unwrap()[0];
        let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
        let sum = builder.node("sum", sum, &[x, squares], &["sum"]).unwrap()[0];
        let graph = builder.finish(&[sum]);
        let budget = Budget::for_file(0, Interrupt::default());
        let numbers = BTreeMap::from([(y, Weights::filled(shape(), 3.0))]);
        let bound = bind_inputs(graph.clone(), &numbers, &budget).unwrap();
        assert_eq!(bound.inputs(), [x]);
        assert_eq!(bound.nodes().len(), 1);
        let squares = bound.value(squares).weights().unwrap();
        assert_eq!(Constant::from(squares.clone()).numbers(), [9.0, 9.0].as_slice());
        let other = BTreeMap::from([(y, Weights::filled(Shape::new([1, 3]).unwrap(), 3.0))]);
        assert!(bind_inputs(graph.clone(), &other, &budget).is_err());
        assert!(
            bind_inputs(graph, &BTreeMap::from([(sum, Weights::filled(shape(), 3.0))]), &budget).is_err()
        );
    }
}
