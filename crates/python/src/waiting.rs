//! Long computations, during which Python goes on and Ctrl-C is heard.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use deepinside::Interrupt;
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
    let (is_done, done) = (Mutex::new(false), Condvar::new());
    let lock = || is_done.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let end = End(&is_done, &done);
            let result = computation();
            drop(end);
            result
        });
        let mut signal = None;
        let ends_soon = || {
            let waited = done.wait_timeout_while(lock(), PATIENCE, |is_done| !*is_done);
            *waited.unwrap_or_else(PoisonError::into_inner).0
        };
        while !py.detach(ends_soon) {
            if signal.is_none()
                && let Err(error) = py.check_signals()
            {
                interrupt.ask();
                signal = Some(error);
            }
        }
        let result = py.detach(|| worker.join());
        match (signal, result) {
            (Some(signal), _) => Err(signal),
            (None, Ok(result)) => result,
            (None, Err(_)) => {
                Err(pyo3::exceptions::PyRuntimeError::new_err("the computation met a fault of the library"))
            }
        }
    })
}
