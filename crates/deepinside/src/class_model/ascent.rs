//! The ascent itself.

use deepinside_engine::{BackwardRule, PlanOptions, Session, Target, Threads};
use deepinside_files::Array;
use deepinside_graph::ValueId;
use rayon::prelude::*;

use super::canvas::{Canvas, Tone};
use super::gradient_size::GradientSize;
use super::objective::contrast;
use super::view::{Corners, View};
use super::{ClassModel, Objective, Progress, Recipe, Start, diversity};
use crate::random::Random;
use crate::{Error, Model, Result, Scores, expect_finite};

/// For how many steps a gradient that is zero everywhere is replaced by one that passes silent rectifiers.
const REDIRECTED_STEPS: usize = 16;

/// What differs between the pictures of one ascent.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// What is maximised.
    pub objective: Objective,
    /// The random seed.
    pub seed: u64,
}

/// How strongly the pictures of an ascent are pushed apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diversity {
    /// The value whose textures are to differ.
    pub value: ValueId,
    /// What the mean cosine of their Gram matrices is multiplied by before it is subtracted.
    pub weight: f64,
}

impl Diversity {
    /// The value whose textures are compared unless another is named: that of the objective where it has positions, else the last
    /// before the score that has.
    ///
    /// # Errors
    /// When the network has no such value.
    pub fn usual_value(model: &Model, objective: &Objective) -> Result<ValueId> {
        // Textures are compared channel by channel, which lie one behind the other.
        let has_positions = |value: &ValueId| {
            let extents = model.graph.value(*value).shape.extents();
            let is_map =
                extents.len() == 4 && extents[2] * extents[3] > 1 && extents[1] != model.score.classes;
            is_map && model.grid(*value).is_ok_and(|grid| grid.is_plain())
        };
        let own = objective.value(model);
        let before = model.graph.nodes().iter().rev().flat_map(|node| node.outputs.iter().rev().copied());
        std::iter::once(own).chain(before).find(has_positions).ok_or_else(|| {
            Error::Option("no value of the network has textures to compare; name one".to_owned())
        })
    }
}

/// One or several pictures on their way uphill, step by step.
pub struct Ascent<'a> {
    model: &'a Model,
    threads: Threads,
    /// May be changed between steps: learning rates, penalties and how views are drawn take effect at once; the parameterisation,
    /// the spectrum, the start, the rule, the margin, the octaves and the number of views are settled when the ascent begins.
    pub recipe: Recipe,
    wishes: Vec<Wish>,
    /// In how many views each picture is seen per step. The network's batch holds those of the first picture, then those of the
    /// second, and so on.
    views: usize,
    diversity: Option<Diversity>,
    session: Session,
    /// The same network with DeconvNet's rule, once a gradient was zero.
    redirected: Option<Session>,
    tone: Tone,
    /// How large the network's gradients are, once that matters.
    gradient_size: Option<GradientSize>,
    pictures: Vec<Growing>,
    iteration: usize,
    notes: Vec<String>,
}

/// The top gradients of all pictures: what is differentiated, from which values on.
type Tops = Vec<(ValueId, Target)>;

/// Where an ascent stood after some step, so that it can go on from there again.
#[derive(Clone)]
pub struct AscentState {
    pictures: Vec<Growing>,
    iteration: usize,
}

impl AscentState {
    /// How many steps had been taken.
    pub fn iteration(&self) -> usize {
        self.iteration
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.pictures.iter().map(|picture| picture.canvas.bytes()).sum()
    }
}

/// One picture.
#[derive(Clone)]
struct Growing {
    canvas: Canvas,
    random: Random,
    scores: Vec<f32>,
}

