//! How a long computation is asked to stop, and how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use thiserror::Error;

/// Asks a computation on another thread to stop: importing, planning, or passes through a network; and counts the steps that it
/// has taken. Clones share one switch, which stays on once it is set, and one count.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_asked: AtomicBool,
    taken: AtomicUsize,
    expected: AtomicUsize,
}

/// The computation was asked to stop, see [`Interrupt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the computation was asked to stop")]
pub struct Interrupted;

impl Interrupt {
    /// Asks the computation to stop; it does at its next check, with [`Interrupted`].
    pub fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Interrupted`] when it was asked to stop.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_asked() { Err(Interrupted) } else { Ok(()) }
    }

    /// Notes that the computation will take that many more steps: passes through a network, or whatever else it consists of.
    pub fn expect_steps(&self, steps: usize) {
        self.0.expected.fetch_add(steps, Ordering::Relaxed);
    }

    /// Notes that a step was taken.
    pub fn count_step(&self) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// How many steps were taken so far, and how many are expected in all: an estimate, 0 where there is none.
    pub fn steps(&self) -> [usize; 2] {
        [&self.0.taken, &self.0.expected].map(|count| count.load(Ordering::Relaxed))
    }
}
