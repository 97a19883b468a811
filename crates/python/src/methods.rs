//! The tables of methods and metrics as Python objects.

use deepinside::attribution::metrics::METRICS;
use deepinside::attribution::{METHODS, Parameter};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

fn parameters<'py>(py: Python<'py>, list: &[Parameter]) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    for parameter in list {
        let entry = PyDict::new(py);
        entry.set_item("name", parameter.name)?;
        entry.set_item("help", parameter.help)?;
        entry.set_item("unit", parameter.unit)?;
        entry.set_item("range", parameter.range())?;
        entry.set_item("default", parameter.default_text())?;
        found.append(entry)?;
    }
    Ok(found)
}

/// One dictionary for each method.
#[pyfunction]
pub fn methods(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let found = PyList::empty(py);
    for entry in METHODS {
        let method = PyDict::new(py);
        method.set_item("name", entry.name)?;
        method.set_item("aliases", entry.aliases)?;
        method.set_item("title", entry.title)?;
        method.set_item("summary", entry.summary)?;
        method.set_item("source", entry.source)?;
        method.set_item("layers", entry.layers)?;
        method.set_item("parameters", parameters(py, entry.parameters)?)?;
        found.append(method)?;
    }
    Ok(found)
}

/// One dictionary for each metric.
#[pyfunction]
pub fn metrics(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let found = PyList::empty(py);
    for entry in METRICS {
        let metric = PyDict::new(py);
        metric.set_item("name", entry.name)?;
        metric.set_item("title", entry.title)?;
        metric.set_item("summary", entry.summary)?;
        metric.set_item("source", entry.source)?;
        metric.set_item("parameters", parameters(py, entry.parameters)?)?;
        found.append(metric)?;
    }
    Ok(found)
}