impl<'a> Ascent<'a> {
    /// Prepares the network for as many pictures at once as there are wishes.
    ///
    /// # Errors
    /// When the recipe's numbers are out of range, a wish names what the network does not have, or a layer cannot be computed.
    pub fn new(
        model: &'a Model,
        wishes: &[Wish],
        recipe: &Recipe,
        diversity: Option<Diversity>,
        threads: &Threads,
    ) -> Result<Self> {
        recipe.check()?;
        if wishes.is_empty() {
            return Err(Error::Option("an ascent needs something to maximise".to_owned()));
        }
        for wish in wishes {
            wish.objective.check(model)?;
        }
        let mut recipe = recipe.clone();
        let tone = Tone::new(model, recipe.parameterisation)?;
        if let Start::Given(numbers) = &mut recipe.start {
            tone.grey_levels(numbers);
        }
        let extents = model.graph.value(model.input).shape.extents();
        let &[_, channels, height, width] = extents else {
            return Err(Error::Model("the network's input has no four axes".to_owned()));
        };
        let mut notes = Vec::new();
        let measures = recipe.gradient_scale.is_none() && recipe.heeds_gradient_size();
        let gradient_size = measures.then(|| GradientSize::measure(model, threads)).transpose()?;
        let is_plain = recipe.starts_plainly_at_the_mean();
        if let Some(times) = gradient_size.filter(|_| is_plain).and_then(|size| size.flatness()) {
            recipe.start = Start::Normal;
            recipe.start_deviation = GradientSize::FAINT_NOISE;
            notes.push(flat_mean(times));
        }
        notes.extend(recipe.expectation());
        let pictures = wishes.iter().map(|wish| {
            let mut random = Random::new(wish.seed);
            let canvas = Canvas::new(&recipe, channels, [height, width], wish.seed, &mut random)?;
            Ok(Growing { canvas, random, scores: Vec::new() })
        });
        Ok(Self {
            model,
            threads: threads.clone(),
            wishes: wishes.to_vec(),
            views: recipe.views,
            diversity,
            session: session(model, wishes, recipe.views, diversity, recipe.rule, threads)?,
            redirected: None,
            tone,
            gradient_size,
            pictures: pictures.collect::<Result<_>>()?,
            iteration: 0,
            notes,
            recipe,
        })
    }

    /// How many steps were taken.
    pub fn iteration(&self) -> usize {
        self.iteration
    }

    /// What happened on the way that a reader of the result should know, in whole sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The picture so far as the network would read it, `C × H × W`, unmoved. `index` counts the wishes.
    ///
    /// # Errors
    /// When there is no such picture.
    pub fn image(&self, index: usize) -> Result<Array> {
        let picture = self.pictures.get(index).ok_or_else(|| {
            Error::Option(format!("the ascent has {} pictures, found {index}", self.pictures.len()))
        })?;
        let canvas = &picture.canvas;
        let corners = View::straight(&canvas.frame).corners(&canvas.frame);
        let input = self.threads.run(|| self.tone.to_network(&corners.look(&canvas.shown())));
        let [height, width] = canvas.frame.view;
        Ok(Array::new([canvas.frame.channels, height, width], input)?)
    }

    /// What is needed to come back to this step: pictures, random numbers and the optimiser's memory. The recipe is no part of it.
    pub fn state(&self) -> AscentState {
        AscentState { pictures: self.pictures.clone(), iteration: self.iteration }
    }

    /// Comes back to a step of this ascent. With an unchanged recipe it takes the same steps again, bit by bit.
    ///
    /// # Errors
    /// When the state is that of an ascent with another number of pictures.
    pub fn restore(&mut self, state: &AscentState) -> Result<()> {
        if state.pictures.len() != self.pictures.len() {
            return Err(Error::Option(format!(
                "the ascent has {} pictures, the state to come back to {}",
                self.pictures.len(),
                state.pictures.len()
            )));
        }
        self.pictures = state.pictures.clone();
        self.iteration = state.iteration;
        Ok(())
    }

