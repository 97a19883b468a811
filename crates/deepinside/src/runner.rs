//! One forward pass, any number of backward passes from class scores to the picture.

use std::sync::Arc;

use deepinside_engine::{BackwardRule, PlanOptions, Session, Target, Threads};
use deepinside_graph::{Interrupt, ValueId};
use deepinside_vision::Array;

use crate::finite::Origins;
use crate::grid::Grid;
use crate::score::Normalisation;
use crate::{Error, Model, Result, Score, expect_finite};

/// Computes class scores of pictures, and their gradients with respect to the picture.
pub struct ScoreRunner {
    session: Session,
    input: ValueId,
    input_shape: Vec<usize>,
    score: Score,
    /// The observed layers, and how their numbers lie in the picture.
    layers: Vec<(ValueId, Arc<Grid>)>,
    origins: Arc<Origins>,
    /// The picture that [`ScoreRunner::scores`] took forward last, with its scores, until another goes forward.
    last: Option<(Vec<f32>, Scores)>,
}

/// What a network thinks of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The unnormalised class scores.
    pub scores: Vec<f32>,
    /// The network's own probabilities; where it ends in scores, their softmax, or the sigmoid of a single one.
    pub probabilities: Vec<f32>,
}

impl ScoreRunner {
    /// Prepares a model for one picture at a time; without a rule only forward.
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn new(model: &Model, rule: Option<BackwardRule>, threads: &Threads) -> Result<Self> {
        Self::observing(model, rule, &[], threads)
    }

    /// The same, with layers whose activations and gradients can be read afterwards with [`ScoreRunner::layer`].
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn observing(
        model: &Model,
        rule: Option<BackwardRule>,
        layers: &[ValueId],
        threads: &Threads,
    ) -> Result<Self> {
        let score = &model.score;
        let grids = layers.iter().map(|&layer| Ok((layer, Arc::new(model.grid(layer)?))));
        let grids = grids.collect::<Result<_>>()?;
        let options = PlanOptions {
            activations: [&[score.value, score.output], layers].concat(),
            gradients: if rule.is_some() { [&[model.input], layers].concat() } else { Vec::new() },
            targets: vec![score.value],
            rule: rule.unwrap_or_default(),
            ..PlanOptions::default()
        };
        Ok(Self {
            session: model.session(1, &options, threads)?,
            input: model.input,
            input_shape: model.graph.value(model.input).shape.extents().to_vec(),
            score: score.clone(),
            layers: grids,
            origins: Arc::new(Origins::new(&model.graph, model.input, score.value)),
            last: None,
        })
    }

