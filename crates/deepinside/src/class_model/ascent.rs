//! The ascent itself.

use deepinside_engine::{BackwardRule, PlanOptions, Session, Target, Threads};
use deepinside_graph::ValueId;
use deepinside_vision::Array;

use super::canvas::{Canvas, Tone};
use super::view::{Corners, View};
use super::{ClassModel, Objective, Progress, Recipe, Start, diversity};
use crate::random::Random;
use crate::runner::Scores;
use crate::{Error, Model, Result};

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
        let has_positions = |value: &ValueId| {
            let extents = model.graph.value(*value).shape.extents();
            extents.len() == 4 && extents[2] * extents[3] > 1 && extents[1] != model.score.classes
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
    /// May be changed between steps: learning rates, penalties and views take effect at once; the parameterisation, the start, the
    /// margin and the octaves are settled when the ascent begins.
    pub recipe: Recipe,
    wishes: Vec<Wish>,
    diversity: Option<Diversity>,
    session: Session,
    /// The same network with DeconvNet's rule, once a gradient was zero.
    redirected: Option<Session>,
    tone: Tone,
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
        let pictures = wishes.iter().map(|wish| {
            let mut random = Random::new(wish.seed);
            let canvas = Canvas::new(&recipe, channels, [height, width], wish.seed, &mut random)?;
            Ok(Growing { canvas, random, scores: Vec::new() })
        });
        Ok(Self {
            model,
            threads: threads.clone(),
            wishes: wishes.to_vec(),
            diversity,
            session: session(model, wishes, diversity, BackwardRule::Gradient, threads)?,
            redirected: None,
            tone,
            pictures: pictures.collect::<Result<_>>()?,
            iteration: 0,
            notes: Vec::new(),
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
        let input = self.threads.run(|| self.tone.to_network(&corners.look(&canvas.picture())));
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
        let mut views = Vec::with_capacity(self.pictures.len());
        for picture in &mut self.pictures {
            picture.canvas.enlarge(&self.recipe, octave);
            let frame = &picture.canvas.frame;
            views.push(View::draw(&self.recipe, frame, &mut picture.random).corners(frame));
        }
        let threads = self.threads.clone();
        let shown: Vec<Vec<f32>> =
            threads.run(|| self.pictures.iter().map(|picture| picture.canvas.picture()).collect());
        let seen = |(view, shown): (&Corners, &Vec<f32>)| self.tone.to_network(&view.look(shown));
        let input: Vec<f32> = threads.run(|| views.iter().zip(&shown).flat_map(seen).collect());
        self.session.forward(&[(self.model.input, &input)])?;
        let (values, tops) = self.tops()?;
        let gradients = self.gradients(&input, &tops)?;
        let scores = scores(self.model, &self.session, self.pictures.len())?;
        let mut progress = Vec::with_capacity(values.len());
        for ((wish, value), scores) in self.wishes.iter().zip(values).zip(&scores) {
            if !value.is_finite() {
                return Err(Error::Option(format!(
                    "the ascent left the range of numbers after {} steps (the score is {value}); use a smaller learning rate",
                    self.iteration
                )));
            }
            let probability = wish.objective.class().map(|class| scores.probabilities[class]);
            progress.push(Progress { iteration: self.iteration, value: value as f32, probability });
        }
        let learning_rate = self.learning_rate();
        let size = gradients.len() / self.pictures.len().max(1);
        let states = self.pictures.iter_mut().zip(&shown).zip(&views).zip(&progress);
        for ((((picture, shown), view), progress), gradient) in
            states.zip(gradients.chunks_exact(size.max(1)))
        {
            picture.scores.push(progress.value);
            let (recipe, tone, iteration) = (&self.recipe, &self.tone, self.iteration);
            threads.run(|| {
                let slopes = view.back(&tone.back(gradient));
                picture.canvas.step(recipe, learning_rate, iteration, shown, &slopes);
            });
        }
        self.iteration += 1;
        Ok(progress)
    }

    /// The finished pictures, with what the network thinks of them unmoved.
    ///
    /// # Errors
    /// When numbers left their range.
    pub fn finish(mut self) -> Result<Vec<ClassModel>> {
        let images: Vec<Array> =
            (0..self.pictures.len()).map(|index| self.image(index)).collect::<Result<_>>()?;
        let input: Vec<f32> = images.iter().flat_map(|image| image.data().iter().copied()).collect();
        self.session.forward(&[(self.model.input, &input)])?;
        let (values, _) = self.tops()?;
        let results = scores(self.model, &self.session, images.len())?;
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

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64 {
        let last = self.recipe.iterations.saturating_sub(1).max(1) as f64;
        let share = (self.iteration as f64 / last).min(1.0);
        self.recipe.learning_rate * (1.0 + share * (self.recipe.final_learning_rate - 1.0))
    }

    /// What each picture reaches, and the gradients of that with respect to every value that takes part, for the whole batch.
    fn tops(&self) -> Result<(Vec<f64>, Tops)> {
        let batch = self.wishes.len();
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
        for (index, wish) in self.wishes.iter().enumerate() {
            let value = wish.objective.value(self.model);
            let (number, gradient) = wish.objective.differentiate(self.model, part(value, index));
            add(value, index, &gradient, 1.0);
            values.push(number);
        }
        if let Some(Diversity { value, weight }) = self.diversity {
            let parts: Vec<&[f32]> = (0..batch).map(|index| part(value, index)).collect();
            let channels = self.model.graph.value(value).shape.extent(1).unwrap_or(1);
            for (index, gradient) in diversity::gradients(&parts, channels).iter().enumerate() {
                add(value, index, gradient, weight as f32);
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
        let size = (gradients.len() / self.wishes.len().max(1)).max(1);
        let is_silent = |gradient: &[f32]| gradient.iter().all(|&slope| slope == 0.0);
        if self.iteration >= REDIRECTED_STEPS || !gradients.chunks_exact(size).any(is_silent) {
            return Ok(gradients);
        }
        if self.redirected.is_none() {
            let (wishes, rule) = (&self.wishes, BackwardRule::DeconvNet);
            self.redirected = Some(session(self.model, wishes, self.diversity, rule, &self.threads)?);
            self.notes.push(format!(
                "nothing flowed back to the picture after {} steps, since rectifiers on the way were silent; in the first \
                 {REDIRECTED_STEPS} steps such gradients were passed on as DeconvNets do",
                self.iteration
            ));
        }
        if let Some(redirected) = &mut self.redirected {
            redirected.forward(&[(self.model.input, input)])?;
            redirected.backward(&targets)?;
            let others = redirected.gradient(self.model.input)?;
            for (gradient, other) in gradients.chunks_exact_mut(size).zip(others.chunks_exact(size)) {
                if is_silent(gradient) {
                    gradient.copy_from_slice(other);
                }
            }
        }
        Ok(gradients)
    }
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
    model.session(wishes.len(), &options, threads)
}

/// What the network thinks of each picture of its last batch.
fn scores(model: &Model, session: &Session, batch: usize) -> Result<Vec<Scores>> {
    let numbers = session.activation(model.score.value)?;
    let output = session.activation(model.score.output)?;
    let part = |numbers: &[f32], index: usize| -> Vec<f32> {
        let size = numbers.len() / batch.max(1);
        numbers[index * size..][..size].to_vec()
    };
    Ok((0..batch)
        .map(|index| Scores::read(&model.score, &part(&numbers, index), &part(&output, index)))
        .collect())
}
