//! Passes through one network.

use std::collections::BTreeMap;
use std::sync::Arc;

use deepinside_engine::{BackwardRule, PlanOptions, Session, Target as Top, Threads};
use deepinside_graph::pass::cut_at;
use deepinside_graph::{Interrupt, ValueId};
use deepinside_vision::Array;
use rayon::prelude::*;

use crate::target::{Evaluated, shape_of};
use crate::{Error, Model, Result, Scores, Target, expect_finite};

/// What is read from the network in a pass, and how it goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The layer whose numbers are given instead of an input's; see [`Runner::each_from`].
    pub from: Option<ValueId>,
    /// The values whose activations are read.
    pub activations: Vec<ValueId>,
    /// The values whose gradients are read; without one, nothing goes back.
    pub gradients: Vec<ValueId>,
}

impl Pass {
    /// Forward only: the target's number.
    pub fn forward() -> Self {
        Self::default()
    }

    /// The gradient with respect to the input.
    pub fn to_input(model: &Model, rule: BackwardRule) -> Self {
        Self { rule, gradients: vec![model.input], ..Self::default() }
    }

    /// Activations of layers, and the gradients with respect to them.
    pub fn at_layers(layers: &[ValueId]) -> Self {
        Self { activations: layers.to_vec(), gradients: layers.to_vec(), ..Self::default() }
    }
}

/// Runs passes of one model. A network is prepared once for each kind of pass; pictures go through it one on each thread; the last
/// picture that went forward is remembered.
pub struct Runner {
    model: Arc<Model>,
    threads: Threads,
    prepared: Vec<Prepared>,
    forward_passes: usize,
}

/// How many kinds of passes a network stays prepared for.
const MOST_PREPARED: usize = 6;

/// The network prepared for a kind of pass.
struct Prepared {
    pass: Pass,
    targets: Vec<ValueId>,
    /// Whether the input goes in beside a layer's numbers.
    beside: bool,
    workers: Vec<Worker>,
}

/// What one picture at a time takes.
struct Worker {
    session: Session,
    /// What went forward last.
    last: Option<Vec<f32>>,
    forward_passes: usize,
}

/// What a pass computed for one picture.
pub struct Passed<'a> {
    /// The target's number.
    pub number: f64,
    model: &'a Model,
    session: &'a Session,
}

impl Passed<'_> {
    /// The activation of a value of the pass, without the batch axis.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn activation(&self, value: ValueId) -> Result<Array> {
        let numbers = self.session.activation(value)?;
        expect_finite(|| format!("the activations of '{}'", self.model.graph.value(value).name), &numbers)?;
        Ok(Array::new(shape_of(self.model, value), numbers)?)
    }

    /// The gradient of the target with respect to a value of the pass, without the batch axis.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn gradient(&self, value: ValueId) -> Result<Array> {
        let numbers = self.session.gradient(value)?;
        expect_finite(|| format!("the gradients at '{}'", self.model.graph.value(value).name), &numbers)?;
        Ok(Array::new(shape_of(self.model, value), numbers)?)
    }

    /// The gradient with respect to the input, `C × H × W`.
    ///
    /// # Errors
    /// When the pass does not read it.
    pub fn input_gradient(&self) -> Result<Array> {
        self.gradient(self.model.input)
    }
}

/// Inputs by their positions, so that no more of them are in memory than are worked on.
pub type Inputs<'a> = &'a (dyn Fn(usize) -> Vec<f32> + Sync);

impl Runner {
    /// A runner of a model on these threads.
    pub fn new(model: Arc<Model>, threads: Threads) -> Self {
        Self { model, threads, prepared: Vec::new(), forward_passes: 0 }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The threads.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// What every pass checks.
    pub fn interrupt(&self) -> &Interrupt {
        self.threads.interrupt()
    }

    /// From now on every pass checks this interrupt before each of its layers, and is counted there.
    pub fn set_interrupt(&mut self, interrupt: &Interrupt) {
        self.threads = self.threads.until(interrupt);
        for worker in self.prepared.iter_mut().flat_map(|own| &mut own.workers) {
            worker.session.set_interrupt(interrupt);
        }
    }

    /// How many pictures went forward so far.
    pub fn forward_passes(&self) -> usize {
        self.forward_passes
    }

    /// The scores of an input.
    ///
    /// # Errors
    /// When it does not fit the network, or the runner was interrupted.
    pub fn scores(&mut self, input: &Array) -> Result<Scores> {
        let pass = Pass { activations: vec![self.model.score.output], ..Pass::forward() };
        let (score, input) = (self.model.score.clone(), input.data().to_vec());
        let read = |passed: &Passed<'_>| {
            let numbers = passed.session.activation(score.value)?;
            Scores::read(&score, &numbers, &passed.session.activation(score.output)?)
        };
        self.one(&pass, &Target::class(0), &input, read)
    }

