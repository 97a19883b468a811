//! Attributions of noisy copies, and what is made of them: their mean, mean square, or variance.

use std::sync::Arc;

use deepinside_vision::Array;

use super::gradient::Backward;
use super::integrated_gradients::{self, QUADRATURE, STEPS};
use crate::attribution::baseline::{BASELINE, range};
use crate::attribution::parameter::{Default, Kind, Parameter, Values, samples, seed};
use crate::attribution::{Attribution, Method, Pass, Runner};
use crate::random::Random;
use crate::{BackwardRule, Error, Model, Result, Target};

/// What the three methods of this kind can be told.
pub(super) const PARAMETERS: &[Parameter] =
    &[SAMPLES, DEVIATION, ABSOLUTE, SEED, NOISE, OF, STEPS, QUADRATURE, BASELINE];

const SAMPLES: Parameter = samples("how many noisy copies", "copies", 25.0);

const DEVIATION: Parameter = Parameter {
    name: "deviation",
    help: "the noise's deviation, as a share of the range of the input's numbers",
    unit: "share",
    kind: Kind::Number { least: 0.0, most: f64::INFINITY },
    default: Default::Number(0.15),
};

const ABSOLUTE: Parameter = Parameter {
    name: "absolute",
    help: "whether the deviation is a number of the input's own and no share of its range",
    unit: "",
    kind: Kind::Flag,
    default: Default::Flag(false),
};

const SEED: Parameter = seed("the random seed; copies come in pairs of opposite noise");

const NOISE: Parameter = Parameter {
    name: "noise",
    help: "standard normal numbers, samples × C × H × W, used as they are instead of a seed",
    unit: "",
    kind: Kind::Array,
    default: Default::Chosen,
};

const OF: Parameter = Parameter {
    name: "of",
    help: "what is computed of each copy; the parameters of integrated gradients count for that alone",
    unit: "",
    kind: Kind::Choice(&[
        "gradient",
        "input-x-gradient",
        "integrated-gradients",
        "guided",
        "deconvnet",
        "smooth-gates",
    ]),
    default: Default::Word("gradient"),
};

/// What is made of the copies' attributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Summary {
    /// Their mean.
    Mean,
    /// The mean of their squares.
    MeanSquare,
    /// Their variance (that of a population: the mean square less the squared mean).
    Variance,
}

/// A method of this kind.
pub(super) fn make(summary: Summary, model: &Model, values: &Values) -> Result<Box<dyn Method>> {
    let backward = |rule| Box::new(Backward { rule }) as Box<dyn Method>;
    let (inner, rule) = match values.word(OF.name) {
        Some("integrated-gradients") => ((integrated_gradients::ENTRY.make)(model, values)?, None),
        Some("input-x-gradient") => ((super::input_x_gradient::ENTRY.make)(model, values)?, None),
        other => {
            let rule = match other {
                Some("guided") => BackwardRule::Guided,
                Some("deconvnet") => BackwardRule::DeconvNet,
                Some("smooth-gates") => BackwardRule::Smooth,
                _ => BackwardRule::Gradient,
            };
            (backward(rule), Some(rule))
        }
    };
    Ok(Box::new(Noisy {
        summary,
        inner,
        rule,
        samples: values.whole(SAMPLES.name).unwrap_or(25),
        deviation: values.number(DEVIATION.name).unwrap_or(0.15),
        is_absolute: values.flag(ABSOLUTE.name),
        seed: values.number(SEED.name).unwrap_or(0.0) as u64,
        noise: values.array(NOISE.name).cloned(),
    }))
}

#[derive(Debug)]
struct Noisy {
    summary: Summary,
    inner: Box<dyn Method>,
    /// Where the inner method is one backward pass, its rule: copies then go through the network at the same time.
    rule: Option<BackwardRule>,
    samples: usize,
    deviation: f64,
    is_absolute: bool,
    seed: u64,
    noise: Option<Arc<Array>>,
}

impl Noisy {
    /// The standard normal numbers of each copy.
    fn noise(&self, input: &Array) -> Result<Vec<f32>> {
        let size = input.data().len();
        if let Some(given) = &self.noise {
            let copies = given.data().len() / size;
            if given.shape().len() != 4 || given.shape()[1..] != *input.shape() {
                return Err(Error::Option(format!(
                    "'noise' is samples × C × H × W for an input of shape {:?}, found {:?}",
                    input.shape(),
                    given.shape()
                )));
            }
            // As many copies as there is noise for, unless fewer are asked for.
            return Ok(given.data()[..copies * size].to_vec());
        }
        let mut random = Random::new(self.seed);
        let mut noise: Vec<f32> = Vec::with_capacity(self.samples * size);
        for copy in 0..self.samples {
            match copy % 2 {
                0 => noise.extend((0..size).map(|_| random.normal() as f32)),
                // Antithetic variates (Hammersley and Morton 1956): what is odd in the noise cancels.
                _ => noise.extend_from_within((copy - 1) * size..),
            }
            if copy % 2 == 1 {
                noise[copy * size..].iter_mut().for_each(|number| *number = -*number);
            }
        }
        Ok(noise)
    }
}

impl Method for Noisy {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let size = input.data().len();
        let noise = self.noise(input)?;
        let samples = noise.len() / size;
        let deviation = if self.is_absolute {
            self.deviation as f32
        } else {
            let (low, high) = range(input);
            (self.deviation * f64::from(high - low)) as f32
        };
        let copy = |sample: usize| -> Vec<f32> {
            let noise = &noise[sample * size..][..size];
            input.data().iter().zip(noise).map(|(number, noise)| number + deviation * noise).collect()
        };
        let (mut sums, mut squares) = (vec![0.0f64; size], vec![0.0f64; size]);
        let mut add = |values: &[f32]| {
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(values) {
                let value = f64::from(value);
                *sum += value;
                *square += value * value;
            }
        };
        match self.rule {
            Some(rule) => {
                let pass = Pass::to_input(runner.model(), rule);
                runner.each(
                    &pass,
                    target,
                    samples,
                    &copy,
                    &|passed| passed.input_gradient(),
                    &mut |_, gradient| {
                        add(gradient.data());
                        Ok(())
                    },
                )?;
            }
            None => {
                for sample in 0..samples {
                    let copy = Array::new(input.shape(), copy(sample))?;
                    add(self.inner.attribute(runner, &copy, target)?.values.data());
                }
            }
        }
        let count = samples as f64;
        let moments = || sums.iter().zip(&squares).map(|(sum, square)| (sum / count, square / count));
        let variance = |(mean, square): (f64, f64)| (square - mean * mean).max(0.0);
        let values: Vec<f32> = match self.summary {
            Summary::Mean => moments().map(|(mean, _)| mean as f32).collect(),
            Summary::MeanSquare => moments().map(|(_, square)| square as f32).collect(),
            Summary::Variance => moments().map(|moments| variance(moments) as f32).collect(),
        };
        // Of a mean the deviation over the root of the number of copies; one copy says nothing about it.
        let standard_error = (self.summary == Summary::Mean && samples > 1).then(|| {
            let errors = moments().map(|moments| (variance(moments) / (count - 1.0)).sqrt() as f32);
            Array::new(input.shape(), errors.collect())
        });
        let attribution = Attribution::of_input(Array::new(input.shape(), values)?);
        Ok(Attribution { standard_error: standard_error.transpose()?, ..attribution })
    }
}
