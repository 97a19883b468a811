//! The maps of one prepared network, of one picture or of several at the same time.

use deepinside_engine::Threads;
use deepinside_graph::ValueId;
use deepinside_vision::Array;
use rayon::prelude::*;

use crate::class_activation::class_activation_map;
use crate::evidence_options::{EvidenceOptions, Noise};
use crate::random::Random;
use crate::saliency::largest_magnitude;
use crate::{BackwardRule, Interrupt, Model, Result, ScoreRunner, Scores};

/// A prepared network and what is read from it after a backward pass.
pub(crate) struct Source {
    /// One for a single picture; for several as many as there are threads, which wait less where each has a picture than where they
    /// share every layer.
    workers: Vec<ScoreRunner>,
    /// Whether the gradient with respect to the picture is read.
    reads_input: bool,
    /// Of which layers class activation maps are made.
    layers: Vec<ValueId>,
    threads: Threads,
}

impl Source {
    /// Prepares a model.
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn new(
        model: &Model,
        rule: BackwardRule,
        layers: Vec<ValueId>,
        reads_input: bool,
        threads: &Threads,
    ) -> Result<Self> {
        let runner = ScoreRunner::observing(model, Some(rule), &layers, threads)?;
        let workers = vec![runner];
        Ok(Self { workers, reads_input, layers, threads: threads.clone() })
    }

    /// Whether the gradient with respect to the picture is read.
    pub fn reads_input(&self) -> bool {
        self.reads_input
    }

    /// How many maps there are of each class: of the gradient, if it is read, and of each layer.
    pub fn maps(&self) -> usize {
        usize::from(self.reads_input) + self.layers.len()
    }

    /// From now on every pass stops when this interrupt is set.
    pub fn set_interrupt(&mut self, interrupt: &Interrupt) {
        self.workers.iter_mut().for_each(|worker| worker.set_interrupt(interrupt));
    }

    /// # Errors
    /// [`crate::Error::Interrupted`] when it was asked to stop.
    pub fn check_interrupt(&self) -> Result<()> {
        self.workers[0].check_interrupt()
    }

    /// The scores of a picture. Where [`Source::for_each`] is then called for it alone, it does not go forward again.
    ///
    /// # Errors
    /// When the picture does not fit, or the computation was interrupted.
    pub fn score(&mut self, input: &[f32]) -> Result<Scores> {
        self.workers[0].scores(input)
    }

    /// Hands over the maps of some pictures, one after the other, with the position of the picture: per class the saliency of the
    /// gradient, or of the mean gradient over noisy copies, and the (mean) class activation map of each layer; and per class that
    /// gradient itself, if it is read. Returns the scores.
    ///
    /// # Errors
    /// When a picture does not fit, the computation was interrupted, or taking the maps fails.
    pub fn for_each(
        &mut self,
        inputs: &[&[f32]],
        classes: &[usize],
        options: &EvidenceOptions,
        mut take: impl FnMut(usize, &[Vec<Array>], Vec<Array>) -> Result<()>,
    ) -> Result<Vec<Scores>> {
        let mut all = Vec::new();
        if let Some(noise) = options.noise {
            let mut random = Random::new(noise.seed);
            for (index, input) in inputs.iter().enumerate() {
                all.push(self.workers[0].scores(input)?);
                let (found, gradients) = self.mean_over_noise(input, classes, options, noise, &mut random)?;
                take(index, &found, gradients)?;
            }
            return Ok(all);
        }
        self.hire(inputs.len())?;
        let Self { workers, reads_input, layers, threads } = self;
        let work = |worker: &mut ScoreRunner, input: &[f32]| {
            let scores = worker.scores(input)?;
            let mut found = maps(worker, layers, classes, options)?;
            let gradients = finish(&mut found, *reads_input)?;
            Ok((scores, found, gradients))
        };
        each(workers, threads, inputs, work, |index, (scores, found, gradients)| {
            all.push(scores);
            take(index, &found, gradients)
        })?;
        Ok(all)
    }

