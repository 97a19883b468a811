//! Every operator's gradient against finite differences of that operator alone.
//!
//! With `J` the Jacobian and `u` a random direction, `δ ≈ J u` is what a central difference gives. The backward pass from `δ` gives
//! `Jᵀ δ`, whose product with `u` must be `|δ|²`: one number that is large whatever the operator, so that a small relative error says
//! much.
//!
//! The point is near the activations of the picture, but not at them: rectifiers leave many equal zeros, between which a maximum has
//! no derivative. And every number is moved in proportion to its size, so that none changes its sign: roots and logarithms stay
//! defined, and no rectifier switches.

use std::collections::HashMap;
use std::sync::Arc;

use deepinside_engine::{BackwardRule, Plan, PlanOptions, Session, Target, Threads};
use deepinside_graph::{Node, ValueId};
use serde::Serialize;

use super::finite_difference::{STEPS, along, difference, norm, product, random_direction};
use super::{Check, OPERATOR_TOLERANCE};
use crate::random::Random;
use crate::single_operator::{Counterpart, SingleOperator};
use crate::{Model, Result};

/// What was found about one operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckedOperator {
    /// The layer's name in the source file.
    pub name: String,
    /// What it computes.
    pub operator: &'static str,
    /// How far its gradient is from finite differences, relatively; 0 where nothing changes and no gradient flows.
    pub error: f64,
}

impl CheckedOperator {
    /// Whether its gradient agrees with finite differences.
    pub fn agrees(&self) -> bool {
        self.error <= OPERATOR_TOLERANCE
    }
}

/// What every operator between the picture and the score reads.
pub struct Activations {
    values: HashMap<ValueId, Vec<f32>>,
    /// Whether a value lies between the picture and the score.
    between: Vec<bool>,
}

impl Activations {
    /// Runs the network once.
    ///
    /// # Errors
    /// When the picture has another size or a layer cannot be computed.
    pub fn of(model: &Model, picture: &[f32], threads: &Threads) -> Result<Self> {
        let graph = &model.graph;
        let depends = graph.depends_on(model.input);
        let leads = graph.leads_to(model.score.value);
        let between: Vec<bool> =
            depends.iter().zip(leads).map(|(&depends, leads)| depends && leads).collect();
        let mut values: Vec<ValueId> = vec![model.input];
        for node in graph.nodes().iter().filter(|node| is_between(node, &between)) {
            values.extend(node.inputs.iter().chain(&node.outputs).copied());
        }
        values.retain(|&value| graph.value(value).weights().is_none());
        values.sort_unstable();
        values.dedup();
        let options = PlanOptions { activations: values.clone(), ..PlanOptions::default() };
        let mut session = model.session(1, &options, threads)?;
        session.forward(&[(model.input, picture)])?;
        let read = values.into_iter().map(|value| Ok((value, session.activation(value)?)));
        Ok(Self { values: read.collect::<Result<_>>()?, between })
    }

    /// The first value in the order of computation that holds numbers which are none.
    pub fn first_not_finite(&self, model: &Model) -> Option<ValueId> {
        let outputs = model.graph.nodes().iter().flat_map(|node| &node.outputs).copied();
        let is_none = |value: &ValueId| {
            self.values.get(value).is_some_and(|numbers| numbers.iter().any(|number| !number.is_finite()))
        };
        std::iter::once(model.input).chain(outputs).find(is_none)
    }
}

fn is_between(node: &Node, between: &[bool]) -> bool {
    node.outputs.iter().any(|output| between[output.index()])
}

/// Checks every operator between the picture and the score, and chains their gradients, from the score of a class back to the picture.
/// Under other rules than the gradient's, rectifiers rightly fail.
///
/// # Errors
/// When an operator cannot be computed by itself.
pub fn check(
    model: &Model,
    activations: &Activations,
    class: usize,
    rule: BackwardRule,
    random: &mut Random,
    threads: &Threads,
) -> Result<(Vec<CheckedOperator>, Vec<f32>)> {
    let mut incoming: HashMap<ValueId, Target> = HashMap::new();
    incoming.insert(model.score.value, Target::Class(class));
    let mut checked = Vec::new();
    for node in model.graph.nodes().iter().rev().filter(|node| is_between(node, &activations.between)) {
        let mut watched = Watched::new(model, node, activations, rule, threads)?;
        watched.add_to(&mut incoming)?;
        let error = watched.error(random)?;
        checked.push(CheckedOperator { name: node.name.clone(), operator: node.op.operator().name(), error });
    }
    checked.reverse();
    let gradient = match incoming.remove(&model.input) {
        Some(Target::Dense(gradient)) => gradient,
        _ => vec![0.0; model.graph.value(model.input).shape.elements()],
    };
    Ok((checked, gradient))
}