    /// Takes one step with every picture; tells what they were before it.
    ///
    /// # Errors
    /// When the recipe was changed to numbers out of range, or the ascent leaves the range of numbers (the learning rate is too
    /// large then).
    pub fn step(&mut self) -> Result<Vec<Progress>> {
        self.recipe.check()?;
        let octave = self.iteration * self.recipe.octaves / self.recipe.iterations.max(1);
        let mut looks = Vec::with_capacity(self.pictures.len() * self.views);
        for (index, picture) in self.pictures.iter_mut().enumerate() {
            picture.canvas.enlarge(&self.recipe, octave);
            for _ in 0..self.views {
                let view = View::draw(&self.recipe, &picture.canvas.frame, &mut picture.random);
                // A seed of its own for each view's noise, so that views may be made in any order.
                let noise = (self.recipe.noise > 0.0).then(|| picture.random.bits());
                looks.push((index, view, noise));
            }
        }
        let threads = self.threads.clone();
        let shown: Vec<Vec<f32>> =
            threads.run(|| self.pictures.par_iter().map(|picture| picture.canvas.picture()).collect());
        let look = |&(index, view, noise): &(usize, View, Option<u64>)| {
            let corners = view.corners(&self.pictures[index].canvas.frame);
            let mut seen = corners.look(&shown[index]);
            if let Some(seed) = noise {
                add_noise(&mut seen, self.recipe.noise, seed);
            }
            (corners, self.tone.to_network(&seen))
        };
        let (views, inputs): (Vec<Corners>, Vec<Vec<f32>>) =
            threads.run(|| looks.par_iter().map(look).unzip());
        let input = inputs.concat();
        self.session.forward(&[(self.model.input, &input)])?;
        let (values, tops) = self.tops()?;
        let gradients = self.gradients(&input, &tops)?;
        expect_finite(|| format!("the numbers of the gradient at step {}", self.iteration + 1), &gradients)?;
        // Where the network gives no number for the first picture the step is not to blame, but what `scores` says.
        if let Some(value) = values.iter().find(|value| self.iteration > 0 && !value.is_finite()) {
            return Err(Error::Option(format!(
                "the ascent left the range of numbers after {} steps (the score is {value}); use a smaller learning rate",
                self.iteration
            )));
        }
        let scores = scores(self.model, &self.session, views.len())?;
        let mut progress = Vec::with_capacity(values.len());
        for ((wish, value), scores) in self.wishes.iter().zip(values).zip(scores.chunks_exact(self.views)) {
            expect_finite(|| "the values that are maximised".to_owned(), &[value as f32])?;
            let probability = wish.objective.class().map(|class| {
                scores.iter().map(|scores| scores.probabilities[class]).sum::<f32>() / self.views as f32
            });
            progress.push(Progress { iteration: self.iteration, value: value as f32, probability });
        }
        let learning_rate = self.learning_rate();
        let unit = 1.0 / self.gradient_scale()? as f32;
        let size = (gradients.len() / views.len()).max(1);
        let back = |(view, gradient): (&Corners, &[f32])| view.back(&self.tone.back(gradient));
        let slopes: Vec<Vec<f32>> =
            threads.run(|| views.par_iter().zip(gradients.par_chunks_exact(size)).map(back).collect());
        let states = self.pictures.iter_mut().zip(&shown).zip(slopes.chunks_exact(self.views)).zip(&progress);
        for (((picture, shown), slopes), progress) in states {
            picture.scores.push(progress.value);
            let mut slopes = mean(slopes);
            slopes.iter_mut().for_each(|slope| *slope *= unit);
            threads.run(|| {
                picture.canvas.step(&self.recipe, learning_rate, self.iteration, shown, &slopes);
            });
        }
        self.iteration += 1;
        if !self.pictures.iter().all(|picture| picture.canvas.is_finite()) {
            return Err(Error::Option(format!(
                "the picture left the range of numbers after {} steps; use a smaller learning rate, or weaker regularisers",
                self.iteration
            )));
        }
        Ok(progress)
    }

    /// The finished pictures, with what the network thinks of them unmoved.
    ///
    /// # Errors
    /// When numbers left their range.
    pub fn finish(mut self) -> Result<Vec<ClassModel>> {
        let images: Vec<Array> =
            (0..self.pictures.len()).map(|index| self.image(index)).collect::<Result<_>>()?;
        // Every place of the batch is taken: each picture as often as it was seen per step.
        let repeated = images.iter().flat_map(|image| std::iter::repeat_n(image.data(), self.views));
        let input = repeated.collect::<Vec<_>>().concat();
        self.session.forward(&[(self.model.input, &input)])?;
        let (values, _) = self.tops()?;
        let results = scores(self.model, &self.session, images.len() * self.views)?;
        let results = results.into_iter().step_by(self.views);
        let mut models = Vec::with_capacity(images.len());
        let states = self.pictures.into_iter().zip(self.wishes).zip(images);
        for (((mut picture, wish), image), (value, result)) in states.zip(values.into_iter().zip(results)) {
            picture.scores.push(value as f32);
            let notes = self.notes.clone();
            models.push(ClassModel {
                objective: wish.objective,
                image,
                values: picture.scores,
                result,
                notes,
            });
        }
        Ok(models)
    }

    /// What gradients are divided by. The network is measured once, when that first matters: numbers of
    /// the recipe may change on the way.
    fn gradient_scale(&mut self) -> Result<f64> {
        match (self.recipe.gradient_scale, self.gradient_size) {
            (Some(scale), _) => Ok(scale),
            (None, _) if !self.recipe.heeds_gradient_size() => Ok(1.0),
            (None, Some(size)) => Ok(size.scale()),
            (None, None) => {
                let size = GradientSize::measure(self.model, &self.threads)?;
                self.gradient_size = Some(size);
                Ok(size.scale())
            }
        }
    }

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64 {
        let last = self.recipe.iterations.saturating_sub(1).max(1) as f64;
        let share = (self.iteration as f64 / last).min(1.0);
        self.recipe.learning_rate * (1.0 + share * (self.recipe.final_learning_rate - 1.0))
    }