    /// The target's number for one input.
    ///
    /// # Errors
    /// As [`Runner::each`].
    pub fn number(&mut self, input: &Array, target: &Target) -> Result<f64> {
        self.one(&Pass::forward(), target, input.data(), |passed| Ok(passed.number))
    }

    /// The target's number for each of some inputs.
    ///
    /// # Errors
    /// As [`Runner::each`].
    pub fn numbers(&mut self, target: &Target, count: usize, inputs: Inputs<'_>) -> Result<Vec<f64>> {
        let mut numbers = Vec::with_capacity(count);
        self.each(&Pass::forward(), target, count, inputs, &|passed| Ok(passed.number), &mut |_, number| {
            numbers.push(number);
            Ok(())
        })?;
        Ok(numbers)
    }

    /// One pass of one input.
    ///
    /// # Errors
    /// As [`Runner::each`].
    pub fn one<T: Send>(
        &mut self,
        pass: &Pass,
        target: &Target,
        input: &[f32],
        read: impl Fn(&Passed<'_>) -> Result<T> + Sync,
    ) -> Result<T> {
        let mut found = None;
        self.each(pass, target, 1, &|_| input.to_vec(), &read, &mut |_, read| {
            found = Some(read);
            Ok(())
        })?;
        found.ok_or(Error::Interrupted)
    }

    /// One pass for each of some inputs, as many at the same time as there are threads. What `read` makes of a pass is handed to
    /// `take` in the order of the inputs, so that sums over them have the same bits for every number of threads.
    ///
    /// # Errors
    /// When an input has another number of elements than the network reads, the target does not fit, the runner was interrupted,
    /// and what `read` and `take` answer.
    pub fn each<T: Send>(
        &mut self,
        pass: &Pass,
        target: &Target,
        count: usize,
        inputs: Inputs<'_>,
        read: &(dyn Fn(&Passed<'_>) -> Result<T> + Sync),
        take: &mut dyn FnMut(usize, T) -> Result<()>,
    ) -> Result<()> {
        self.each_from(None, pass, target, count, inputs, read, take)
    }

    /// The same, where `inputs` are numbers of the layer that the pass begins at. What does not come through that layer is computed
    /// from `input`.
    ///
    /// # Errors
    /// As [`Runner::each`].
    #[allow(clippy::too_many_arguments)]
    pub fn each_from<T: Send>(
        &mut self,
        input: Option<&Array>,
        pass: &Pass,
        target: &Target,
        count: usize,
        inputs: Inputs<'_>,
        read: &(dyn Fn(&Passed<'_>) -> Result<T> + Sync),
        take: &mut dyn FnMut(usize, T) -> Result<()>,
    ) -> Result<()> {
        let workers = self.threads.count().min(count).max(1);
        let position = self.prepare(pass, target, workers)?;
        let (model, threads, interrupt) = (&self.model, &self.threads, self.threads.interrupt());
        let Prepared { workers, pass, beside, .. } = &mut self.prepared[position];
        let enters = pass.from.unwrap_or(model.input);
        let beside = if *beside { input.map(|input| (model.input, input.data())) } else { None };
        let is_backward = !pass.gradients.is_empty();
        let together = workers.len();
        for first in (0..count).step_by(together) {
            interrupt.check()?;
            let round = together.min(count - first);
            let found: Vec<T> = threads.run(|| {
                let work = |(own, worker): (usize, &mut Worker)| {
                    let Evaluated { number, gradients } =
                        worker.forward(model, target, (enters, inputs(first + own)), beside)?;
                    if is_backward {
                        worker.backward(gradients)?;
                    }
                    interrupt.count_step();
                    read(&Passed { number, model, session: &worker.session })
                };
                let workers = workers[..round].par_iter_mut().enumerate().with_max_len(1);
                workers.map(work).collect::<Result<_>>()
            })?;
            for (own, found) in found.into_iter().enumerate() {
                take(first + own, found)?;
            }
        }
        self.forward_passes +=
            workers.iter_mut().map(|own| std::mem::take(&mut own.forward_passes)).sum::<usize>();
        Ok(())
    }

    /// Where the network lies that is prepared for a pass, with at least so many workers.
    fn prepare(&mut self, pass: &Pass, target: &Target, workers: usize) -> Result<usize> {
        let targets = target.values(&self.model);
        let fits = |known: &Prepared| {
            let reads =
                |known: &[ValueId], wanted: &[ValueId]| wanted.iter().all(|value| known.contains(value));
            let forward = known.pass.from == pass.from
                && reads(&known.pass.activations, &pass.activations)
                && reads(&known.targets, &targets);
            match pass.gradients.is_empty() {
                // A pass that keeps what its way back needs also goes forward, but many do so faster without.
                true => forward && (known.pass.gradients.is_empty() || workers == 1),
                false => forward && known.pass.rule == pass.rule && known.pass.gradients == pass.gradients,
            }
        };
        let known = self.prepared.iter().position(fits);
        let position = match known {
            Some(position) => position,
            None => {
                let mut activations = [&pass.activations[..], &targets].concat();
                if pass.from.is_none() {
                    activations.push(self.model.score.output);
                }
                let options = PlanOptions {
                    activations,
                    gradients: pass.gradients.clone(),
                    targets: targets.clone(),
                    rule: pass.rule,
                    ..PlanOptions::default()
                };
                let (session, beside) = match pass.from {
                    None => (self.model.session(1, &options, &self.threads)?, false),
                    Some(layer) => {
                        let read = [&options.activations[..], &options.gradients].concat();
                        let graph = cut_at(self.model.graph.clone(), layer, &read);
                        let session = self.model.session_of(&graph, &options, &self.threads)?;
                        (session, graph.inputs().contains(&self.model.input))
                    }
                };
                let worker = Worker { session, last: None, forward_passes: 0 };
                let mut pass = pass.clone();
                pass.activations = options.activations;
                // Memory for that many kinds of passes at a time; the first one was prepared longest ago.
                if self.prepared.len() == MOST_PREPARED {
                    self.prepared.remove(0);
                }
                self.prepared.push(Prepared { pass, targets, beside, workers: vec![worker] });
                self.prepared.len() - 1
            }
        };
        let known = &mut self.prepared[position].workers;
        while known.len() < workers {
            known.push(Worker { session: known[0].session.another()?, last: None, forward_passes: 0 });
        }
        Ok(position)
    }
}

impl Worker {
    /// Takes numbers forward unless they went there last, and evaluates the target.
    fn forward(
        &mut self,
        model: &Model,
        target: &Target,
        (enters, numbers): (ValueId, Vec<f32>),
        beside: Option<(ValueId, &[f32])>,
    ) -> Result<Evaluated> {
        // Beside a layer's numbers another input may go in.
        if beside.is_some() || self.last.as_ref() != Some(&numbers) {
            let inputs: Vec<(ValueId, &[f32])> =
                beside.into_iter().chain([(enters, numbers.as_slice())]).collect();
            self.session.forward(&inputs)?;
            self.forward_passes += 1;
            self.last = Some(numbers);
        }
        let session = &self.session;
        target.evaluate(model, &mut |value| Ok(session.activation(value)?))
    }

    fn backward(&mut self, gradients: Vec<(ValueId, Vec<f32>)>) -> Result<()> {
        let tops: BTreeMap<usize, (ValueId, Top)> = gradients
            .into_iter()
            .map(|(value, gradient)| (value.index(), (value, Top::Dense(gradient))))
            .collect();
        let tops: Vec<(ValueId, &Top)> = tops.values().map(|(value, top)| (*value, top)).collect();
        Ok(self.session.backward(&tops)?)
    }
}
