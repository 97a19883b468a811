//! The memory of a runner's networks.

use super::{Prepared, Runner, Worker};

/// The memory of all sessions, in bytes.
pub(super) fn bytes(prepared: &[Prepared]) -> usize {
    let session = |worker: &Worker| worker.session.plan().session_bytes();
    prepared.iter().flat_map(|own| &own.workers).map(session).fold(0, usize::saturating_add)
}

/// Forgets the networks that were prepared first, until the others take no more than so many bytes.
pub(super) fn keep(prepared: &mut Vec<Prepared>, most: usize) {
    while bytes(prepared) > most {
        prepared.remove(0);
    }
}

impl Runner {
    /// The memory of all its sessions, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.prepared)
    }

    /// The most bytes that they may take together.
    pub(super) fn most_bytes(&self) -> usize {
        self.model.most_memory_together(self.threads.count())
    }
}
