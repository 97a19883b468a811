//! The memory of a runner's networks.

use super::{Runner, Worker};

impl Runner {
    /// The memory of all sessions, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let session = |worker: &Worker| worker.session.plan().session_bytes();
        self.prepared.iter().flat_map(|own| &own.workers).map(session).fold(0, usize::saturating_add)
    }

    /// The most bytes that they may take together.
    pub(super) fn most_bytes(&self) -> usize {
        self.model.most_memory_together(self.threads.count())
    }

    /// Forgets the networks that were prepared first, until the others take no more than so many bytes.
    pub(super) fn keep(&mut self, most: usize) {
        while self.bytes() > most {
            self.prepared.remove(0);
        }
    }
}