/// Adds something positive to each number, about a tenth of their root mean square.
fn add_offset(point: &mut [f32], random: &mut Random) {
    let size = norm(point) / (point.len().max(1) as f64).sqrt();
    let reach = if size > 0.0 { 0.1 * size } else { 1.0 };
    point.iter_mut().for_each(|number| *number += (reach * random.normal().abs()) as f32);
}

/// One operator, ready to run both ways.
struct Watched<'a> {
    session: Session,
    /// What it reads that is not constant, with the numbers that the picture leads to.
    given: Vec<(Counterpart, &'a [f32])>,
    /// Those of them through which gradients flow.
    moving: Vec<Counterpart>,
    results: Vec<Counterpart>,
}

impl<'a> Watched<'a> {
    fn new(
        model: &Model,
        node: &Node,
        activations: &'a Activations,
        rule: BackwardRule,
        threads: &Threads,
    ) -> Result<Self> {
        let single = SingleOperator::new(&model.graph, node)?;
        let flows = |pair: &&Counterpart| activations.between[pair.there.index()];
        let moving: Vec<Counterpart> = single.inputs.iter().filter(flows).copied().collect();
        let results: Vec<Counterpart> = single.results.iter().filter(flows).copied().collect();
        let here = |pairs: &[Counterpart]| -> Vec<ValueId> { pairs.iter().map(|pair| pair.here).collect() };
        let options = PlanOptions {
            activations: here(&results),
            gradients: here(&moving),
            targets: here(&results),
            rule,
            ..PlanOptions::default()
        };
        let plan = Plan::new(&single.graph, &options)?;
        let given = single.inputs.iter().map(|&pair| (pair, &activations.values[&pair.there][..])).collect();
        let session = Session::new(Arc::new(plan), threads.clone())?;
        Ok(Self { session, given, moving, results })
    }

    /// Turns what arrived at its results into what leaves its operands, and adds that to what is there already.
    fn add_to(&mut self, gradients: &mut HashMap<ValueId, Target>) -> Result<()> {
        let tops: Vec<(ValueId, Target)> = self
            .results
            .iter()
            .filter_map(|pair| Some((pair.here, gradients.remove(&pair.there)?)))
            .collect();
        let given: Vec<(ValueId, &[f32])> =
            self.given.iter().map(|(pair, numbers)| (pair.here, *numbers)).collect();
        self.session.forward(&given)?;
        self.session.backward(&tops.iter().map(|(value, target)| (*value, target)).collect::<Vec<_>>())?;
        for pair in &self.moving {
            let mut gradient = self.session.gradient(pair.here)?;
            if let Some(Target::Dense(others)) = gradients.get(&pair.there) {
                gradient.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
            }
            gradients.insert(pair.there, Target::Dense(gradient));
        }
        Ok(())
    }

    /// How far the gradient is from finite differences, relatively: the least of all steps.
    fn error(&mut self, random: &mut Random) -> Result<f64> {
        let mut points = Vec::new();
        for (pair, numbers) in &self.given {
            let mut point = numbers.to_vec();
            let mut direction = None;
            if self.moving.iter().any(|moving| moving.here == pair.here) {
                add_offset(&mut point, random);
                let ways = random_direction(point.len(), random);
                direction = Some(ways.iter().zip(&point).map(|(way, at)| way * at).collect::<Vec<f32>>());
            }
            points.push((pair.here, point, direction));
        }
        let mut least = f64::INFINITY;
        for step in STEPS {
            let (mut plus, mut minus, mut moves) = (Vec::new(), Vec::new(), Vec::new());
            for (value, point, direction) in &points {
                if let Some(direction) = direction {
                    let (before, behind, moved) = along(point, direction, step);
                    plus.push((*value, before));
                    minus.push((*value, behind));
                    moves.push((*value, moved));
                } else {
                    plus.push((*value, point.clone()));
                    minus.push((*value, point.clone()));
                }
            }
            let (plus, minus) = (self.results_at(&plus)?, self.results_at(&minus)?);
            let differences = plus.iter().zip(&minus).map(|(plus, minus)| difference(plus, minus));
            let tops: Vec<(ValueId, Target)> =
                self.results.iter().map(|pair| pair.here).zip(differences.map(Target::Dense)).collect();
            let measured: f64 = tops.iter().map(|(_, top)| square(top)).sum();
            let origin: Vec<(ValueId, &[f32])> =
                points.iter().map(|(value, point, _)| (*value, &point[..])).collect();
            self.session.forward(&origin)?;
            self.session.backward(&tops.iter().map(|(value, top)| (*value, top)).collect::<Vec<_>>())?;
            let mut predicted = 0.0;
            for (value, moved) in &moves {
                predicted += product(&self.session.gradient(*value)?, moved);
            }
            least = least.min(relative_error(measured, predicted));
        }
        Ok(least)
    }

