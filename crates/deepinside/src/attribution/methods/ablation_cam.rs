//! Ablation-CAM (Desai and Ramaswamy 2020): channels weighed by how much the target falls where each is switched off.

use deepinside_graph::ValueId;
use deepinside_vision::Array;

use super::class_activation::{Maps, POSITIVE, attribution, entry, first, layers, weighted_sum};
use crate::attribution::Entry;
use crate::attribution::parameter::Values;
use crate::attribution::{Attribution, Method, Pass, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: Entry = entry(
    "ablation-cam",
    &["ablationcam"],
    [
        "Ablation-CAM",
        "The channels of a layer, each weighed by the share of the target that is lost without it; no gradient.",
        "Desai and Ramaswamy 2020, Ablation-CAM, equations 5 and 6",
    ],
    &[POSITIVE],
    |model, values| Ok(Box::new(AblationCam { layers: layers(model, values)?, values: values.clone() })),
);

#[derive(Debug)]
struct AblationCam {
    layers: Vec<ValueId>,
    values: Values,
}

impl Method for AblationCam {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        first(self.attribute_layers(runner, input, target)?)
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        let model = runner.model().clone();
        let pass = Pass { activations: self.layers.clone(), ..Pass::forward() };
        let (whole, activations) = runner.one(&pass, target, input.data(), |passed| {
            let arrays: Result<Vec<Array>> =
                self.layers.iter().map(|&layer| passed.activation(layer)).collect();
            Ok((passed.number, arrays?))
        })?;
        let mut found = Vec::new();
        for (&layer, activation) in self.layers.iter().zip(&activations) {
            let maps = Maps::of(&model, layer, activation)?;
            let without = |channel: usize| {
                let mut numbers = activation.data().to_vec();
                maps.elements_of(channel).for_each(|element| numbers[element] = 0.0);
                numbers
            };
            // The network is computed from the layer on.
            let pass = Pass { from: Some(layer), ..Pass::forward() };
            let mut weights = Vec::with_capacity(maps.channels);
            let read = |passed: &crate::attribution::Passed<'_>| Ok(passed.number);
            runner.each_from(
                Some(input),
                &pass,
                target,
                maps.channels,
                &without,
                &read,
                &mut |_, number| {
                    weights.push((whole - number) / whole);
                    Ok(())
                },
            )?;
            found.push(attribution(
                layer,
                [maps.rows, maps.columns],
                weighted_sum(&maps, &weights),
                &self.values,
            )?);
        }
        Ok(found)
    }
}