    /// Another that shares the prepared network and what stops it, with memory of its own.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn another(&self) -> Result<Self> {
        Ok(Self {
            session: self.session.another()?,
            input: self.input,
            input_shape: self.input_shape.clone(),
            score: self.score.clone(),
            layers: self.layers.clone(),
            origins: Arc::clone(&self.origins),
            last: None,
        })
    }

    /// From now on every pass stops when this interrupt is set, and is counted there.
    pub fn set_interrupt(&mut self, interrupt: &Interrupt) {
        self.session.set_interrupt(interrupt);
    }

    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted) when it was asked to stop.
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        Ok(self.session.threads().interrupt().check()?)
    }

    /// The extents of the input, `1 × C × H × W`.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Runs the network on one picture, given as `C × H × W` numbers.
    ///
    /// # Errors
    /// When there are more or fewer numbers, scores are not finite, or the computation is to stop.
    pub fn forward(&mut self, picture: &[f32]) -> Result<Scores> {
        self.check_interrupt()?;
        self.last = None;
        self.session.forward(&[(self.input, picture)])?;
        self.session.threads().interrupt().count_step();
        let (numbers, output) =
            (self.session.activation(self.score.value)?, self.session.activation(self.score.output)?);
        Scores::read(&self.score, &numbers, &output)
            .map_err(|error| self.origins.explain(error, picture, self.session.threads()))
    }

    /// The same, without another pass where this picture went forward last.
    ///
    /// # Errors
    /// As [`ScoreRunner::forward`].
    pub fn scores(&mut self, picture: &[f32]) -> Result<Scores> {
        self.check_interrupt()?;
        if let Some((last, scores)) = &self.last
            && last == picture
        {
            return Ok(scores.clone());
        }
        let scores = self.forward(picture)?;
        self.last = Some((picture.to_vec(), scores.clone()));
        Ok(scores)
    }

    /// The gradient of one class score with respect to the last picture, `C × H × W`.
    ///
    /// # Errors
    /// When there is no such class, there was no forward pass, numbers are not finite, or the computation is to stop.
    pub fn gradient(&mut self, class: usize) -> Result<Array> {
        self.check_interrupt()?;
        self.gradient_of(&Target::Class(class))
    }

    /// The gradient of the score of one class minus that of another: what speaks for the first and against the second.
    ///
    /// # Errors
    /// As [`ScoreRunner::gradient`].
    pub fn gradient_of_difference(&mut self, class: usize, minus: usize) -> Result<Array> {
        self.check_interrupt()?;
        self.gradient_of(&Target::Difference(class, minus))
    }

    /// The scores of a picture and the gradient of one, as they come: they may be NaN and infinite, and are no result but for a
    /// comparison bit by bit.
    pub(crate) fn numbers(&mut self, picture: &[f32], class: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        self.last = None;
        self.session.forward(&[(self.input, picture)])?;
        let scores = spatial_means(&self.session.activation(self.score.value)?, self.score.classes);
        self.session.backward(&[(self.score.value, &Target::Class(class))])?;
        Ok((scores, self.session.gradient(self.input)?))
    }

    fn gradient_of(&mut self, target: &Target) -> Result<Array> {
        self.session.backward(&[(self.score.value, target)])?;
        self.session.threads().interrupt().count_step();
        let gradient = self.session.gradient(self.input)?;
        expect_finite(|| format!("the numbers of the gradient of {}", described(target)), &gradient)?;
        Ok(Array::new(&self.input_shape[1..], gradient)?)
    }

    /// The activation of an observed layer in the last forward pass, and its gradient in the last backward pass, both as
    /// channels × rows × columns of the picture.
    ///
    /// # Errors
    /// When the layer is not observed, or numbers are not finite.
    pub fn layer(&self, layer: ValueId) -> Result<(Array, Array)> {
        let (activation, gradient) = (self.session.activation(layer)?, self.session.gradient(layer)?);
        let name = &self.origins.graph().value(layer).name;
        expect_finite(|| format!("the activations of '{name}'"), &activation)?;
        expect_finite(|| format!("the gradients of '{name}'"), &gradient)?;
        match self.layers.iter().find(|(own, _)| *own == layer) {
            Some((_, grid)) => Ok((grid.fold(&activation)?, grid.fold(&gradient)?)),
            None => Err(Error::Option("the layer is not observed".to_owned())),
        }
    }
}

/// What is differentiated, in words.
fn described(target: &Target) -> String {
    match target {
        Target::Class(class) => format!("the score of class {class}"),
        Target::Difference(class, minus) => format!("the score of class {class} minus that of {minus}"),
        _ => "what was asked for".to_owned(),
    }
}

impl Scores {
    /// Reads them from what the network computed for one picture: the value before normalisation, and its own result.
    ///
    /// # Errors
    /// When they are not finite.
    pub(crate) fn read(score: &Score, numbers: &[f32], output: &[f32]) -> Result<Self> {
        let scores = spatial_means(numbers, score.classes);
        let probabilities = match score.normalisation {
            // A single score without any normalisation is a logit.
            Normalisation::None if score.classes == 1 => {
                scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect()
            }
            Normalisation::None => softmax(&scores),
            Normalisation::Softmax | Normalisation::Sigmoid => spatial_means(output, score.classes),
        };
        expect_finite(|| "the class scores".to_owned(), &scores)?;
        expect_finite(|| "the class probabilities".to_owned(), &probabilities)?;
        Ok(Self { scores, probabilities })
    }
}

/// The mean of each class over the positions of a class map; one position for a vector of scores.
fn spatial_means(numbers: &[f32], classes: usize) -> Vec<f32> {
    let positions = numbers.len() / classes.max(1);
    let mean = |map: &[f32]| map.iter().map(|&number| f64::from(number)).sum::<f64>() / positions as f64;
    numbers.chunks_exact(positions.max(1)).map(|map| mean(map) as f32).collect()
}

/// Exponentials normalised to sum to one.
fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = scores.iter().map(|&score| f64::from(score - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|number| (number / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_without_overflow() {
        assert_eq!(softmax(&[1000.0, 1000.0]), [0.5, 0.5]);
        let sum: f32 = softmax(&[-3.0, 0.5, 2.0]).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn class_maps_are_averaged() {
        assert_eq!(spatial_means(&[1.0, 3.0, 5.0, 5.0], 2), [2.0, 5.0]);
    }
}
