//! How a long computation is asked to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// Asks a computation on another thread to stop: importing, planning, or passes through a network.
/// Clones share one switch, which stays on once it is set.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The computation was asked to stop, see [`Interrupt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the computation was asked to stop")]
pub struct Interrupted;

impl Interrupt {
    /// Asks the computation to stop; it does at its next check, with [`Interrupted`].
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Interrupted`] when it was asked to stop.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_asked() { Err(Interrupted) } else { Ok(()) }
    }
}
