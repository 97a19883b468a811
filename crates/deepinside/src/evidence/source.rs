//! The maps that one kind of pass gives, of one picture or of several at the same time.

use deepinside_files::Array;
use deepinside_graph::ValueId;

use crate::attribution::largest_magnitude;
use crate::attribution::{Pass, Passed, Runner};
use crate::class_activation::class_activation_map;
use crate::evidence_options::{EvidenceOptions, Noise};
use crate::random::Random;
use crate::{BackwardRule, Model, Result, Scores, Target};

/// A kind of pass, and what is read after it.
pub(super) struct Source {
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// Of which layers class activation maps are made.
    pub layers: Vec<ValueId>,
    /// Whether the gradient with respect to the picture is read.
    pub reads_input: bool,
}

impl Source {
    /// How many maps there are of each class: of the gradient, if it is read, and of each layer.
    pub fn maps(&self) -> usize {
        usize::from(self.reads_input) + self.layers.len()
    }

    fn pass(&self, model: &Model) -> Pass {
        let input = self.reads_input.then_some(model.input);
        Pass {
            rule: self.rule,
            activations: self.layers.clone(),
            gradients: input.into_iter().chain(self.layers.iter().copied()).collect(),
            ..Pass::default()
        }
    }

    /// Prepares the network, so that what chooses the class shares the forward pass.
    ///
    /// # Errors
    /// When a layer cannot be computed.
    pub fn expect(&self, runner: &mut Runner) -> Result<()> {
        runner.expect(&self.pass(&runner.model().clone()), &Target::class(0))
    }

    /// Hands over the maps of some pictures, one after the other, with the position of the picture: per target the saliency of the
    /// gradient, or of the mean gradient over noisy copies, and the (mean) class activation map of each layer; and per target that
    /// gradient itself, if it is read. Returns the scores.
    ///
    /// # Errors
    /// When a picture does not fit, the computation was interrupted, or taking the maps fails.
    pub fn for_each(
        &self,
        runner: &mut Runner,
        inputs: &[&[f32]],
        targets: &[Target],
        options: &EvidenceOptions,
        mut take: impl FnMut(usize, &[Vec<Array>], Vec<Array>) -> Result<()>,
    ) -> Result<Vec<Scores>> {
        let mut all = Vec::new();
        if options.noise.is_some() || targets.is_empty() {
            self.expect(runner)?;
            let mut random = Random::new(options.noise.map_or(0, |noise| noise.seed));
            for (index, input) in inputs.iter().enumerate() {
                all.push(runner.scores(input)?);
                let mut found = match options.noise {
                    Some(noise) => {
                        self.mean_over_noise(runner, input, targets, options, noise, &mut random)?
                    }
                    None => Vec::new(),
                };
                let gradients = self.finish(&mut found)?;
                take(index, &found, gradients)?;
            }
            return Ok(all);
        }
        let pass = self.pass(&runner.model().clone());
        let mut found = Vec::new();
        let read = |passed: &Passed<'_>| Ok((passed.scores()?, self.read(passed, options)?));
        let mut each = |input: usize, target: usize, (scores, maps)| {
            found.push(maps);
            if target + 1 < targets.len() {
                return Ok(());
            }
            all.push(scores);
            let gradients = self.finish(&mut found)?;
            take(input, &found, gradients)?;
            found.clear();
            Ok(())
        };
        runner.each_target(
            &pass,
            targets,
            inputs.len(),
            &|input| inputs[input].to_vec(),
            &read,
            &mut each,
        )?;
        Ok(all)
    }

    /// The mean maps over noisy copies of a picture.
    fn mean_over_noise(
        &self,
        runner: &mut Runner,
        input: &[f32],
        targets: &[Target],
        options: &EvidenceOptions,
        Noise { samples, deviation, .. }: Noise,
        random: &mut Random,
    ) -> Result<Vec<Vec<Array>>> {
        let (low, high) = input
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let deviation = deviation as f32 * (high - low);
        let mut noise = vec![0.0; input.len()];
        let pass = self.pass(&runner.model().clone());
        let together = runner.threads().count();
        let mut sums: Vec<Vec<Array>> = Vec::new();
        for first in (0..samples).step_by(together) {
            let mut copy = |index: usize| -> Vec<f32> {
                // Every second copy has the opposite noise.
                let factor = if index.is_multiple_of(2) { deviation } else { -1.0 };
                if index.is_multiple_of(2) {
                    random.fill_normal(&mut noise);
                }
                noise.iter_mut().for_each(|number| *number *= factor);
                input.iter().zip(&noise).map(|(number, noise)| number + noise).collect()
            };
            let copies: Vec<Vec<f32>> = (first..samples.min(first + together)).map(&mut copy).collect();
            runner.each_target(
                &pass,
                targets,
                copies.len(),
                &|copy| copies[copy].clone(),
                &|passed| self.read(passed, options),
                &mut |_, target, found| {
                    match sums.get_mut(target) {
                        None => sums.push(found),
                        Some(sums) => {
                            for (sum, found) in sums.iter_mut().zip(&found) {
                                add(sum.data_mut(), found.data());
                            }
                        }
                    }
                    Ok(())
                },
            )?;
        }
        let share = 1.0 / samples as f32;
        for own in &mut sums {
            own.iter_mut().flat_map(|sum| sum.data_mut()).for_each(|number| *number *= share);
        }
        Ok(sums)
    }

    /// What a pass gives: the gradient, if it is read, and the layers' maps.
    fn read(&self, passed: &Passed<'_>, options: &EvidenceOptions) -> Result<Vec<Array>> {
        let mut found = Vec::with_capacity(self.maps());
        if self.reads_input {
            found.push(passed.input_gradient()?);
        }
        if let Some(activations) = &options.activations {
            for &layer in &self.layers {
                let (activation, gradient) = (passed.activation_maps(layer)?, passed.gradient_maps(layer)?);
                found.push(class_activation_map(&activation, &gradient, activations.weighting)?);
            }
        }
        Ok(found)
    }

    /// Makes saliency of each target's gradient, if it is read, and returns the gradients.
    fn finish(&self, all: &mut [Vec<Array>]) -> Result<Vec<Array>> {
        let mut gradients = Vec::new();
        for maps in all.iter_mut().filter(|_| self.reads_input) {
            let saliency = largest_magnitude(&maps[0])?;
            gradients.push(std::mem::replace(&mut maps[0], saliency));
        }
        Ok(gradients)
    }
}

/// Adds numbers to sums.
pub(super) fn add(sum: &mut [f32], numbers: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum += number;
    }
}
