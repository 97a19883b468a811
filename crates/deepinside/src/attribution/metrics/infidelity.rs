//! Infidelity (Yeh and others 2019): how far the map is from telling what perturbations do to the target.

use deepinside_files::Array;

use super::{Measure, Metric, MetricEntry, per_number, stacked};
use crate::attribution::baseline::range;
use crate::attribution::parameter::{Default, Kind, Parameter, Values, perturbations, samples, seed};
use crate::attribution::{Method, Runner};
use crate::random::Random;
use crate::{Result, Target};

pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "infidelity",
    title: "infidelity",
    summary: "The mean squared difference between perturbation times map and what the perturbation takes from the target; less is better.",
    source: "Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, On the (In)fidelity and Sensitivity of Explanations, definition 2.1",
    parameters: &[PERTURBATIONS, SAMPLES, DEVIATION, SEED, NORMALISE],
    make: |values| Ok(Box::new(Infidelity { values: values.clone() })),
};

const PERTURBATIONS: Parameter =
    perturbations("what is subtracted from the input, number × C × H × W, instead of random noise");

const SAMPLES: Parameter = samples("how many random perturbations", "perturbations", 50.0);

const DEVIATION: Parameter = Parameter {
    name: "deviation",
    help: "the deviation of random perturbations, as a share of the range of the input's numbers",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.1),
};

const SEED: Parameter = seed("the random seed of perturbations");

const NORMALISE: Parameter = Parameter {
    name: "normalise",
    help: "whether the map is first multiplied by the number that makes it fit best, as in Captum",
    unit: "",
    kind: Kind::Flag,
    default: Default::Flag(false),
};

#[derive(Debug)]
struct Infidelity {
    values: Values,
}

impl Metric for Infidelity {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        _method: &dyn Method,
    ) -> Result<Measure> {
        let map = per_number(map, input)?;
        let perturbations: Vec<Vec<f32>> = match self.values.array(PERTURBATIONS.name) {
            Some(given) => stacked(given, input, PERTURBATIONS.name)?.map(<[f32]>::to_vec).collect(),
            None => {
                let mut random = Random::new(self.values.number(SEED.name).unwrap_or(0.0) as u64);
                let (low, high) = range(input);
                let deviation = self.values.number(DEVIATION.name).unwrap_or(0.1) * f64::from(high - low);
                let mut normal = || (deviation * random.normal()) as f32;
                let samples = self.values.whole(SAMPLES.name).unwrap_or(50);
                (0..samples).map(|_| map.iter().map(|_| normal()).collect()).collect()
            }
        };
        let whole = runner.number(input, target)?;
        let perturbed = |sample: usize| -> Vec<f32> {
            input.data().iter().zip(&perturbations[sample]).map(|(number, taken)| number - taken).collect()
        };
        let numbers = runner.numbers(target, perturbations.len(), &perturbed)?;
        let products: Vec<f64> = perturbations
            .iter()
            .map(|taken| taken.iter().zip(map).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
            .collect();
        let changes: Vec<f64> = numbers.iter().map(|number| whole - number).collect();
        let scale = if self.values.flag(NORMALISE.name) {
            let fit: f64 = products.iter().zip(&changes).map(|(product, change)| product * change).sum();
            let squares: f64 = products.iter().map(|product| product * product).sum();
            if squares == 0.0 { 0.0 } else { fit / squares }
        } else {
            1.0
        };
        let squares =
            products.iter().zip(&changes).map(|(product, change)| (scale * product - change).powi(2));
        let value = squares.sum::<f64>() / changes.len() as f64;
        Ok(Measure { details: [("scale", vec![scale])].into(), ..Measure::of(value) })
    }
}
