//! What an ascent maximises.

use std::sync::Arc;

use deepinside_engine::{PlanOptions, Threads};
use deepinside_graph::ValueId;

use crate::grid::Grid;
use crate::score::Normalisation;
use crate::{Error, Model, Result};

/// A number that a network computes from one picture, to be maximised.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Objective {
    /// The unnormalised score of a class (Simonyan et al. 2013, equation 1).
    Class(usize),
    /// The probability of a class: can also be raised by lowering all other classes, which is why the paper does not maximise it.
    Posterior(usize),
    /// The logarithm of the probability of a class.
    LogPosterior(usize),
    /// The score of the first class minus that of the second.
    Difference(usize, usize),
    /// One element of a value, counted in C order.
    Neuron {
        /// The value.
        value: ValueId,
        /// Which element.
        position: usize,
    },
    /// The mean of one channel of a value.
    Channel {
        /// The value.
        value: ValueId,
        /// Which channel.
        channel: usize,
    },
    /// Half the mean square of a value: whatever it sees is made stronger (Mordvintsev, Olah and Tyka 2015, "DeepDream").
    Layer {
        /// The value.
        value: ValueId,
    },
    /// The mean over all positions of the scalar product with a direction of as many numbers as the value has channels.
    Direction {
        /// The value.
        value: ValueId,
        /// The direction.
        direction: Vec<f32>,
    },
    /// Minus the squared distance to the activations of another picture, relative to their square (Mahendran and Vedaldi 2014,
    /// equation 3).
    Features {
        /// The value.
        value: ValueId,
        /// The activations to be met, in C order.
        features: Vec<f32>,
    },
}

impl Objective {
    /// Feature inversion: what makes a network compute what it computes for this input (`C × H × W`).
    ///
    /// # Errors
    /// When the value cannot be computed, or the input has another length.
    pub fn features(model: &Model, value: ValueId, input: &[f32], threads: &Threads) -> Result<Self> {
        let options = PlanOptions { activations: vec![value], ..PlanOptions::default() };
        let mut session = model.session(1, &options, threads)?;
        session.forward(&[(model.input, input)])?;
        Ok(Self::Features { value, features: session.activation(value)? })
    }

    /// What it is, in a few words: "goose", "probability of goose", "conv5 channel 3".
    pub fn describe(&self, model: &Model) -> String {
        let class = |index: usize| {
            let name = model.class_name(index);
            name.split(',').next().unwrap_or(&name).to_owned()
        };
        let name = |value: ValueId| &model.graph.value(value).name;
        match *self {
            Self::Class(index) => class(index),
            Self::Posterior(index) => format!("probability of {}", class(index)),
            Self::LogPosterior(index) => format!("logarithm of the probability of {}", class(index)),
            Self::Difference(first, second) => format!("{} minus {}", class(first), class(second)),
            Self::Neuron { value, position } => format!("{} neuron {position}", name(value)),
            Self::Channel { value, channel } => format!("{} channel {channel}", name(value)),
            Self::Layer { value } => name(value).clone(),
            Self::Direction { value, .. } => format!("{} direction", name(value)),
            Self::Features { value, .. } => format!("{} features", name(value)),
        }
    }

    /// The class that it is about, where it is about one.
    pub fn class(&self) -> Option<usize> {
        match *self {
            Self::Class(class)
            | Self::Posterior(class)
            | Self::LogPosterior(class)
            | Self::Difference(class, _) => Some(class),
            _ => None,
        }
    }

    /// The value that it is computed from.
    pub fn value(&self, model: &Model) -> ValueId {
        match *self {
            Self::Neuron { value, .. }
            | Self::Channel { value, .. }
            | Self::Layer { value }
            | Self::Direction { value, .. }
            | Self::Features { value, .. } => value,
            _ => model.score.value,
        }
    }

