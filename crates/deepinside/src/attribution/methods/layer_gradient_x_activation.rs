//! Layer gradient × activation: the activation of each unit of a layer times the target's gradient there.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{activations_and_gradients, entry, first, layers};
use super::layer_path::{CHANNELS, of_units};
use crate::attribution::parameter::Values;
use crate::attribution::{Attribution, Entry, Method, Runner};
use crate::{Result, Target};

pub(super) const ENTRY: Entry = entry(
    "layer-gradient-x-activation",
    &["layer-grad-x-activation"],
    [
        "layer gradient × activation",
        "The activation of each unit of a layer times the target's gradient with respect to it.",
        "Ancona, Ceolini, Öztireli, Gross 2018, Towards Better Understanding of Gradient-Based Attribution Methods, table 1, at a layer",
    ],
    &[CHANNELS],
    |model, values| {
        Ok(Box::new(LayerGradientXActivation { layers: layers(model, values)?, values: values.clone() }))
    },
);

#[derive(Debug)]
struct LayerGradientXActivation {
    layers: Vec<ValueId>,
    values: Values,
}

impl Method for LayerGradientXActivation {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        first(self.attribute_layers(runner, input, target)?)
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        let found = activations_and_gradients(runner, input, target, &self.layers)?;
        let of_layer = |(layer, activation, gradient): (ValueId, _, super::class_activation::Maps)| {
            let activation: super::class_activation::Maps = activation;
            let units: Vec<f64> = activation
                .numbers
                .iter()
                .zip(&gradient.numbers)
                .map(|(&a, &g)| f64::from(a) * f64::from(g))
                .collect();
            of_units(layer, &activation, &units, &self.values)
        };
        found.into_iter().map(of_layer).collect()
    }
}
