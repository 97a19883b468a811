//! Ablation-CAM (Desai and Ramaswamy 2020): channels weighed by how much the target falls where each is switched off.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{POSITIVE, channels_of, entry, first, layers, weighed};
use crate::attribution::Entry;
use crate::attribution::parameter::Values;
use crate::attribution::{Attribution, Method, Pass, Passes, Runner};
use crate::{Model, Result, Target};

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
    fn passes(&self, model: &Model, _input: &Array) -> Result<Passes> {
        // From the layer on.
        Ok(Passes::of_changes(1 + channels_of(model, &self.layers)?))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        first(self.attribute_layers(runner, input, target)?)
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        weighed(runner, input, target, &self.layers, &self.values, &|runner, layer| {
            let without = |channel: usize| {
                let mut numbers = layer.activation.data().to_vec();
                layer.maps.elements_of(channel).for_each(|element| numbers[element] = 0.0);
                numbers
            };
            // The network is computed from the layer on.
            let pass = Pass { from: Some(layer.layer), ..Pass::forward() };
            let mut weights = Vec::with_capacity(layer.maps.channels);
            runner.each_from(
                Some(input),
                &pass,
                target,
                layer.maps.channels,
                &without,
                &|passed| Ok(passed.number),
                &mut |_, number| {
                    weights.push((layer.whole - number) / layer.whole);
                    Ok(())
                },
            )?;
            Ok(weights)
        })
    }
}
