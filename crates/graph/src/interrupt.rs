//! How a long computation is asked to stop, and how far it is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

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
    deadline: OnceLock<Instant>,
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

    /// Notes when the computation will be asked to stop, so that what would not be done by then need not be begun. The first time that is
    /// noted counts.
    pub fn ends_by(&self, deadline: Instant) {
        let _ = self.0.deadline.set(deadline);
    }

    /// How much time is left, where the computation has an end.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.deadline.get().map(|deadline| deadline.saturating_duration_since(Instant::now()))
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
