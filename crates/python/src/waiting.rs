//! Long computations, during which Python goes on and Ctrl-C is heard.

use std::panic::AssertUnwindSafe;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use deepinside::{Interrupt, Threads};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often Python's signals are looked at.
const PATIENCE: Duration = Duration::from_millis(50);

/// Says that a computation has ended, however it did.
struct End<'a>(&'a Mutex<bool>, &'a Condvar);

impl Drop for End<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

/// Computes on another thread without the interpreter's lock; Ctrl-C stops the computation at its next pass.
///
/// # Errors
/// The computation's, and `KeyboardInterrupt`.
pub fn wait<T: Send>(
    py: Python<'_>,
    interrupt: &Interrupt,
    computation: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    watched(py, interrupt, computation, |job, watch| {
        std::thread::scope(|scope| {
            scope.spawn(job);
            watch();
        });
    })
}

/// The same on threads that are there already, which begin sooner. The computation waits for no lock that another one on these threads
/// may hold: a thread that waits for its own pieces takes up what else is to be done.
///
/// # Errors
/// As [`wait`].
pub fn wait_on<T: Send>(
    py: Python<'_>,
    threads: &Threads,
    interrupt: &Interrupt,
    computation: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    watched(py, interrupt, computation, |job, watch| threads.run_beside(job, watch))
}

/// A computation that says itself when it has ended.
type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// `start` begins the job elsewhere, calls the watch, which returns when the job has ended, and comes back.
fn watched<T: Send>(
    py: Python<'_>,
    interrupt: &Interrupt,
    computation: impl FnOnce() -> PyResult<T> + Send,
    start: impl FnOnce(Job<'_>, &mut dyn FnMut()),
) -> PyResult<T> {
    let (is_done, done) = (Mutex::new(false), Condvar::new());
    let (mut result, mut signal) = (None, None);
    let job = || {
        let end = End(&is_done, &done);
        result = std::panic::catch_unwind(AssertUnwindSafe(computation)).ok();
        drop(end);
    };
    let ends_soon = || {
        let lock = is_done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = done.wait_timeout_while(lock, PATIENCE, |is_done| !*is_done);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    };
    start(Box::new(job), &mut || {
        while !py.detach(ends_soon) {
            if signal.is_none()
                && let Err(error) = py.check_signals()
            {
                interrupt.ask();
                signal = Some(error);
            }
        }
    });
    let fault = || PyRuntimeError::new_err("the computation met a fault of the library");
    match signal {
        Some(signal) => Err(signal),
        None => result.unwrap_or_else(|| Err(fault())),
    }
}
