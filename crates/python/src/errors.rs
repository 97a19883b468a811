//! The library's errors as exceptions, with the same sentences.

use deepinside::Error;
use pyo3::create_exception;
use pyo3::exceptions::{PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    deepinside,
    UnsupportedOperator,
    PyValueError,
    "The network has an operator that is not computed."
);

pub fn value_error(sentence: &str) -> PyErr {
    PyValueError::new_err(sentence.to_owned())
}

/// The exception that fits an error.
pub fn exception(error: Error) -> PyErr {
    let sentence = error.to_string();
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            PyFileNotFoundError::new_err(sentence)
        }
        Error::Io { .. } => PyOSError::new_err(sentence),
        Error::Interrupted => PyKeyboardInterrupt::new_err(sentence),
        Error::Onnx { .. } if sentence.contains("is not supported") => UnsupportedOperator::new_err(sentence),
        Error::Engine(_) => PyRuntimeError::new_err(sentence),
        _ => PyValueError::new_err(sentence),
    }
}
