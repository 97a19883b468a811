//! Expected gradients (Erion and others 2021; GradientSHAP): integrated gradients whose baselines and points are drawn at random.

use std::sync::Arc;

use deepinside_files::Array;

use crate::attribution::baseline::{MULTIPLY, factor, like_input, range};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Entry, Method, Pass, Passes, Runner};
use crate::random::Random;
use crate::{BackwardRule, Error, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "expected-gradients",
    aliases: &["gradient-shap"],
    title: "expected gradients",
    summary: "The mean over baselines and points between them and the input of the gradient times how far each number goes.",
    source: "Erion, Janizek, Sturmfels, Lundberg, Lee 2021, Improving Performance of Deep Learning Models with Axiomatic Attribution Priors, equation 5",
    parameters: &[SAMPLES, SEED, BASELINES, ALPHAS, INDICES, NOISE, DEVIATION, MULTIPLY],
    layers: false,
    make: |_, values| Ok(Box::new(ExpectedGradients { values: values.clone() })),
};

const SAMPLES: Parameter = samples("how many points", "points", 50.0);

const SEED: Parameter = seed("the random seed of points, baselines and noise that are not given");

pub(super) const BASELINES: Parameter = Parameter {
    name: "baselines",
    help: "the baselines, number × C × H × W; the zero input alone where they are not given",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const ALPHAS: Parameter = Parameter {
    name: "alphas",
    help: "where between baseline (0) and input (1) each point lies; as many points as there are numbers",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const INDICES: Parameter = Parameter {
    name: "indices",
    help: "which baseline each point has, counted from 0; one after the other for given alphas without",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const NOISE: Parameter = Parameter {
    name: "noise",
    help: "standard normal numbers, copies × C × H × W, which are added to the input one after the other (GradientSHAP)",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const DEVIATION: Parameter = Parameter {
    name: "deviation",
    help: "the deviation of noise added to the input, as a share of the range of its numbers (GradientSHAP)",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.0),
};

#[derive(Debug)]
struct ExpectedGradients {
    values: Values,
}

/// Several arrays of the input's shape.
pub(super) fn arrays(given: Option<&Arc<Array>>, input: &Array, name: &str) -> Result<Vec<Array>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let size = input.data().len();
    if given.shape().len() == input.shape().len() + 1 && given.shape()[1..] == *input.shape() {
        let arrays = given.data().chunks_exact(size);
        return arrays.map(|array| Ok(Array::new(input.shape(), array.to_vec())?)).collect();
    }
    Ok(vec![like_input(given, input, name)?])
}

impl Method for ExpectedGradients {
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        let given = self.values.array(ALPHAS.name).map(|alphas| alphas.data().len());
        let points = given.or(self.values.whole(SAMPLES.name)).unwrap_or(50);
        Ok(Passes::new(points, points))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let values = &self.values;
        let size = input.data().len();
        let mut random = Random::new(values.number(SEED.name).unwrap_or(0.0) as u64);
        let mut baselines = arrays(values.array(BASELINES.name), input, BASELINES.name)?;
        if baselines.is_empty() {
            baselines.push(Array::new(input.shape(), vec![0.0; size])?);
        }
        let alphas: Vec<f64> = match values.array(ALPHAS.name) {
            Some(alphas) => alphas.data().iter().map(|&alpha| f64::from(alpha)).collect(),
            None => (0..values.whole(SAMPLES.name).unwrap_or(50)).map(|_| random.uniform()).collect(),
        };
        let samples = alphas.len();
        let indices: Vec<usize> = match values.indices(INDICES.name)? {
            Some(indices) => indices,
            None if values.array(ALPHAS.name).is_some() => {
                (0..samples).map(|sample| sample % baselines.len()).collect()
            }
            None => (0..samples).map(|_| (random.uniform() * baselines.len() as f64) as usize).collect(),
        };
        if indices.len() != samples || indices.iter().any(|&index| index >= baselines.len()) {
            return Err(Error::Option(format!(
                "'indices' names one of {} baselines for each of {samples} points, found {} numbers up to {}",
                baselines.len(),
                indices.len(),
                indices.iter().max().copied().unwrap_or(0)
            )));
        }
        let deviation = {
            let (low, high) = range(input);
            (values.number(DEVIATION.name).unwrap_or(0.0) * f64::from(high - low)) as f32
        };
        let mut noise = arrays(values.array(NOISE.name), input, NOISE.name)?;
        if noise.is_empty() && deviation > 0.0 {
            for _ in 0..samples {
                let mut normal = vec![0.0; size];
                random.fill_normal(&mut normal);
                noise.push(Array::new(input.shape(), normal)?);
            }
        }
        let start = |sample: usize| -> Vec<f32> {
            match noise.is_empty() {
                true => input.data().to_vec(),
                false => {
                    let noise = noise[sample % noise.len()].data();
                    input.data().iter().zip(noise).map(|(number, noise)| number + deviation * noise).collect()
                }
            }
        };
        let point = |sample: usize| -> Vec<f32> {
            let from = baselines[indices[sample]].data();
            let between = |(&from, to): (&f32, f32)| {
                (f64::from(from) + alphas[sample] * (f64::from(to) - f64::from(from))) as f32
            };
            from.iter().zip(start(sample)).map(between).collect()
        };
        let pass = Pass::to_input(runner.model(), BackwardRule::Gradient);
        let factor = factor(values);
        let (mut sums, mut squares) = (vec![0.0f64; size], vec![0.0f64; size]);
        runner.each(
            &pass,
            target,
            samples,
            &point,
            &|passed| passed.input_gradient(),
            &mut |sample, gradient| {
                let from = baselines[indices[sample]].data();
                let terms = gradient.data().iter().zip(from).zip(start(sample));
                for ((sum, square), ((&gradient, &from), to)) in sums.iter_mut().zip(&mut squares).zip(terms)
                {
                    let value = f64::from(gradient) * factor(to, from);
                    *sum += value;
                    *square += value * value;
                }
                Ok(())
            },
        )?;
        let count = samples as f64;
        let means = sums.iter().map(|sum| (sum / count) as f32).collect();
        let attribution = Attribution::of_input(Array::new(input.shape(), means)?);
        let errors = sums.iter().zip(&squares).map(|(sum, square)| {
            let variance = (square / count - (sum / count).powi(2)).max(0.0);
            (variance / (count - 1.0).max(1.0)).sqrt() as f32
        });
        let standard_error = Array::new(input.shape(), errors.collect())?;
        Ok(Attribution { standard_error: (samples > 1).then_some(standard_error), ..attribution })
    }
}