    /// Checks that what it names is there.
    ///
    /// # Errors
    /// When a class, channel or element does not exist, or an array has another length.
    pub fn check(&self, model: &Model) -> Result<()> {
        let classes = model.score.classes;
        let class = |index: usize| {
            if index < classes { Ok(()) } else { Err(Error::ClassOutOfRange { index, classes }) }
        };
        let known = model.graph.value(self.value(model));
        let below = |what: &str, found: usize, count: usize| {
            if found < count {
                return Ok(());
            }
            Err(Error::Option(format!(
                "'{}' ({}) has {count} {what}, 0 to {}; found {found}",
                known.name,
                known.shape,
                count.saturating_sub(1)
            )))
        };
        let as_many = |what: &str, found: usize, count: usize| {
            if found == count {
                return Ok(());
            }
            Err(Error::Option(format!(
                "'{}' ({}) has {count} {what}; {found} are given",
                known.name, known.shape
            )))
        };
        let channels = match self.grid(model) {
            Some(grid) => grid.extents()[0],
            None => known.shape.extent(1).unwrap_or(0),
        };
        match self {
            Self::Class(index) | Self::Posterior(index) | Self::LogPosterior(index) => class(*index),
            Self::Difference(first, second) => class(*first).and(class(*second)),
            Self::Neuron { position, .. } => below("elements", *position, known.shape.elements()),
            Self::Channel { channel, .. } => below("channels", *channel, channels),
            Self::Layer { .. } => Ok(()),
            Self::Direction { direction, .. } => as_many("channels", direction.len(), channels),
            Self::Features { features, .. } => as_many("elements", features.len(), known.shape.elements()),
        }
    }

    /// How the channels of its value lie, where they are not the first axis behind the batch: tokens, or channels that come last.
    fn grid(&self, model: &Model) -> Option<Arc<Grid>> {
        match self {
            Self::Channel { value, .. } | Self::Direction { value, .. } => {
                model.grid(*value).ok().filter(|grid| !grid.is_plain())
            }
            _ => None,
        }
    }

    /// Its number for one picture's activations of its value, and the gradient with respect to them.
    pub(super) fn differentiate(&self, model: &Model, activations: &[f32]) -> (f64, Vec<f32>) {
        let mut gradient = vec![0.0; activations.len()];
        if let Some(grid) = self.grid(model) {
            let mut mean_of = |channel: usize, weight: f32| -> f64 {
                let places: Vec<usize> = grid.elements(channel).collect();
                let share = 1.0 / places.len().max(1) as f32;
                places.iter().for_each(|&place| gradient[place] += weight * share);
                let sum: f64 = places.iter().map(|&place| f64::from(activations[place])).sum();
                f64::from(weight) * sum / places.len().max(1) as f64
            };
            let number = match self {
                Self::Channel { channel, .. } => mean_of(*channel, 1.0),
                Self::Direction { direction, .. } => {
                    direction.iter().enumerate().map(|(channel, &weight)| mean_of(channel, weight)).sum()
                }
                _ => 0.0,
            };
            return (number, gradient);
        }
        let channels = model.graph.value(self.value(model)).shape.extent(1).unwrap_or(1).max(1);
        let positions = (activations.len() / channels).max(1);
        let mut mean_of = |channel: usize, weight: f32| -> f64 {
            let range = channel * positions..(channel + 1) * positions;
            gradient[range.clone()].iter_mut().for_each(|number| *number += weight / positions as f32);
            let sum: f64 = activations[range].iter().map(|&number| f64::from(number)).sum();
            f64::from(weight) * sum / positions as f64
        };
        let number = match self {
            Self::Class(class) => mean_of(*class, 1.0),
            Self::Difference(first, second) => mean_of(*first, 1.0) + mean_of(*second, -1.0),
            Self::Channel { channel, .. } => mean_of(*channel, 1.0),
            Self::Direction { direction, .. } => {
                direction.iter().enumerate().map(|(channel, &weight)| mean_of(channel, weight)).sum()
            }
            Self::Posterior(class) | Self::LogPosterior(class) => {
                let is_logarithm = matches!(self, Self::LogPosterior(_));
                return posterior(model, *class, is_logarithm, activations);
            }
            Self::Neuron { position, .. } => {
                gradient[*position] = 1.0;
                f64::from(activations[*position])
            }
            Self::Layer { .. } => {
                let count = activations.len() as f32;
                gradient.iter_mut().zip(activations).for_each(|(slope, number)| *slope = number / count);
                square(activations) / 2.0 / activations.len() as f64
            }
            Self::Features { features, .. } => {
                let norm = square(features).max(f64::MIN_POSITIVE);
                let difference: Vec<f32> = activations.iter().zip(features).map(|(a, b)| a - b).collect();
                let factor = (-2.0 / norm) as f32;
                gradient.iter_mut().zip(&difference).for_each(|(slope, number)| *slope = factor * number);
                -square(&difference) / norm
            }
        };
        (number, gradient)
    }
}

