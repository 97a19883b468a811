//! The paper's claim about DeconvNet, operator by operator.
//!
//! Two rules may differ at a layer because they differ at that layer, or because something else arrived there. To tell
//! these apart every operator is run by itself, on the activations that the picture leads to: the three rules are given the
//! same incoming gradient (the unit's true one), and what comes out is compared.

use std::collections::HashMap;
use std::sync::Arc;

use deepinside_engine::{Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::op::Unary;
use deepinside_graph::{Graph, Node, Op, ValueId};

use super::{Axes, RULES, Unit, locate};
use crate::single_operator::{Counterpart, SingleOperator};
use crate::{Error, Model, Result};

/// How the rules compare at one operator. A relative difference is the largest difference of two arrays, divided by
/// the largest magnitude that occurs in either: between 0 (equal) and 2 (opposite).
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ComparedOperator {
    /// The layer's name in the source file.
    pub name: String,
    /// What it computes.
    pub operator: &'static str,
    /// Whether it is a rectifier, which is where the rules are meant to differ.
    pub rectifier: bool,
    /// The largest magnitude of the unit's true gradient that arrives here; where it is 0 nothing is compared.
    pub incoming: f32,
    /// The relative difference to the true gradient of what this operator alone makes of the same incoming gradient under
    /// DeconvNet's rule and under that of guided backpropagation. 0 says equal, bit by bit.
    pub alone: [f32; 2],
    /// The same for the whole way from the unit to the operands of this operator, each rule with what it made itself.
    pub so_far: [f32; 2],
}

/// Compares the rules at every operator between the picture, given as `C × H × W` numbers, and a unit; from the unit back.
///
/// Takes the time of six passes in which everything is kept, about twice as long each as a pass that is not watched.
///
/// # Errors
/// When the unit does not exist or does not depend on the picture, the picture has another size, or a layer cannot be
/// computed.
pub fn operators(
    model: &Model,
    picture: &[f32],
    unit: &Unit,
    threads: &Threads,
) -> Result<Vec<ComparedOperator>> {
    let graph = &model.graph;
    let axes = Axes::of(graph, unit.value)?;
    let (depends, leads) = (graph.depends_on(model.input), graph.leads_to(unit.value));
    let between = |value: ValueId| depends[value.index()] && leads[value.index()];
    if unit.value == model.input || !depends[unit.value.index()] {
        return Err(Error::Option(format!(
            "'{}' is not computed from the picture, so it has no gradient",
            axes.name
        )));
    }
    let nodes: Vec<&Node> =
        graph.nodes().iter().filter(|node| node.outputs.iter().any(|&output| between(output))).collect();
    // Gradients flow through what lies between; what else these operators read is only needed as it is.
    let mut flowing: Vec<ValueId> = vec![model.input];
    flowing.extend(nodes.iter().flat_map(|node| &node.outputs).copied().filter(|&output| between(output)));
    let mut read = flowing.clone();
    read.extend(nodes.iter().flat_map(|node| &node.inputs).copied());
    read.retain(|&value| graph.value(value).weights().is_none());
    read.sort_unstable();
    read.dedup();

    let mut activations: HashMap<ValueId, Vec<f32>> = HashMap::new();
    let mut gradients: Vec<HashMap<ValueId, Vec<f32>>> = Vec::new();
    for rule in RULES {
        let options = PlanOptions {
            activations: read.clone(),
            gradients: flowing.clone(),
            targets: vec![unit.value],
            rule,
            ..PlanOptions::default()
        };
        let mut session = model.session(1, &options, threads)?;
        session.forward(&[(model.input, picture)])?;
        let located = locate(&axes, unit, &session.activation(unit.value)?)?;
        let top = located.element.map_or(Target::Class(unit.channel), Target::Neuron);
        session.backward(&[(unit.value, &top)])?;
        if activations.is_empty() {
            for &value in &read {
                activations.insert(value, session.activation(value)?);
            }
        }
        let of = |&value: &ValueId| Ok((value, session.gradient(value)?));
        gradients.push(flowing.iter().map(of).collect::<Result<_>>()?);
    }

    let mut compared = Vec::new();
    for node in nodes.into_iter().rev() {
        let single = Single { graph, node, activations: &activations, incoming: &gradients[0] };
        let alone = single.run(&between, threads)?;
        let operands: Vec<ValueId> = node.inputs.iter().copied().filter(|&input| between(input)).collect();
        let so_far = |rule: usize| {
            let pairs =
                operands.iter().map(|operand| (&gradients[0][operand][..], &gradients[rule][operand][..]));
            relative_difference(pairs)
        };
        let arriving = node.outputs.iter().filter_map(|output| gradients[0].get(output));
        compared.push(ComparedOperator {
            name: node.name.clone(),
            operator: node.op.operator().name(),
            rectifier: is_rectifier(&node.op),
            incoming: arriving.flatten().fold(0.0, |largest, number| largest.max(number.abs())),
            alone,
            so_far: [so_far(1), so_far(2)],
        });
    }
    Ok(compared)
}

/// Whether the rules treat the operator as a rectifier.
fn is_rectifier(op: &Op) -> bool {
    matches!(op, Op::ParametricRelu(_) | Op::Unary(Unary::Relu { .. } | Unary::Clip { .. }))
}

/// One operator as a network of its own.
struct Single<'a> {
    graph: &'a Graph,
    node: &'a Node,
    activations: &'a HashMap<ValueId, Vec<f32>>,
    incoming: &'a HashMap<ValueId, Vec<f32>>,
}

