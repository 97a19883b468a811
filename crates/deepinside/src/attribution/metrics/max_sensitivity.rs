//! Max-sensitivity (Yeh and others 2019): how much the attribution changes where the input hardly does.

use deepinside_files::Array;

use super::statistics::length;
use super::{Measure, Metric, MetricEntry, stacked};
use crate::attribution::baseline::range;
use crate::attribution::parameter::{Default, Kind, Parameter, Values, perturbations, samples, seed};
use crate::attribution::{Method, Runner};
use crate::random::Random;
use crate::{Error, Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "max-sensitivity",
    title: "max-sensitivity",
    summary: "The largest change of the attribution over small perturbations of the input, as a share of its length; less is better.",
    source: "Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, On the (In)fidelity and Sensitivity of Explanations, definition 3.1",
    parameters: &[PERTURBATIONS, SAMPLES, RADIUS, SEED],
    make: |values| Ok(Box::new(MaxSensitivity { values: values.clone() })),
};

const PERTURBATIONS: Parameter =
    perturbations("what is added to the input, number × C × H × W, instead of random noise");

const SAMPLES: Parameter = samples("how many random perturbations", "perturbations", 10.0);

const RADIUS: Parameter = Parameter {
    name: "radius",
    help: "the largest change of a number by a random perturbation, as a share of the range of the input's numbers",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.02),
};

const SEED: Parameter = seed("the random seed of perturbations");

#[derive(Debug)]
struct MaxSensitivity {
    values: Values,
}

impl Metric for MaxSensitivity {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        _map: &Array,
        method: &dyn Method,
    ) -> Result<Measure> {
        let perturbations: Vec<Vec<f32>> = match self.values.array(PERTURBATIONS.name) {
            Some(given) => stacked(given, input, PERTURBATIONS.name)?.map(<[f32]>::to_vec).collect(),
            None => {
                let mut random = Random::new(self.values.number(SEED.name).unwrap_or(0.0) as u64);
                let (low, high) = range(input);
                let radius = self.values.number(RADIUS.name).unwrap_or(0.02) * f64::from(high - low);
                let mut uniform = || random.between(-radius, radius) as f32;
                let samples = self.values.whole(SAMPLES.name).unwrap_or(10);
                (0..samples).map(|_| input.data().iter().map(|_| uniform()).collect()).collect()
            }
        };
        let own = method.attribute(runner, input, target)?.values;
        let size = length(own.data().iter().map(|&number| f64::from(number)));
        if size == 0.0 {
            return Err(Error::Option(
                "the attribution is zero everywhere: a share of its length means nothing".to_owned(),
            ));
        }
        let mut shares = Vec::new();
        for added in &perturbations {
            let numbers = input.data().iter().zip(added).map(|(number, added)| number + added).collect();
            let other = method.attribute(runner, &Array::new(input.shape(), numbers)?, target)?.values;
            let differences = own.data().iter().zip(other.data()).map(|(&a, &b)| f64::from(a) - f64::from(b));
            shares.push(length(differences) / size);
        }
        let largest = shares.iter().copied().fold(0.0, f64::max);
        Ok(Measure {
            details: [
                ("unnormalised", vec![largest * size]),
                ("mean", vec![shares.iter().sum::<f64>() / shares.len().max(1) as f64]),
            ]
            .into(),
            curve: Some(shares),
            ..Measure::of(largest)
        })
    }
}