    /// What each picture reaches, its views' mean, and the gradients with respect to every value that takes part, for the whole
    /// batch. Penalties, which is what contrast and diversity are, count for the gradients alone.
    fn tops(&self) -> Result<(Vec<f64>, Tops)> {
        let batch = self.wishes.len() * self.views;
        let mut dense: Vec<(ValueId, Vec<f32>)> = Vec::new();
        let mut activations: Vec<Vec<f32>> = Vec::new();
        for value in observed(self.model, &self.wishes, self.diversity) {
            let numbers = self.session.activation(value)?;
            dense.push((value, vec![0.0; numbers.len()]));
            activations.push(numbers);
        }
        let order: Vec<ValueId> = dense.iter().map(|(value, _)| *value).collect();
        let place = |value: ValueId| order.iter().position(|other| *other == value).unwrap_or_default();
        let part = |value: ValueId, index: usize| -> &[f32] {
            let numbers = &activations[place(value)];
            let size = numbers.len() / batch.max(1);
            &numbers[index * size..][..size]
        };
        let mut add = |value: ValueId, index: usize, gradient: &[f32], weight: f32| {
            let to = dense[place(value)].1[index * gradient.len()..].iter_mut();
            to.zip(gradient).for_each(|(to, from)| *to += weight * from);
        };
        let mut values = Vec::with_capacity(batch);
        for (wish, first) in self.wishes.iter().zip((0..batch).step_by(self.views)) {
            let value = wish.objective.value(self.model);
            let mut sum = 0.0;
            for index in first..first + self.views {
                let (number, gradient) = wish.objective.differentiate(self.model, part(value, index));
                add(value, index, &gradient, 1.0);
                sum += number;
                if let (&Objective::Class(class), true) = (&wish.objective, self.recipe.contrast > 0.0) {
                    let Recipe { contrast: weight, contrast_temperature: temperature, .. } = self.recipe;
                    let (_, gradient) = contrast(self.model, class, temperature, part(value, index));
                    add(value, index, &gradient, weight as f32);
                }
            }
            values.push(sum / self.views as f64);
        }
        if let Some(Diversity { value, weight }) = self.diversity {
            let channels = self.model.graph.value(value).shape.extent(1).unwrap_or(1);
            // The first views of all pictures are compared with each other, then the second, and so on.
            for view in 0..self.views {
                let places = || (view..batch).step_by(self.views);
                let parts: Vec<&[f32]> = places().map(|index| part(value, index)).collect();
                for (index, gradient) in places().zip(diversity::gradients(&parts, channels)) {
                    add(value, index, &gradient, weight as f32);
                }
            }
        }
        Ok((values, dense.into_iter().map(|(value, numbers)| (value, Target::Dense(numbers))).collect()))
    }

    /// The gradients with respect to the input. Where one is zero everywhere in the first steps, that under DeconvNet's rule stands
    /// in for it, which passes silent rectifiers.
    fn gradients(&mut self, input: &[f32], tops: &Tops) -> Result<Vec<f32>> {
        let targets: Vec<(ValueId, &Target)> = tops.iter().map(|(value, target)| (*value, target)).collect();
        self.session.backward(&targets)?;
        let mut gradients = self.session.gradient(self.model.input)?;
        let size = (gradients.len() / (self.wishes.len() * self.views)).max(1);
        let is_silent = |gradient: &[f32]| gradient.iter().all(|&slope| slope == 0.0);
        if self.iteration >= REDIRECTED_STEPS || !gradients.chunks_exact(size).any(is_silent) {
            return Ok(gradients);
        }
        let is_first = self.redirected.is_none();
        if is_first {
            let (wishes, rule) = (&self.wishes, BackwardRule::DeconvNet);
            self.redirected =
                Some(session(self.model, wishes, self.views, self.diversity, rule, &self.threads)?);
        }
        let mut passes = false;
        if let Some(redirected) = &mut self.redirected {
            redirected.forward(&[(self.model.input, input)])?;
            redirected.backward(&targets)?;
            let others = redirected.gradient(self.model.input)?;
            for (gradient, other) in gradients.chunks_exact_mut(size).zip(others.chunks_exact(size)) {
                if is_silent(gradient) {
                    gradient.copy_from_slice(other);
                    passes |= !is_silent(other);
                }
            }
        }
        if is_first && passes {
            self.notes.push(format!(
                "nothing flowed back to the picture after {} steps, since rectifiers on the way were silent; in the first \
                 {REDIRECTED_STEPS} steps such gradients were passed on as DeconvNets do",
                self.iteration
            ));
        } else if is_first {
            self.notes.push(format!(
                "nothing flowed back to the picture after {} steps, not even past silent rectifiers: there its gradient is zero, and \
                 what is maximised may not depend on the picture at all",
                self.iteration
            ));
        }
        Ok(gradients)
    }
}

