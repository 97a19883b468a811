//! The live camera: of each stream one frame is computed and the newest other one waits; what a newer one overtakes is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::lock;
use crate::problem::{Answer, Problem};

/// How many streams there may be at once.
const STREAMS: usize = 32;

/// The streams.
pub struct Live {
    /// One frame is computed at a time, whatever stream it belongs to: frames of two at once would both be late.
    turn: Arc<Semaphore>,
    /// Of each stream the frame that waits, by the number that it has; the sender tells it that a newer one came.
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    by_stream: HashMap<String, (u64, oneshot::Sender<()>)>,
}

impl Default for Live {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), waiting: Mutex::default() }
    }
}

/// A frame that waits leaves no trace when its client goes away.
struct Place<'a> {
    live: &'a Live,
    stream: &'a str,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.live.waiting);
        if waiting.by_stream.get(self.stream).is_some_and(|(number, _)| *number == self.number) {
            waiting.by_stream.remove(self.stream);
        }
    }
}

impl Live {
    /// Waits for this frame's turn. An older frame of the same stream that still waits is dropped.
    ///
    /// # Errors
    /// When a newer frame came before its turn, or there are too many streams.
    pub async fn turn(&self, stream: &str) -> Answer<OwnedSemaphorePermit> {
        let (overtake, overtaken) = oneshot::channel();
        let number = {
            let mut waiting = lock(&self.waiting);
            if waiting.by_stream.len() >= STREAMS && !waiting.by_stream.contains_key(stream) {
                return Err(Problem::busy("streams", format!("{STREAMS} cameras are waiting already"), 1));
            }
            waiting.next += 1;
            let number = waiting.next;
            // Dropping the older one's sender tells it.
            waiting.by_stream.insert(stream.to_owned(), (number, overtake));
            number
        };
        let _place = Place { live: self, stream, number };
        tokio::select! {
            biased;
            turn = Arc::clone(&self.turn).acquire_owned() => {
                turn.map_err(|_| Problem::unavailable("the server is ending"))
            }
            _ = overtaken => Err(Problem::busy("overtaken", "a newer frame of this camera came first", 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_frames_that_wait_only_the_newest_is_computed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let live = Arc::new(Live::default());
            let first = live.turn("camera").await.unwrap();
            let wait = |stream: &'static str| {
                let live = Arc::clone(&live);
                tokio::spawn(async move { live.turn(stream).await.map(drop).map_err(|problem| problem.code) })
            };
            let (second, other) = (wait("camera"), wait("other camera"));
            tokio::task::yield_now().await;
            let third = wait("camera");
            tokio::task::yield_now().await;
            assert_eq!(second.await.unwrap(), Err("overtaken"));
            drop(first);
            assert_eq!(third.await.unwrap(), Ok(()));
            assert_eq!(other.await.unwrap(), Ok(()));
            assert!(lock(&live.waiting).by_stream.is_empty());
        });
    }

    #[test]
    fn a_client_that_goes_away_leaves_no_trace() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let live = Arc::new(Live::default());
            let held = live.turn("a").await.unwrap();
            let waiting = {
                let live = Arc::clone(&live);
                tokio::spawn(async move { live.turn("b").await.map(drop) })
            };
            tokio::task::yield_now().await;
            assert_eq!(lock(&live.waiting).by_stream.len(), 1);
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert!(lock(&live.waiting).by_stream.is_empty());
            drop(held);
        });
    }
}
