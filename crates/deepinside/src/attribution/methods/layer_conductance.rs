//! Conductance (Dhamdhere, Sundararajan, Yan 2018): how much of the target's change flows through each unit of a layer.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{Maps, entry, first, layers};
use super::integrated_gradients::{STEPS, gauss_legendre};
use super::layer_path::{CHANNELS, along, of_units};
use crate::attribution::baseline::BASELINE;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Completeness, Entry, Method, Passes, Runner};
use crate::{Model, Result, Target};

pub(super) const ENTRY: Entry = entry(
    "layer-conductance",
    &["conductance"],
    [
        "layer conductance",
        "The target's gradient with respect to each unit of a layer times the unit's change, along the line from a baseline to the input.",
        "Dhamdhere, Sundararajan, Yan 2018, How Important Is a Neuron?, equation 3",
    ],
    &[STEPS, RULE, BASELINE, CHANNELS],
    |model, values| Ok(Box::new(LayerConductance { layers: layers(model, values)?, values: values.clone() })),
);

const RULE: Parameter = Parameter {
    name: "rule",
    help: "trapezoids over evenly spaced points with both ends, or as Captum: the left gradients between Gauss–Legendre points, which leave \
           out a bit at both ends",
    unit: "",
    kind: Kind::Choice(&["trapezoid", "captum"]),
    default: Default::Word("trapezoid"),
};

#[derive(Debug)]
struct LayerConductance {
    layers: Vec<ValueId>,
    values: Values,
}

impl Method for LayerConductance {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let points = self.values.whole(STEPS.name).unwrap_or(50) + 1;
        Ok(Passes::new(points + 2, points))
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
        let steps = self.values.whole(STEPS.name).unwrap_or(50);
        let is_captum = self.values.word(RULE.name) == Some("captum");
        let shares: Vec<f64> = match is_captum {
            true => gauss_legendre(steps + 1).into_iter().map(|(share, _)| share).collect(),
            false => (0..=steps).map(|step| step as f64 / steps as f64).collect(),
        };
        let mut sums: Vec<Vec<f64>> = vec![Vec::new(); self.layers.len()];
        let mut last: Option<Vec<[Maps; 2]>> = None;
        let baseline = along(runner, input, target, &self.layers, &self.values, &shares, &mut |_, found| {
            let before = last.take();
            for ((sums, [from, left]), [to, right]) in
                sums.iter_mut().zip(before.iter().flatten()).zip(&found)
            {
                sums.resize(to.numbers.len(), 0.0);
                for (unit, sum) in sums.iter_mut().enumerate() {
                    let [left, right] = [left, right].map(|gradient| f64::from(gradient.numbers[unit]));
                    let slope = if is_captum { left } else { 0.5 * (left + right) };
                    *sum += slope * (f64::from(to.numbers[unit]) - f64::from(from.numbers[unit]));
                }
            }
            last = Some(found);
        })?;
        let difference = runner.number(input, target)? - runner.number(&baseline, target)?;
        let mut attributions = Vec::new();
        for ((&layer, [maps, _]), units) in self.layers.iter().zip(last.iter().flatten()).zip(&sums) {
            let attribution = of_units(layer, maps, units, &self.values)?;
            let completeness = Completeness { sum: units.iter().sum(), difference };
            attributions.push(Attribution { completeness: Some(completeness), ..attribution });
        }
        Ok(attributions)
    }
}
