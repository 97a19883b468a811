//! DeepLIFT with the rescale rule (Shrikumar, Greenside, Kundaje 2017): the change of the target between a baseline and the input,
//! passed back through the share that each function has in it.

use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::expected_gradients::{BASELINES, arrays};
use crate::attribution::baseline::{BASELINE, MULTIPLY, baseline, factor, multiplies};
use crate::attribution::parameter::Values;
use crate::attribution::secants::{Ends, needed, secants};
use crate::attribution::{Attribution, Completeness, Entry, Method, Pass, Runner};
use crate::{BackwardRule, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "deep-lift",
    aliases: &["deeplift", "deep-lift-shap"],
    title: "DeepLIFT",
    summary: "The target's change from a baseline to the input, shared among the numbers of the input by the slopes of all functions between the two (rescale rule); the mean over baselines where several are given.",
    source: "Shrikumar, Greenside, Kundaje 2017, Learning Important Features Through Propagating Activation Differences, §3.5.1",
    parameters: &[BASELINE, BASELINES, MULTIPLY],
    layers: false,
    make: |_, values| Ok(Box::new(DeepLift { values: values.clone() })),
};

#[derive(Debug)]
struct DeepLift {
    values: Values,
}

/// The target's number for a point, and the activations of some values.
fn activations(
    runner: &mut Runner,
    values: &[ValueId],
    point: &Array,
    target: &Target,
) -> Result<(f64, Vec<Vec<f32>>)> {
    let pass = Pass { activations: values.to_vec(), ..Pass::forward() };
    runner.one(&pass, target, point.data(), |passed| {
        let numbers: Result<_> = values.iter().map(|&value| passed.numbers(value)).collect();
        Ok((passed.number, numbers?))
    })
}

impl Method for DeepLift {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let mut baselines = arrays(self.values.array(BASELINES.name), input, BASELINES.name)?;
        if baselines.is_empty() {
            baselines.push(baseline(&self.values, input)?);
        }
        let model = Arc::clone(runner.model());
        let targets = target.values(&model);
        let read = needed(&model.graph, model.input, &targets);
        let (number, to) = activations(runner, &read, input, target)?;
        let (share, factor) = (1.0 / baselines.len() as f64, factor(&self.values));
        let mut sums = vec![0.0f64; input.data().len()];
        let (mut difference, mut left) = (0.0, Vec::new());
        for baseline in &baselines {
            let (own, from) = activations(runner, &read, baseline, target)?;
            difference += share * (number - own);
            let pairs = from.into_iter().zip(&to).map(|(from, to)| [from, to.clone()]);
            let ends: Ends = read.iter().copied().zip(pairs).collect();
            let found = secants(&model.graph, model.input, &targets, &ends)?;
            left = found.left;
            let mut lines = model.as_ref().clone();
            lines.graph = found.graph;
            let mut lines = Runner::new(Arc::new(lines), runner.threads().clone());
            let pass = Pass::to_input(lines.model(), BackwardRule::Gradient);
            let slopes = lines.one(&pass, target, input.data(), |passed| passed.input_gradient())?;
            let changes = input.data().iter().zip(baseline.data());
            for ((sum, &slope), (&to, &from)) in sums.iter_mut().zip(slopes.data()).zip(changes) {
                *sum += share * f64::from(slope) * factor(to, from);
            }
        }
        let values = Array::new(input.shape(), sums.iter().map(|&sum| sum as f32).collect())?;
        let completeness = Completeness { sum: sums.iter().sum(), difference };
        let completeness = multiplies(&self.values).then_some(completeness);
        let mut attribution = Attribution { completeness, ..Attribution::of_input(values) };
        if let Some(first) = left.first() {
            attribution.notes.push(format!(
                "the rescale rule says nothing about {} of the network's layers, first {first}: they pass back their gradient at the \
                 input, and the values need not add up to the target's change",
                left.len()
            ));
        }
        Ok(attribution)
    }
}
