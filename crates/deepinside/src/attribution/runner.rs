//! Passes through one network: the one way in which pictures go forward and gradients come back.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use deepinside_engine::{BackwardRule, PlanOptions, Precision, Session, Threads};
use deepinside_files::Array;
use deepinside_graph::locality::operations_between;
use deepinside_graph::pass::{cut_at, keep_channels};
use deepinside_graph::{Graph, Interrupt, ValueId};
use deepinside_vision::Photograph;
use rayon::prelude::*;

use self::worker::Worker;
use crate::attribution::cost::expect_time;
use crate::attribution::{Method, Passed};
use crate::classify::Classification;
use crate::target::Term;
use crate::{Error, Model, Result, Scores, Target, expect_finite, first_not_finite};

mod memory;
mod worker;

/// What is read from the network in a pass, and how it goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The layer whose numbers are given instead of an input's; see [`Runner::each_from`].
    pub from: Option<ValueId>,
    /// The values whose activations are read.
    pub activations: Vec<ValueId>,
    /// The values of whose channels the largest number and its place are read.
    pub maxima: Vec<ValueId>,
    /// The values whose gradients are read; without one, nothing goes back.
    pub gradients: Vec<ValueId>,
    /// Whether of the scores only the classes are computed that the target names, where that saves time: for many inputs of which
    /// nothing but the target's number is read. [`Passed::scores`] cannot be read then.
    pub classes_alone: bool,
    /// Whether equal windows of the network's values are sure to have equal numbers ([`Precision::Even`]); an input of one colour gets that
    /// by itself where a gradient is read.
    pub keeps_ties: bool,
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

    /// The same pass under another rule.
    pub fn under(self, rule: BackwardRule) -> Self {
        Self { rule, ..self }
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
    /// The values that targets are made of.
    targets: Vec<ValueId>,
    /// The classes of the score that are computed, where not all are.
    classes: Option<Vec<usize>>,
    /// Whether the input goes in beside a layer's numbers.
    beside: bool,
    workers: Vec<Worker>,
}

/// Inputs by their positions, so that no more of them are in memory than are worked on.
pub type Inputs<'a> = &'a (dyn Fn(usize) -> Vec<f32> + Sync);

