//! Photographs, and objects found in them.

use std::path::PathBuf;

use deepinside::localise::{Method, localise};
use deepinside::vision::photograph::from_bytes;
use deepinside::vision::{LoadOptions, Photograph};
use numpy::{PyArray, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::arrays::given;
use crate::errors::{exception, value_error};
use crate::model::NativeModel;

/// A photograph in the colours that a model reads.
#[pyclass(frozen, module = "deepinside._native")]
pub struct NativePhotograph {
    pub photograph: Photograph,
}

#[pymethods]
impl NativePhotograph {
    /// Reads a file.
    #[staticmethod]
    fn from_file(py: Python<'_>, model: &NativeModel, path: PathBuf) -> PyResult<Self> {
        let load = || model.model.load_photograph(&path);
        Ok(Self { photograph: py.detach(load).map_err(exception)? })
    }

    /// Reads a file that lies in memory.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, model: &NativeModel, file: &Bound<'_, PyBytes>) -> PyResult<Self> {
        let (colour, bytes) = (model.model.transformer.colour(), file.as_bytes());
        let load = || from_bytes(bytes, "the image", colour, LoadOptions::default());
        Ok(Self { photograph: py.detach(load).map_err(|error| exception(error.into()))? })
    }

    /// Takes pixels: height × width × channels, 0 to 255.
    #[staticmethod]
    fn from_pixels(model: &NativeModel, pixels: PyReadonlyArrayDyn<'_, u8>) -> PyResult<Self> {
        let photograph = photograph(&pixels)?;
        let own = model.model.transformer.in_its_colours(&photograph);
        Ok(Self { photograph: own.map_err(|error| exception(error.into()))?.into_owned() })
    }

    /// Height and width.
    #[getter]
    fn size(&self) -> (usize, usize) {
        (self.photograph.height(), self.photograph.width())
    }
}

/// Pixels as a photograph.
pub fn photograph(pixels: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<Photograph> {
    let numbers = pixels.as_slice().map_err(|_| value_error("the pixels are not contiguous"))?;
    let shape: Vec<usize> = pixels.shape().to_vec();
    let &[height, width, channels] = shape.as_slice() else {
        return Err(value_error(&format!("pixels are height × width × channels, found {shape:?}")));
    };
    Photograph::from_samples(height, width, channels, numbers.to_vec())
        .map_err(|error| exception(error.into()))
}

/// Finds the objects of classes, or of the most probable ones.
#[pyfunction]
pub fn find_objects<'py>(
    py: Python<'py>,
    model: &NativeModel,
    photograph: &NativePhotograph,
    method: &str,
    classes: Vec<usize>,
    top: usize,
) -> PyResult<Bound<'py, PyList>> {
    let (method, photograph) = (Method::named(method).map_err(exception)?, &photograph.photograph);
    let found = model.compute(py, |runner| {
        let classes = match classes.is_empty() {
            false => classes,
            true => {
                let best = runner.classify(photograph)?.top(runner.model(), top);
                best.into_iter().map(|best| best.index).collect()
            }
        };
        localise(runner, photograph, &method, &classes)
    })?;
    let objects = PyList::empty(py);
    for object in found.objects {
        let described = PyDict::new(py);
        described.set_item("index", object.class.index)?;
        described.set_item("name", &object.class.name)?;
        described.set_item("score", object.class.score)?;
        described.set_item("probability", object.class.probability)?;
        let [left, top, right, bottom] = object.bounds.edges();
        described.set_item("box", (left, top, right, bottom))?;
        described.set_item("is_empty", object.is_empty)?;
        described.set_item("is_constant", object.is_constant())?;
        let size = [photograph.height(), photograph.width()];
        described.set_item("mask", PyArray::from_vec(py, object.mask).reshape(size)?)?;
        described.set_item("seen", PyArray::from_vec(py, object.seen).reshape(size)?)?;
        described.set_item("map", given(py, object.map)?)?;
        objects.append(described)?;
    }
    Ok(objects)
}