/// −T·log Σ exp(S_j / T) over all classes j but one, with the gradient with respect to the values of the scores.
pub(super) fn contrast(
    model: &Model,
    class: usize,
    temperature: f64,
    activations: &[f32],
) -> (f64, Vec<f32>) {
    let (positions, scores) = class_scores(model.score.classes, activations);
    let (number, slopes) = soft_maximum_of_others(&scores, class, temperature);
    let slope = |index: usize| (-slopes[index / positions] / positions as f64) as f32;
    (-number, (0..activations.len()).map(slope).collect())
}

/// T·log Σ exp(S_j / T) over all classes j but one, and its slopes, which sum to one. A class without others has none: zero.
fn soft_maximum_of_others(scores: &[f64], class: usize, temperature: f64) -> (f64, Vec<f64>) {
    let is_other = |index: usize| index != class;
    let others = || scores.iter().enumerate().filter(|(index, _)| is_other(*index)).map(|(_, &score)| score);
    let largest = others().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return (0.0, vec![0.0; scores.len()]);
    }
    let sum: f64 = others().map(|score| ((score - largest) / temperature).exp()).sum();
    let slopes = scores.iter().enumerate().map(|(index, score)| {
        if is_other(index) { ((score - largest) / temperature).exp() / sum } else { 0.0 }
    });
    (largest + temperature * sum.ln(), slopes.collect())
}

/// At how many positions classes are scored, and the mean score of each.
fn class_scores(classes: usize, activations: &[f32]) -> (usize, Vec<f64>) {
    let positions = (activations.len() / classes.max(1)).max(1);
    let mean = |map: &[f32]| map.iter().map(|&number| f64::from(number)).sum::<f64>() / positions as f64;
    (positions, activations.chunks_exact(positions).map(mean).collect())
}

fn square(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&number| f64::from(number).powi(2)).sum()
}

/// The probability of a class, or its logarithm, with the gradient with respect to the scores.
fn posterior(model: &Model, class: usize, is_logarithm: bool, activations: &[f32]) -> (f64, Vec<f32>) {
    let classes = model.score.classes;
    let (positions, scores) = class_scores(classes, activations);
    let is_sigmoid = model.score.normalisation == Normalisation::Sigmoid || classes == 1;
    let (logarithm, slopes): (f64, Vec<f64>) = if is_sigmoid {
        // log σ(s) = −log(1 + exp(−s)), without overflow on either side.
        let score = scores[class];
        let logarithm = score.min(0.0) - (-score.abs()).exp().ln_1p();
        let slopes = (0..classes).map(|index| if index == class { 1.0 - logarithm.exp() } else { 0.0 });
        (logarithm, slopes.collect())
    } else {
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
        let probability = |score: f64| (score - largest).exp() / sum;
        let slopes = scores
            .iter()
            .enumerate()
            .map(|(index, &score)| f64::from(u8::from(index == class)) - probability(score));
        (scores[class] - largest - sum.ln(), slopes.collect())
    };
    let (number, factor) = if is_logarithm { (logarithm, 1.0) } else { (logarithm.exp(), logarithm.exp()) };
    let slope = |index: usize| (slopes[index / positions] * factor / positions as f64) as f32;
    (number, (0..activations.len()).map(slope).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slopes_of_the_soft_maximum_are_those_of_central_differences() {
        let scores = [1.0, 3.5, -2.0, 3.0, 900.0];
        for (class, temperature) in [(4, 1.0), (4, 0.3), (4, 20.0), (0, 100.0)] {
            let (_, slopes) = soft_maximum_of_others(&scores, class, temperature);
            for index in 0..scores.len() {
                let moved = |by: f64| {
                    let mut moved = scores;
                    moved[index] += by;
                    soft_maximum_of_others(&moved, class, temperature).0
                };
                let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                assert!((slope - slopes[index]).abs() < 1e-6, "{class} {index}: {slope} {}", slopes[index]);
            }
        }
    }

    #[test]
    fn the_soft_maximum_is_between_the_largest_and_that_plus_a_logarithm() {
        let (number, slopes) = soft_maximum_of_others(&[0.0, 2.0, 2.0], 0, 1.0);
        assert!((number - (2.0 + 2.0f64.ln())).abs() < 1e-12);
        assert_eq!(slopes, [0.0, 0.5, 0.5]);
        assert_eq!(soft_maximum_of_others(&[7.0], 0, 1.0), (0.0, vec![0.0]));
    }
}