impl Single<'_> {
    /// How far what comes out under the second and third rule is from what comes out under the first.
    fn run(&self, between: &impl Fn(ValueId) -> bool, threads: &Threads) -> Result<[f32; 2]> {
        let single = SingleOperator::new(self.graph, self.node)?;
        let given: Vec<(ValueId, &[f32])> =
            single.inputs.iter().map(|input| (input.here, &self.activations[&input.there][..])).collect();
        let wanted: Vec<ValueId> =
            single.inputs.iter().filter(|input| between(input.there)).map(|input| input.here).collect();
        let incoming = |result: &Counterpart| {
            Some((result.here, Target::Dense(self.incoming.get(&result.there)?.clone())))
        };
        let tops: Vec<(ValueId, Target)> = single.results.iter().filter_map(incoming).collect();
        let tops: Vec<(ValueId, &Target)> = tops.iter().map(|(value, target)| (*value, target)).collect();

        let mut outcomes: Vec<Vec<Vec<f32>>> = Vec::new();
        for rule in RULES {
            let options = PlanOptions {
                gradients: wanted.clone(),
                targets: tops.iter().map(|(value, _)| *value).collect(),
                rule,
                ..PlanOptions::default()
            };
            let mut session = Session::new(Arc::new(Plan::new(&single.graph, &options)?), threads.clone())?;
            session.forward(&given)?;
            session.backward(&tops)?;
            let gradients = wanted.iter().map(|&operand| session.gradient(operand));
            outcomes.push(gradients.collect::<std::result::Result<_, _>>()?);
        }
        let difference = |rule: usize| {
            let pairs = outcomes[0].iter().zip(&outcomes[rule]);
            relative_difference(pairs.map(|(first, other)| (&first[..], &other[..])))
        };
        Ok([difference(1), difference(2)])
    }
}

/// The largest difference, divided by the largest magnitude in either array, over all pairs; 0 where all is zero.
fn relative_difference<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> f32 {
    let (mut difference, mut largest) = (0.0f64, 0.0f64);
    for (&first, &other) in pairs.flat_map(|(first, other)| first.iter().zip(other)) {
        let (first, other) = (f64::from(first), f64::from(other));
        let apart = (first - other).abs();
        // A number that is none must not look like equality.
        difference = if apart.is_nan() { f64::INFINITY } else { difference.max(apart) };
        largest = largest.max(first.abs()).max(other.abs());
    }
    if difference == 0.0 { 0.0 } else { (difference / largest) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_the_largest_magnitude_of_either() {
        let difference = |first: &[f32], other: &[f32]| relative_difference([(first, other)].into_iter());
        assert_eq!(difference(&[1.0, -2.0], &[1.0, -2.0]), 0.0);
        assert_eq!(difference(&[0.0], &[0.0]), 0.0);
        assert_eq!(difference(&[1.0, 0.0], &[1.0, 4.0]), 1.0);
        assert_eq!(difference(&[-2.0, 1.0], &[2.0, 1.0]), 2.0);
        assert_eq!(difference(&[f32::NAN, 1.0], &[1.0, 1.0]), f32::INFINITY);
    }
}