    fn results_at(&mut self, point: &[(ValueId, Vec<f32>)]) -> Result<Vec<Vec<f32>>> {
        let given: Vec<(ValueId, &[f32])> =
            point.iter().map(|(value, numbers)| (*value, &numbers[..])).collect();
        self.session.forward(&given)?;
        let results = self.results.iter().map(|pair| self.session.activation(pair.here));
        Ok(results.collect::<std::result::Result<_, _>>()?)
    }
}

fn square(target: &Target) -> f64 {
    if let Target::Dense(numbers) = target { product(numbers, numbers) } else { 0.0 }
}

/// The difference, divided by the larger magnitude; 0 where both are equal. Not a number where one of them is none.
fn relative_error(one: f64, other: f64) -> f64 {
    if one == other { 0.0 } else { (one - other).abs() / one.abs().max(other.abs()) }
}

/// All operators in one line.
pub fn summary(operators: &[CheckedOperator]) -> Check {
    let Some(worst) = operators.iter().max_by(|one, other| one.error.total_cmp(&other.error)) else {
        return Check::skipped("operators", "the score is the picture itself");
    };
    let agreeing = operators.iter().filter(|operator| operator.agrees()).count();
    Check::measured(
        "operators",
        worst.error,
        OPERATOR_TOLERANCE,
        format!(
            "the gradients of {agreeing} of {} operators agree with finite differences; the worst is {} '{}' ({:.0e})",
            operators.len(),
            worst.operator,
            worst.name,
            worst.error
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    /// A convolution with a rectifier behind it, and a maximum.
    fn model() -> Model {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.prototxt");
        let text = "
            layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
            layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv' convolution_param { num_output: 8 kernel_size: 3 } }
            layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }
            layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
            layer { name: 'fc' type: 'InnerProduct' bottom: 'pool' top: 'fc' inner_product_param { num_output: 4 } }";
        std::fs::write(&path, text).unwrap();
        Model::open_with(&path, Settings { random_weights: Some(1), ..Settings::default() }).unwrap()
    }

    fn failing(rule: BackwardRule) -> Vec<&'static str> {
        let model = model();
        let threads = Threads::new(1).unwrap();
        let mut random = Random::new(3);
        let picture = random_direction(3 * 6 * 6, &mut random);
        let activations = Activations::of(&model, &picture, &threads).unwrap();
        let (found, _) = check(&model, &activations, 2, rule, &mut random, &threads).unwrap();
        assert_eq!(found.len(), 4);
        found.into_iter().filter(|operator| !operator.agrees()).map(|operator| operator.operator).collect()
    }

    #[test]
    fn true_gradients_agree_and_those_of_other_rules_do_not() {
        assert_eq!(failing(BackwardRule::Gradient), [""; 0]);
        for rule in [BackwardRule::DeconvNet, BackwardRule::Guided, BackwardRule::Smooth] {
            assert_eq!(failing(rule), ["Relu"], "{rule:?}");
        }
    }

    #[test]
    fn errors_are_relative_and_never_hide_what_is_no_number() {
        assert_eq!(relative_error(0.0, 0.0), 0.0);
        assert_eq!(relative_error(1.0, -1.0), 2.0);
        assert_eq!(relative_error(0.0, 3.0), 1.0);
        assert!(relative_error(f64::NAN, 1.0).is_nan());
    }
}
