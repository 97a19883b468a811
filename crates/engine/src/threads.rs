//! The threads on which sessions run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deepinside_graph::Interrupt;

use crate::EngineError;

/// How long a thread stays awake that finds nothing to do. The kernels of a pass follow each other within microseconds, and waking a thread
/// takes as long as a small one.
const PATIENCE: Duration = Duration::from_micros(200);

/// A pool of threads, shared by any number of sessions, and what stops the work on them. How many there are never changes
/// a result.
#[derive(Debug, Clone)]
pub struct Threads {
    pool: Arc<rayon::ThreadPool>,
    interrupt: Interrupt,
}

impl Threads {
    /// Starts that many threads; 0 means one per processor core.
    ///
    /// # Errors
    /// When the system refuses, or more than 1024 are asked for.
    pub fn new(threads: usize) -> Result<Self, EngineError> {
        let failed = |cause: String| EngineError::Threads { threads, cause };
        if threads > 1024 {
            return Err(failed("at most 1024 make sense".to_owned()));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("deepinside-{index}"))
            .build()
            .map_err(|cause| failed(cause.to_string()))?;
        Ok(Self { pool: Arc::new(pool), interrupt: Interrupt::default() })
    }

    /// The same threads for work that stops when this interrupt is set: what is prepared and run on them fails with
    /// [`EngineError::Interrupted`] before its next layer.
    pub fn until(&self, interrupt: &Interrupt) -> Self {
        Self { pool: Arc::clone(&self.pool), interrupt: interrupt.clone() }
    }

    /// What stops the work on these threads.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs a computation on these threads, on which what it splits by `rayon` is spread.
    pub fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        self.pool.install(computation)
    }

    /// Begins a computation on these threads, calls `meanwhile` on this one, and comes back when both have ended.
    pub fn run_beside(&self, computation: impl FnOnce() + Send, meanwhile: impl FnOnce()) {
        self.pool.in_place_scope(|scope| {
            scope.spawn(|_| computation());
            meanwhile();
        });
    }

    /// As [`Threads::run`], for work that is split again and again: in between, no thread falls asleep.
    pub(crate) fn run_awake<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        self.run(|| {
            let done = Done(Arc::new(AtomicBool::new(false)));
            for _ in 1..self.count() {
                let done = Arc::clone(&done.0);
                rayon::spawn(move || stay_awake(&done));
            }
            computation()
        })
    }
}

/// Says that work is done, however it ends.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does whatever there is to do, until all is done or nothing came for a while: a thread that waits for another one's piece may have
/// begun this, and must get back to it.
fn stay_awake(done: &AtomicBool) {
    let mut idle_since = Instant::now();
    while !done.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            idle_since = Instant::now();
        } else if idle_since.elapsed() > PATIENCE {
            return;
        }
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    /// Pieces within pieces, so that threads that wait for others' begin to stay awake.
    #[test]
    fn threads_that_stay_awake_keep_no_other_waiting() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count).unwrap();
            let sum = || (0..40u64).into_par_iter().map(|i| (0..i).into_par_iter().sum::<u64>()).sum::<u64>();
            let sums: Vec<u64> = (0..50).map(|_| threads.run_awake(sum)).collect();
            assert_eq!(sums, [9880; 50]);
        }
    }

    #[test]
    fn no_thread_stays_awake_for_work_that_failed() {
        let threads = Threads::new(2).unwrap();
        let fails = || threads.run_awake(|| -> () { panic!("on purpose") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).is_err());
        assert_eq!(threads.run(|| 3), 3);
    }
}