    /// The mean maps over noisy copies of a picture, and the mean gradients.
    fn mean_over_noise(
        &mut self,
        input: &[f32],
        classes: &[usize],
        options: &EvidenceOptions,
        Noise { samples, deviation, .. }: Noise,
        random: &mut Random,
    ) -> Result<(Vec<Vec<Array>>, Vec<Array>)> {
        self.hire(samples)?;
        let Self { workers, reads_input, layers, threads } = self;
        let (low, high) = input
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let deviation = deviation as f32 * (high - low);
        let mut noise = vec![0.0; input.len()];
        let work = |worker: &mut ScoreRunner, input: &[f32]| {
            worker.forward(input)?;
            maps(worker, layers, classes, options)
        };
        let mut sums: Vec<Vec<Array>> = Vec::new();
        for first in (0..samples).step_by(threads.count()) {
            let mut copy = |index: usize| -> Vec<f32> {
                for number in &mut noise {
                    // Every second copy has the opposite noise.
                    *number =
                        if index.is_multiple_of(2) { deviation * random.normal() as f32 } else { -*number };
                }
                input.iter().zip(&noise).map(|(number, noise)| number + noise).collect()
            };
            let copies: Vec<Vec<f32>> =
                (first..samples.min(first + threads.count())).map(&mut copy).collect();
            let copies: Vec<&[f32]> = copies.iter().map(Vec::as_slice).collect();
            each(workers, threads, &copies, work, |_, found| {
                if sums.is_empty() {
                    sums = found;
                    return Ok(());
                }
                for (sum, found) in sums.iter_mut().flatten().zip(found.iter().flatten()) {
                    add(sum.data_mut(), found.data());
                }
                Ok(())
            })?;
        }
        let share = 1.0 / samples as f32;
        for own in &mut sums {
            own.iter_mut().flat_map(|sum| sum.data_mut()).for_each(|number| *number *= share);
        }
        let gradients = finish(&mut sums, *reads_input)?;
        Ok((sums, gradients))
    }

    /// Takes memory for so many pictures at the same time, one for each thread at most.
    fn hire(&mut self, pictures: usize) -> Result<()> {
        while self.workers.len() < pictures.min(self.threads.count()) {
            self.workers.push(self.workers[0].another()?);
        }
        Ok(())
    }
}

/// Computes something for each picture, as many at the same time as there are workers, and hands it over in order.
fn each<T: Send>(
    workers: &mut [ScoreRunner],
    threads: &Threads,
    inputs: &[&[f32]],
    work: impl Fn(&mut ScoreRunner, &[f32]) -> Result<T> + Sync,
    mut take: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let count = workers.len();
    for (round, inputs) in inputs.chunks(count).enumerate() {
        let first = round * count;
        let found: Vec<T> = threads.run(|| {
            let pictures = workers.par_iter_mut().zip(inputs).with_max_len(1);
            pictures.map(|(worker, input)| work(worker, input)).collect::<Result<_>>()
        })?;
        found.into_iter().enumerate().try_for_each(|(index, found)| take(first + index, found))?;
    }
    Ok(())
}

/// What the last forward pass gives for each class: the gradient, if it is read, and the layers' maps.
fn maps(
    runner: &mut ScoreRunner,
    layers: &[ValueId],
    classes: &[usize],
    options: &EvidenceOptions,
) -> Result<Vec<Vec<Array>>> {
    let mut all = Vec::new();
    for &class in classes {
        let gradient = match options.minus {
            Some(minus) => runner.gradient_of_difference(class, minus)?,
            None => runner.gradient(class)?,
        };
        let mut found = vec![gradient];
        if let Some(activations) = &options.activations {
            for &layer in layers {
                let (activation, gradient) = runner.layer(layer)?;
                found.push(class_activation_map(&activation, &gradient, activations.weighting)?);
            }
        }
        all.push(found);
    }
    Ok(all)
}

/// Makes saliency of each class's gradient, or drops it; the gradients are returned if they are read.
fn finish(all: &mut [Vec<Array>], reads_input: bool) -> Result<Vec<Array>> {
    let mut gradients = Vec::new();
    for maps in all {
        if reads_input {
            let saliency = largest_magnitude(&maps[0])?;
            gradients.push(std::mem::replace(&mut maps[0], saliency));
        } else {
            maps.remove(0);
        }
    }
    Ok(gradients)
}

/// Adds numbers to sums.
pub(crate) fn add(sum: &mut [f32], numbers: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum += number;
    }
}
