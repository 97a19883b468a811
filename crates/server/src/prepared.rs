//! Networks prepared for running, shared by all requests.

use std::borrow::Cow;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::class_activation::ActivationMap;
use deepinside::evidence::{EvidenceOptions, Gatherer};
use deepinside::graph::ValueId;
use deepinside::probe::Probe;
use deepinside::vision::Photograph;
use deepinside::{BackwardRule, Interrupt, Model, ScoreRunner, Threads};

use crate::models::prepared_bytes;
use crate::pool::Pool;
use crate::problem::Answer;

/// How many idle networks of each kind are kept.
const CAPACITY: usize = 4;

/// How many bytes of weights the idle networks of each kind hold.
const BYTES: usize = 2 << 30;

/// Networks prepared for running. The first part of a purpose is the model's name.
pub struct Prepared {
    /// The threads that all of them run on.
    pub threads: Threads,
    runners: Pool<(String, Option<BackwardRule>), ScoreRunner>,
    gatherers: Pool<(String, Vec<BackwardRule>, Option<ActivationMap>), Gatherer>,
    probes: Pool<(String, ValueId, BackwardRule), Probe>,
    attributors: Pool<String, Runner>,
}

impl Prepared {
    /// None yet.
    pub fn new(threads: Threads) -> Self {
        Self {
            threads,
            runners: Pool::new(CAPACITY, BYTES),
            gatherers: Pool::new(CAPACITY, BYTES),
            probes: Pool::new(CAPACITY, BYTES),
            attributors: Pool::new(CAPACITY, BYTES),
        }
    }

    /// Computes something with scores and their gradients.
    ///
    /// # Errors
    /// Those of the computation, and when a layer cannot be computed.
    pub fn with_runner<R>(
        &self,
        (id, model): (&str, &Model),
        rule: Option<BackwardRule>,
        interrupt: &Interrupt,
        compute: impl FnOnce(&mut ScoreRunner) -> Answer<R>,
    ) -> Answer<R> {
        let prepare = || Ok(ScoreRunner::new(model, rule, &self.threads.until(interrupt))?);
        self.runners.with((id.to_owned(), rule), prepared_bytes(model), prepare, |runner| {
            runner.set_interrupt(interrupt);
            compute(runner)
        })
    }

    /// Computes something with maps in the photograph's frame.
    ///
    /// # Errors
    /// Those of the computation, and when a layer cannot be computed.
    pub fn with_gatherer<R>(
        &self,
        (id, model): (&str, &Model),
        options: &EvidenceOptions,
        interrupt: &Interrupt,
        compute: impl FnOnce(&mut Gatherer) -> Answer<R>,
    ) -> Answer<R> {
        let prepare = || Ok(Gatherer::new(model, options.clone(), &self.threads.until(interrupt))?);
        let purpose = (id.to_owned(), options.rules.clone(), options.activations.clone());
        self.gatherers.with(purpose, prepared_bytes(model), prepare, |gatherer| {
            gatherer.set_options(options.clone())?;
            gatherer.set_interrupt(interrupt);
            compute(gatherer)
        })
    }

    /// Computes something with one value of the network.
    ///
    /// # Errors
    /// Those of the computation, and when a layer cannot be computed.
    pub fn with_probe<R>(
        &self,
        (id, model): (&str, &Model),
        value: ValueId,
        rule: BackwardRule,
        interrupt: &Interrupt,
        compute: impl FnOnce(&mut Probe) -> Answer<R>,
    ) -> Answer<R> {
        let prepare = || Ok(Probe::new(model, value, rule, &self.threads.until(interrupt))?);
        self.probes.with((id.to_owned(), value, rule), prepared_bytes(model), prepare, |probe| {
            probe.set_interrupt(interrupt);
            compute(probe)
        })
    }

    /// Explains something by a method of the table.
    ///
    /// # Errors
    /// Those of the computation.
    pub fn with_attributor<R>(
        &self,
        id: &str,
        model: &Arc<Model>,
        interrupt: &Interrupt,
        compute: impl FnOnce(&mut Runner) -> Answer<R>,
    ) -> Answer<R> {
        let prepare = || Ok(Runner::new(Arc::clone(model), self.threads.clone()));
        // It stays prepared for several kinds of passes.
        self.attributors.with(id.to_owned(), 2 * prepared_bytes(model), prepare, |runner| {
            runner.set_interrupt(interrupt);
            compute(runner)
        })
    }

    /// Drops what was not used for that long, and gives its memory back to the system.
    pub fn drop_idle(&self, age: std::time::Duration) {
        let dropped = self.runners.drop_idle(age)
            + self.gatherers.drop_idle(age)
            + self.probes.drop_idle(age)
            + self.attributors.drop_idle(age);
        if dropped > 0 {
            deepinside::give_back_memory();
        }
    }

    /// Drops what was prepared of a model that is no more, and gives its memory back to the system.
    pub fn forget(&self, id: &str) {
        self.runners.forget(|(own, _)| own == id);
        self.gatherers.forget(|(own, ..)| own == id);
        self.probes.forget(|(own, ..)| own == id);
        self.attributors.forget(|own| own == id);
        deepinside::give_back_memory();
    }

    /// How many wait for a request.
    pub fn idle(&self) -> usize {
        self.runners.len() + self.gatherers.len() + self.probes.len() + self.attributors.len()
    }
}

/// The photograph with the channels that the model reads.
///
/// # Errors
/// Never for photographs of three channels.
pub fn in_channels_of<'a>(model: &Model, photograph: &'a Photograph) -> Answer<Cow<'a, Photograph>> {
    Ok(model.transformer.in_its_colours(photograph)?)
}
