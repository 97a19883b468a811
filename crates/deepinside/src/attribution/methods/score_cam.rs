//! Score-CAM (Wang and others 2020): channels weighed by the target's number for the input masked with each.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use super::class_activation::{POSITIVE, channels_of, entry, first, layers, weighed};
use crate::attribution::masks::{Enlargement, enlarge};
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::{Model, Result, Target};

pub(super) const ENTRY: Entry = entry(
    "score-cam",
    &["scorecam"],
    [
        "Score-CAM",
        "The channels of a layer, each weighed by the softmax of the target's number for the input masked with it; no gradient.",
        "Wang and others 2020, Score-CAM, algorithm 1",
    ],
    &[POSITIVE, ENLARGEMENT],
    |model, values| Ok(Box::new(ScoreCam { layers: layers(model, values)?, values: values.clone() })),
);

const ENLARGEMENT: Parameter = Parameter {
    name: "enlargement",
    help: "how a channel gets the input's size: bilinear with the corners on corners as in pytorch-grad-cam, or with half-pixel centres",
    unit: "",
    kind: Kind::Choice(&["align-corners", "half-pixel"]),
    default: Default::Word("align-corners"),
};

#[derive(Debug)]
struct ScoreCam {
    layers: Vec<ValueId>,
    values: Values,
}

impl Method for ScoreCam {
    fn passes(&self, model: &Model, _input: &Array) -> Result<Passes> {
        Ok(Passes::new(1 + channels_of(model, &self.layers)?, 0))
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
        let enlargement = match self.values.word(ENLARGEMENT.name) {
            Some("half-pixel") => Enlargement::HalfPixel,
            _ => Enlargement::AlignCorners,
        };
        let size = [input.shape()[1], input.shape()[2]];
        weighed(runner, input, target, &self.layers, &self.values, &|runner, layer| {
            let maps = layer.maps;
            let masked = |channel: usize| -> Vec<f32> {
                let own = &maps.numbers[channel * maps.positions()..][..maps.positions()];
                let own: Vec<f64> = own.iter().map(|&number| f64::from(number)).collect();
                let mask = enlarge(&own, [maps.rows, maps.columns], size, enlargement);
                let (low, high) =
                    mask.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &number| {
                        (low.min(number), high.max(number))
                    });
                let mask: Vec<f64> = mask.iter().map(|number| (number - low) / (high - low + 1e-8)).collect();
                let numbers = input.data().iter().enumerate();
                numbers.map(|(at, &number)| (f64::from(number) * mask[at % mask.len()]) as f32).collect()
            };
            let numbers = runner.numbers(target, maps.channels, &masked)?;
            let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exponentials: Vec<f64> = numbers.iter().map(|number| (number - largest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            Ok(exponentials.iter().map(|number| number / sum).collect())
        })
    }
}
