//! A network from one of its layers on.

use crate::graph::Origin;
use crate::{Graph, Value, ValueId};

/// Makes a computed value an input, so that it can be fed from outside. Inputs that the `wanted` values then no longer depend on are
/// none any more; where others remain they keep their order, before the new one.
pub fn cut_at(mut graph: Graph, value: ValueId, wanted: &[ValueId]) -> Graph {
    for node in 0..graph.nodes.len() {
        let Some(place) = graph.nodes[node].outputs.iter().position(|&output| output == value) else {
            continue;
        };
        // The node keeps computing what it computed, under a name that no file has.
        let id = ValueId(graph.values.len());
        let name = format!("{}@cut", graph.values[value.0].name);
        let shape = graph.values[value.0].shape.clone();
        graph.names.insert(name.clone(), id);
        graph.values.push(Value { name, shape, origin: Origin::Computed });
        graph.nodes[node].outputs[place] = id;
    }
    let mut needed = vec![false; graph.values.len()];
    wanted.iter().for_each(|wanted| needed[wanted.0] = true);
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|output| needed[output.0]) {
            node.inputs.iter().for_each(|input| needed[input.0] = true);
        }
    }
    graph.values[value.0].origin = Origin::Input;
    graph.inputs.retain(|input| needed[input.0] && *input != value);
    graph.inputs.push(value);
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Eltwise, Unary};
    use crate::{GraphBuilder, Shape};

    #[test]
    fn what_is_not_needed_any_more_is_no_input() {
        let mut builder = GraphBuilder::new("");
        let x = builder.input("x", Shape::new([1, 2]).unwrap()).unwrap();
        let a = builder.node("a", Unary::Tanh, &[x], &["a"]).unwrap()[0];
        let b = builder.node("b", Unary::Tanh, &[a], &["b"]).unwrap()[0];
        let sum = Eltwise::Sum { coefficients: vec![1.0; 2] };
        let c = builder.node("c", sum, &[b, x], &["c"]).unwrap()[0];
        let graph = builder.finish(&[c]);
        assert_eq!(cut_at(graph.clone(), a, &[b]).inputs(), [a]);
        let cut = cut_at(graph, a, &[c]);
        assert_eq!(cut.inputs(), [x, a]);
        assert_ne!(cut.nodes()[0].outputs, [a]);
    }
}
