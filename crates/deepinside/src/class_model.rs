//! Class models: the picture that maximises a class score (Simonyan, Vedaldi, Zisserman 2013, §2).
//!
//! `argmax_I S_c(I) − λ‖I‖²`, by gradient ascent from a start: `I ← I + η (∂S_c/∂I − 2λ I)`. The two recipes differ in
//! numbers alone, see [`Recipe`].

use std::ops::ControlFlow;

use deepinside_vision::{Array, ChannelOrder, Picture};
use rand_mt::Mt;

use crate::{Error, Model, Result, ScoreRunner};

/// Where an ascent starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// All zeros: the training mean, once it is added again.
    Zero,
    /// Uniform in [0, 1) per number, exactly as NumPy's `RandomState(seed).random_sample` gives them.
    Uniform {
        /// The random seed.
        seed: u32,
    },
    /// These numbers, `C × H × W` in C order.
    Given(Vec<f64>),
}

/// How the picture of an ascent is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// As a photograph: the training mean is added, what leaves the range is clipped.
    Photograph,
    /// Stretched from the smallest number to the largest over all channels, which keep their order, so that blue-first
    /// networks show blue as red: what the original project did.
    Stretched,
}

/// An ascent in all its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Where it starts.
    pub start: Start,
    /// How many steps it takes.
    pub iterations: usize,
    /// The step η: what the gradient is multiplied with.
    pub learning_rate: f64,
    /// The λ of the penalty λ‖I‖².
    pub l2: f64,
    /// How the picture is shown.
    pub display: Display,
}

impl Recipe {
    /// The original project's `visualize.py`: from uniform noise, learning rate 1e4, no penalty. It took 10,000
    /// iterations; 200 are taken here, since after a few the ascent with this rate only wanders.
    pub fn original(seed: u32) -> Self {
        Self {
            start: Start::Uniform { seed },
            iterations: 200,
            learning_rate: 1e4,
            l2: 0.0,
            display: Display::Stretched,
        }
    }

    /// The paper's §2: from zero, with an L2 penalty; the training mean is added at the end. The paper states no numbers;
    /// λ = 1e-5 with step 0.05/λ shows outlines on networks that read 0 to 255.
    pub fn paper() -> Self {
        Self {
            start: Start::Zero,
            iterations: 100,
            learning_rate: 0.05 / 1e-5,
            l2: 1e-5,
            display: Display::Photograph,
        }
    }
}

/// The state of an ascent before a step.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The number of steps taken.
    pub iteration: usize,
    /// The class score of the picture so far.
    pub score: f32,
    /// Its probability.
    pub probability: f32,
}

/// The picture that an ascent found.
#[derive(Debug, Clone)]
pub struct ClassModel {
    /// The class.
    pub class: usize,
    /// The picture as the network reads it, `C × H × W`, single precision as it was last fed or would be fed next.
    pub image: Array,
    /// The scores at the start of every iteration and, last, that of the finished picture.
    pub scores: Vec<f32>,
    /// The probability of the finished picture.
    pub probability: f32,
}

/// Ascends the score of a class. `watch` is told before every step and may end the ascent. The runner must have been made
/// with a backward rule.
///
/// # Errors
/// When the class does not exist, the start has another shape, the recipe's numbers are not finite, or the ascent leaves
/// the range of numbers (the learning rate is too large then).
pub fn ascend(
    model: &Model,
    runner: &mut ScoreRunner,
    class: usize,
    recipe: &Recipe,
    mut watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<ClassModel> {
    if class >= model.score.classes {
        return Err(Error::ClassOutOfRange { index: class, classes: model.score.classes });
    }
    if !recipe.learning_rate.is_finite() || !recipe.l2.is_finite() {
        return Err(Error::Option("learning rate and λ must be finite numbers".to_owned()));
    }
    let extents = runner.input_shape()[1..].to_vec();
    let mut image = start(&recipe.start, extents.iter().product())?;
    let mut scores = Vec::with_capacity(recipe.iterations + 1);
    let mut iteration = 0;
    loop {
        let picture: Vec<f32> = image.iter().map(|&number| number as f32).collect();
        let current = runner.forward(&picture)?;
        let (score, probability) = (current.scores[class], current.probabilities[class]);
        scores.push(score);
        if !score.is_finite() {
            return Err(Error::Option(format!(
                "the ascent left the range of numbers after {iteration} steps (the score is {score}); use a smaller learning rate"
            )));
        }
        let ended = watch(Progress { iteration, score, probability }).is_break();
        if iteration == recipe.iterations || ended {
            return Ok(ClassModel { class, image: Array::new(extents, picture)?, scores, probability });
        }
        let gradient = runner.gradient(class)?;
        for (number, &slope) in image.iter_mut().zip(gradient.data()) {
            *number += recipe.learning_rate * (f64::from(slope) - 2.0 * recipe.l2 * *number);
        }
        iteration += 1;
    }
}

/// The picture of a class model.
///
/// # Errors
/// When it holds numbers that are not finite.
pub fn picture(model: &Model, image: &Array, display: Display) -> Result<Picture> {
    use deepinside_vision::class_model::{as_photograph, stretched};
    Ok(match display {
        Display::Photograph => as_photograph(image, &model.transformer)?,
        Display::Stretched if model.transformer.channel_order == ChannelOrder::Grey => {
            stretched(image, ChannelOrder::Grey)?
        }
        Display::Stretched => stretched(image, ChannelOrder::Rgb)?,
    })
}

/// The numbers from which an ascent starts.
fn start(start: &Start, count: usize) -> Result<Vec<f64>> {
    match start {
        Start::Zero => Ok(vec![0.0; count]),
        Start::Uniform { seed } => {
            let mut generator = Mt::new(*seed);
            Ok((0..count).map(|_| random_sample(&mut generator)).collect())
        }
        Start::Given(numbers) if numbers.len() == count => Ok(numbers.clone()),
        Start::Given(numbers) => Err(Error::Option(format!(
            "the start has {} numbers, the network's input {count}",
            numbers.len()
        ))),
    }
}

/// A number in [0, 1) of 53 random bits, as NumPy makes it from two draws of the Mersenne twister.
fn random_sample(generator: &mut Mt) -> f64 {
    let high = f64::from(generator.next_u32() >> 5);
    let low = f64::from(generator.next_u32() >> 6);
    (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_numpy_s() {
        // numpy.random.RandomState(99).random_sample(3)
        let numbers = start(&Start::Uniform { seed: 99 }, 3).unwrap();
        assert_eq!(numbers, [0.672_278_558_630_791_8, 0.488_078_399_240_583_7, 0.825_495_174_035_896_3]);
    }

    #[test]
    fn a_start_of_another_size_is_refused() {
        let message = start(&Start::Given(vec![0.0; 2]), 3).unwrap_err().to_string();
        assert!(message.contains("2 numbers") && message.contains('3'), "{message}");
    }
}
