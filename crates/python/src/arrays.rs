//! NumPy arrays and those of the library.

use deepinside::files::Array;
use numpy::{
    IxDyn, PyArray, PyArrayDyn, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;

use crate::errors::value_error;

/// The numbers of an array of float32 in C order; the Python side makes it contiguous.
pub fn taken(array: &PyReadonlyArrayDyn<'_, f32>) -> PyResult<Array> {
    let numbers = array.as_slice().map_err(|_| value_error("the array is not contiguous"))?;
    Array::new(array.shape().to_vec(), numbers.to_vec()).map_err(|error| value_error(&error.to_string()))
}

/// A NumPy array with these numbers.
pub fn given<'py>(py: Python<'py>, array: Array) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let shape = IxDyn(array.shape());
    PyArray::from_vec(py, array.into_data()).reshape(shape)
}
