//! Networks prepared for running, shared by all requests.

use std::borrow::Cow;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::vision::Photograph;
use deepinside::{Interrupt, Model, Threads};

use crate::models::prepared_bytes;
use crate::pool::Pool;
use crate::problem::Answer;

/// How many idle runners are kept.
const CAPACITY: usize = 4;

/// How many bytes of weights the idle runners hold.
const BYTES: usize = 4 << 30;

/// For how many kinds of passes the network of a runner is prepared, about.
const KINDS: usize = 2;

/// Networks prepared for running.
pub struct Prepared {
    /// The threads that all of them run on.
    pub threads: Threads,
    /// By the model's name.
    runners: Pool<String, Runner>,
}

impl Prepared {
    /// None yet.
    pub fn new(threads: Threads) -> Self {
        Self { threads, runners: Pool::new(CAPACITY, BYTES) }
    }

    /// Computes something with a model's network.
    ///
    /// # Errors
    /// Those of the computation.
    pub fn with_runner<R>(
        &self,
        id: &str,
        model: &Arc<Model>,
        interrupt: &Interrupt,
        compute: impl FnOnce(&mut Runner) -> Answer<R>,
    ) -> Answer<R> {
        let prepare = || Ok(Runner::new(Arc::clone(model), self.threads.clone()));
        self.runners.with(id.to_owned(), KINDS * prepared_bytes(model), prepare, |runner| {
            runner.set_interrupt(interrupt);
            compute(runner)
        })
    }

    /// Drops what was not used for that long, and gives its memory back to the system.
    pub fn drop_idle(&self, age: std::time::Duration) {
        if self.runners.drop_idle(age) > 0 {
            deepinside::give_back_memory();
        }
    }

    /// Drops what was prepared of a model that is no more, and gives its memory back to the system.
    pub fn forget(&self, id: &str) {
        self.runners.forget(|own| own == id);
        deepinside::give_back_memory();
    }

    /// How many wait for a request.
    pub fn idle(&self) -> usize {
        self.runners.len()
    }
}

/// The photograph with the channels that the model reads.
///
/// # Errors
/// Never for photographs of three channels.
pub fn in_channels_of<'a>(model: &Model, photograph: &'a Photograph) -> Answer<Cow<'a, Photograph>> {
    Ok(model.transformer.in_its_colours(photograph)?)
}