/// The same where the numbers may lie somewhere already.
type Numbers<'a> = &'a (dyn Fn(usize) -> Cow<'a, [f32]> + Sync);

impl Runner {
    /// A runner of a model on these threads.
    pub fn new(model: Arc<Model>, threads: Threads) -> Self {
        Self { model, threads, prepared: Vec::new(), forward_passes: 0 }
    }

    /// A runner of the same model on other threads. It shares the networks that this one has prepared, and has memory of its own.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn another(&self, threads: Threads) -> Result<Self> {
        self.another_with(threads, |_| true)
    }

    /// The same with only what was prepared for one kind of pass.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn another_for(&self, pass: &Pass, threads: Threads) -> Result<Self> {
        self.another_with(threads, |known| known.pass == *pass)
    }

    fn another_with(&self, threads: Threads, is_wanted: impl Fn(&Prepared) -> bool) -> Result<Self> {
        let another = |known: &Prepared| -> Result<Prepared> {
            let plan = known.workers.first().map(|worker| Arc::clone(worker.session.plan()));
            let session = plan.map(|plan| Session::new(plan, threads.clone())).transpose()?;
            let worker = session.map(Worker::new);
            Ok(Prepared {
                pass: known.pass.clone(),
                targets: known.targets.clone(),
                classes: known.classes.clone(),
                beside: known.beside,
                workers: worker.into_iter().collect(),
            })
        };
        let wanted = self.prepared.iter().filter(|known| is_wanted(known));
        let prepared = wanted.map(another).collect::<Result<_>>()?;
        Ok(Self { model: Arc::clone(&self.model), threads, prepared, forward_passes: 0 })
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

    /// Prepares the network for passes that follow. Where several kinds of passes are made of one picture, the one that reads most is
    /// prepared first: the others then find what they need in it, and the picture goes forward once.
    ///
    /// # Errors
    /// When a layer cannot be computed, or a value has no gradient.
    pub fn expect(&mut self, pass: &Pass, target: &Target) -> Result<()> {
        self.prepare(pass, std::slice::from_ref(target), 1).map(drop)
    }

    /// The class scores of an input, `C × H × W` numbers.
    ///
    /// # Errors
    /// When it does not fit the network, the scores are not finite, or the runner was interrupted.
    pub fn scores(&mut self, input: &[f32]) -> Result<Scores> {
        // The first class always exists, and the score itself is read with it.
        self.one(&Pass::forward(), &Target::class(0), input, |passed| passed.scores())
    }

    /// The same for what a method does with an input, and what it is asked for.
    ///
    /// # Errors
    /// As [`Runner::expect`].
    pub fn expect_method(&mut self, method: &dyn Method, target: Option<&Target>) -> Result<()> {
        match method.pass(&self.model) {
            Some(pass) => self.expect(&pass, target.unwrap_or(&Target::class(0))),
            None => Ok(()),
        }
    }

    /// What the model says of a photograph by its own crop.
    ///
    /// # Errors
    /// When the photograph does not fit, and as [`Runner::scores`].
    pub fn classify(&mut self, photograph: &Photograph) -> Result<Classification> {
        let input = self.model.input_of(photograph, self.model.crop)?;
        Ok(Classification::from_scores(self.scores(input.data())?))
    }

    /// The gradient of a target with respect to an input, both `C × H × W`.
    ///
    /// # Errors
    /// As [`Runner::each`].
    pub fn gradient(&mut self, rule: BackwardRule, target: &Target, input: &[f32]) -> Result<Array> {
        let pass = Pass::to_input(&self.model, rule);
        self.one(&pass, target, input, |passed| passed.input_gradient())
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
        let pass = Pass { classes_alone: count > 1, ..Pass::forward() };
        self.each(&pass, target, count, inputs, &|passed| Ok(passed.number), &mut |_, number| {
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
        let targets = std::slice::from_ref(target);
        self.run(None, pass, targets, 1, &|_| input.into(), &read, &mut |_, _, read| {
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

    /// The same for several targets of each input, which goes forward once: `take` gets the positions of input and target.
    ///
    /// # Errors
    /// As [`Runner::each`].
    pub fn each_target<T: Send>(
        &mut self,
        pass: &Pass,
        targets: &[Target],
        count: usize,
        inputs: Inputs<'_>,
        read: &(dyn Fn(&Passed<'_>) -> Result<T> + Sync),
        take: &mut dyn FnMut(usize, usize, T) -> Result<()>,
    ) -> Result<()> {
        self.run(None, pass, targets, count, &|own| inputs(own).into(), read, take)
    }

    /// One pass for each of some inputs, which are numbers of the layer that the pass begins at. What does not come through that
    /// layer is computed from `input`.
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
        let mut take = |input: usize, _: usize, found: T| take(input, found);
        let inputs = &|own| inputs(own).into();
        self.run(input, pass, std::slice::from_ref(target), count, inputs, read, &mut take)
    }

    /// The first input is looked at: lines begin at a baseline, which most often has one colour. All inner windows of such an input are equal,
    /// so that every maximum is a tie. Which element wins decides the gradient, and must not be left to rounding.
    #[allow(clippy::too_many_arguments)]
    fn run<T: Send>(
        &mut self,
        input: Option<&Array>,
        pass: &Pass,
        targets: &[Target],
        count: usize,
        inputs: Numbers<'_>,
        read: &(dyn Fn(&Passed<'_>) -> Result<T> + Sync),
        take: &mut dyn FnMut(usize, usize, T) -> Result<()>,
    ) -> Result<()> {
        let is_asked = pass.from.is_none() && !pass.gradients.is_empty() && !pass.keeps_ties;
        if !is_asked || count == 0 || !self.has_one_colour(&inputs(0)) {
            return self.run_prepared(input, pass, targets, count, inputs, read, take);
        }
        let even = Pass { keeps_ties: true, ..pass.clone() };
        self.run_prepared(input, &even, targets, 1, inputs, read, take)?;
        if count == 1 {
            return Ok(());
        }
        let mut take = |input: usize, target: usize, found: T| take(input + 1, target, found);
        self.run_prepared(input, pass, targets, count - 1, &|own| inputs(own + 1), read, &mut take)
    }

    /// Whether each channel of an input is one number.
    fn has_one_colour(&self, input: &[f32]) -> bool {
        let extents = self.model.graph.value(self.model.input).shape.extents();
        let plane: usize = extents.iter().skip(2).product();
        plane > 1 && input.chunks(plane).all(|channel| channel.iter().all(|&number| number == channel[0]))
    }

    #[allow(clippy::too_many_arguments)]
    fn run_prepared<T: Send>(
        &mut self,
        input: Option<&Array>,
        pass: &Pass,
        targets: &[Target],
        count: usize,
        inputs: Numbers<'_>,
        read: &(dyn Fn(&Passed<'_>) -> Result<T> + Sync),
        take: &mut dyn FnMut(usize, usize, T) -> Result<()>,
    ) -> Result<()> {
        let workers = self.threads.count().min(count).max(1);
        let position = self.prepare(pass, targets, workers)?;
        let (model, threads, interrupt) = (&self.model, &self.threads, self.threads.interrupt());
        let Prepared { workers, beside, classes, .. } = &mut self.prepared[position];
        let enters = pass.from.unwrap_or(model.input);
        let beside = if *beside { input.map(|input| (model.input, input.data())) } else { None };
        // Prepared for a way back, the network may be used for the way there alone.
        let is_backward = !pass.gradients.is_empty();
        let together = workers.len();
        let begins = Instant::now();
        for first in (0..count).step_by(together) {
            let round = together.min(count - first);
            // The first round may still have to touch its memory, so the second one is waited for.
            if first == 2 * together {
                expect_time(interrupt, begins.elapsed(), first, count)?;
            }
            let found: Vec<Vec<T>> = threads.run(|| {
                let work = |(own, worker): (usize, &mut Worker)| {
                    interrupt.check()?;
                    let numbers = inputs(first + own);
                    // Beside a layer's numbers another input may go in.
                    if beside.is_some() || !worker.is_last(&numbers) {
                        if pass.from.is_none() {
                            expect_finite_input(&numbers)?;
                        }
                        worker.forward(enters, numbers, beside)?;
                        interrupt.count_step();
                    }
                    let one = |target: &Target| {
                        let number = worker.pass(model, target, classes.as_deref(), is_backward)?;
                        if is_backward {
                            interrupt.count_step();
                        }
                        read(&Passed::new(number, model, &worker.session))
                    };
                    targets.iter().map(one).collect::<Result<Vec<T>>>()
                };
                let work = |(own, worker): (usize, &mut Worker)| match pass.from {
                    None => work((own, worker)).map_err(|error| {
                        first_not_finite::with_origin(error, model, &inputs(first + own), threads)
                    }),
                    Some(_) => work((own, worker)),
                };
                let workers = workers[..round].par_iter_mut().enumerate().with_max_len(1);
                workers.map(work).collect::<Result<_>>()
            })?;
            for (own, found) in found.into_iter().enumerate() {
                for (target, found) in found.into_iter().enumerate() {
                    take(first + own, target, found)?;
                }
            }
        }
        self.forward_passes +=
            workers.iter_mut().map(|own| std::mem::take(&mut own.forward_passes)).sum::<usize>();
        Ok(())
    }

    /// Where the network lies that is prepared for a pass, with so many workers at least, or as many as there is memory for.
    fn prepare(&mut self, pass: &Pass, targets: &[Target], workers: usize) -> Result<usize> {
        let mut values = Vec::new();
        for value in targets.iter().flat_map(|target| target.values(&self.model)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let classes = if pass.classes_alone { classes_of(targets) } else { None };
        let targets = values;
        let fits = |known: &Prepared| {
            let classes_fit = match (&known.classes, &classes) {
                (Some(known), wanted) => {
                    wanted.as_ref().is_some_and(|wanted| wanted.iter().all(|class| known.contains(class)))
                }
                // Those that could not be computed alone are not tried again.
                (None, Some(_)) => known.pass.classes_alone || workers == 1,
                (None, None) => true,
            };
            if !classes_fit {
                return false;
            }
            let reads =
                |known: &[ValueId], wanted: &[ValueId]| wanted.iter().all(|value| known.contains(value));
            let forward = known.pass.from == pass.from
                && known.pass.keeps_ties == pass.keeps_ties
                && reads(&known.pass.activations, &pass.activations)
                && reads(&known.pass.maxima, &pass.maxima)
                && reads(&known.targets, &targets);
            match pass.gradients.is_empty() {
                // A pass that keeps what its way back needs also goes forward, but many do so faster without.
                true => forward && (known.pass.gradients.is_empty() || workers == 1),
                false => forward && known.pass.rule == pass.rule && known.pass.gradients == pass.gradients,
            }
        };
        // What was asked for last is first: it may hold what is to be shared.
        match self.prepared.iter().rposition(fits) {
            Some(position) => {
                let known = self.prepared.remove(position);
                self.prepared.push(known);
            }
            None => {
                let mut activations = [&pass.activations[..], &targets].concat();
                let alone = classes.and_then(|classes| Some((self.with_classes_alone(&classes)?, classes)));
                if targets.contains(&self.model.score.value) && alone.is_none() {
                    activations.push(self.model.score.output);
                }
                let options = PlanOptions {
                    activations,
                    maxima: pass.maxima.clone(),
                    gradients: pass.gradients.clone(),
                    targets: targets.clone(),
                    rule: pass.rule,
                    precision: if pass.keeps_ties { Precision::Even } else { Precision::Exact },
                    ..PlanOptions::default()
                };
                let (graph, classes) = alone.unzip();
                let graph = graph.as_ref().unwrap_or(&self.model.graph);
                // A new network takes the place of others where all together would take more than the model explains.
                let most = self.most_bytes();
                memory::keep(&mut self.prepared, most / 2);
                let (session, beside) = match pass.from {
                    None => (self.model.session_of(graph, &options, &self.threads)?, false),
                    Some(layer) => {
                        let read = [&options.activations[..], &options.maxima, &options.gradients].concat();
                        let graph = cut_at(graph.clone(), layer, &read);
                        let session = self.model.session_of(&graph, &options, &self.threads)?;
                        (session, graph.inputs().contains(&self.model.input))
                    }
                };
                memory::keep(&mut self.prepared, most.saturating_sub(session.plan().session_bytes()));
                let worker = Worker::new(session);
                let mut pass = pass.clone();
                pass.activations = options.activations;
                // Memory for that many kinds of passes at a time; the first one was used longest ago.
                if self.prepared.len() == MOST_PREPARED {
                    self.prepared.remove(0);
                }
                self.prepared.push(Prepared { pass, targets, classes, beside, workers: vec![worker] });
            }
        }
        let position = self.prepared.len() - 1;
        let mut spare = self.most_bytes().saturating_sub(memory::bytes(&self.prepared));
        let known = &mut self.prepared[position].workers;
        let each = known[0].session.plan().session_bytes();
        while known.len() < workers && each <= spare {
            spare -= each;
            known.push(Worker::new(known[0].session.another()?));
        }
        Ok(position)
    }

    /// The network with some classes of its score alone, where that saves enough of the time.
    fn with_classes_alone(&self, classes: &[usize]) -> Option<Graph> {
        const WORTH: f64 = 0.95;
        let value = self.model.score.value;
        let cost = |graph: &Graph| operations_between(graph, self.model.input, &[value]) as f64;
        let alone = keep_channels(self.model.graph.clone(), value, classes)?;
        (cost(&alone) < WORTH * cost(&self.model.graph)).then_some(alone)
    }
}

/// A rectifier or a maximum may swallow a NaN, so that the scores do not show it.
fn expect_finite_input(numbers: &[f32]) -> Result<()> {
    let what = || "the picture as the network reads it".to_owned();
    expect_finite(what, numbers).map_err(|error| match error {
        Error::NotFinite { what, nan, infinite, of, .. } => {
            let origin = Some("look at mean and scale, or at the array that is given".to_owned());
            Error::NotFinite { what, nan, infinite, of, origin }
        }
        other => other,
    })
}

/// The classes, in order, whose scores are all that targets are made of.
fn classes_of(targets: &[Target]) -> Option<Vec<usize>> {
    let terms = targets.iter().flat_map(|target| &target.terms);
    let classes = terms.map(|(_, term)| match term {
        Term::Class(class) => Some(*class),
        _ => None,
    });
    Some(classes.collect::<Option<BTreeSet<usize>>>()?.into_iter().collect())
}