/// Says why an ascent does not start at the mean, where gradients are so many times smaller than nearby.
fn flat_mean(times: f64) -> String {
    let found = match times.is_finite() {
        true => format!("{times:.0} times smaller than in noise of one grey level"),
        false => "zero, and in noise of one grey level it is not".to_owned(),
    };
    format!("the network's gradient at the mean is {found}: the ascent starts from such noise")
}

/// How many numbers share a generator of noise: pieces of work for threads, fixed so that their number changes nothing.
const NOISE_PIECE: usize = 8192;

/// Adds Gaussian noise of a deviation.
fn add_noise(numbers: &mut [f32], deviation: f64, seed: u64) {
    numbers.par_chunks_mut(NOISE_PIECE).enumerate().for_each(|(index, piece)| {
        let mut random = Random::new(seed.wrapping_add(index as u64));
        piece.iter_mut().for_each(|number| *number += (deviation * random.normal()) as f32);
    });
}

/// The mean of several gradients.
fn mean(gradients: &[Vec<f32>]) -> Vec<f32> {
    let [first, others @ ..] = gradients else { return Vec::new() };
    let mut mean = first.clone();
    for other in others {
        mean.iter_mut().zip(other).for_each(|(sum, number)| *sum += number);
    }
    if !others.is_empty() {
        mean.iter_mut().for_each(|sum| *sum /= gradients.len() as f32);
    }
    mean
}

/// The values whose activations take part, each once.
fn observed(model: &Model, wishes: &[Wish], diversity: Option<Diversity>) -> Vec<ValueId> {
    let mut values: Vec<ValueId> = Vec::new();
    let wanted = wishes.iter().map(|wish| wish.objective.value(model));
    for value in wanted.chain(diversity.map(|diversity| diversity.value)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn session(
    model: &Model,
    wishes: &[Wish],
    views: usize,
    diversity: Option<Diversity>,
    rule: BackwardRule,
    threads: &Threads,
) -> Result<Session> {
    let targets = observed(model, wishes, diversity);
    let scores = [model.score.value, model.score.output];
    let options = PlanOptions {
        activations: targets.iter().copied().chain(scores).collect(),
        gradients: vec![model.input],
        targets,
        rule,
        ..PlanOptions::default()
    };
    model.session(wishes.len() * views, &options, threads)
}

/// What the network thinks of each picture of its last batch.
fn scores(model: &Model, session: &Session, batch: usize) -> Result<Vec<Scores>> {
    let numbers = session.activation(model.score.value)?;
    let output = session.activation(model.score.output)?;
    let part = |numbers: &[f32], index: usize| -> Vec<f32> {
        let size = numbers.len() / batch.max(1);
        numbers[index * size..][..size].to_vec()
    };
    (0..batch)
        .map(|index| Scores::read(&model.score, &part(&numbers, index), &part(&output, index)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_deviation_and_repeats_by_seed() {
        let noisy = |seed| {
            let mut numbers = vec![100.0; 20_000];
            add_noise(&mut numbers, 30.0, seed);
            numbers
        };
        let numbers = noisy(4);
        let mean = numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / 2e4;
        let variance = numbers.iter().map(|&number| (f64::from(number) - mean).powi(2)).sum::<f64>() / 2e4;
        assert!((mean - 100.0).abs() < 1.0 && (variance.sqrt() - 30.0).abs() < 0.7, "{mean} {variance}");
        assert_eq!(numbers, noisy(4));
        assert_ne!(numbers, noisy(5));
    }

    #[test]
    fn the_mean_of_gradients() {
        assert_eq!(mean(&[vec![1.0, -2.0]]), [1.0, -2.0]);
        assert_eq!(mean(&[vec![1.0, -2.0], vec![3.0, 6.0]]), [2.0, 2.0]);
    }
}
