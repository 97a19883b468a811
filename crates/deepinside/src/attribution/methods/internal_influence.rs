//! Internal influence (Leino and others 2018): the mean gradient at a layer's units on the line from a baseline to the input.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{Maps, entry, first, layers};
use super::integrated_gradients::{QUADRATURE, STEPS, points};
use super::layer_path::{CHANNELS, along, of_units};
use crate::attribution::baseline::BASELINE;
use crate::attribution::parameter::Values;
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::{Model, Result, Target};

pub(super) const ENTRY: Entry = entry(
    "internal-influence",
    &[],
    [
        "internal influence",
        "The target's mean gradient with respect to each unit of a layer, on the line from a baseline to the input.",
        "Leino, Sen, Datta, Fredrikson, Li 2018, Influence-Directed Explanations for Deep Convolutional Networks, definition 1",
    ],
    &[STEPS, QUADRATURE, BASELINE, CHANNELS],
    |model, values| {
        let (layers, points) = (layers(model, values)?, points(values)?);
        Ok(Box::new(InternalInfluence { layers, points, values: values.clone() }))
    },
);

#[derive(Debug)]
struct InternalInfluence {
    layers: Vec<ValueId>,
    points: Vec<(f64, f64)>,
    values: Values,
}

impl Method for InternalInfluence {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let points = self.points.len();
        Ok(Passes::new(points, points))
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
        let (shares, weights): (Vec<f64>, Vec<f64>) = self.points.iter().copied().unzip();
        let mut sums: Vec<Vec<f64>> = vec![Vec::new(); self.layers.len()];
        let mut last: Vec<[Maps; 2]> = Vec::new();
        along(runner, input, target, &self.layers, &self.values, &shares, &mut |step, found| {
            for (sums, [_, gradient]) in sums.iter_mut().zip(&found) {
                sums.resize(gradient.numbers.len(), 0.0);
                let terms = sums.iter_mut().zip(&gradient.numbers);
                terms.for_each(|(sum, &number)| *sum += weights[step] * f64::from(number));
            }
            last = found;
        })?;
        let layers = self.layers.iter().zip(&last).zip(&sums);
        layers.map(|((&layer, [maps, _]), units)| of_units(layer, maps, units, &self.values)).collect()
    }
}
