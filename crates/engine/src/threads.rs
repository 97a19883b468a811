//! The threads on which sessions run.

use std::sync::Arc;

use crate::EngineError;

/// A pool of threads, shared by any number of sessions. How many there are never changes a result.
#[derive(Debug, Clone)]
pub struct Threads {
    pool: Arc<rayon::ThreadPool>,
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
        Ok(Self { pool: Arc::new(pool) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs a computation on these threads, on which what it splits by `rayon` is spread.
    pub fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        self.pool.install(computation)
    }
}
