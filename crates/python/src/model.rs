//! A model, and what is computed with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use deepinside::attribution::metrics::metric;
use deepinside::attribution::{Attribution, Choices, Given, Pass, Runner, method};
use deepinside::drawing::normalise::{Scaling, normalise};
use deepinside::drawing::overlay::{Opacity, overlay};
use deepinside::drawing::{ColourMap, Picture};
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::layers::{LayersOptions, layers_of, shown_values};
use deepinside::vision::Crop;
use deepinside::vision::frame::Frame;
use deepinside::{BackwardRule, Error, Interrupt, Model, Target, Threads};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList};

use crate::arrays::{given, taken};
use crate::attributing::{Asked, Attributed, Workers};
use crate::batch::{JobSettings, batch};
use crate::errors::{exception, value_error};
use crate::opening::Opening;
use crate::photographs::{NativePhotograph, photograph};
use crate::waiting::{wait, wait_on};

/// A trained network. Calls from several threads wait for each other.
#[pyclass(frozen, module = "deepinside._native")]
pub struct NativeModel {
    pub model: Arc<Model>,
    pub threads: Threads,
    runner: Mutex<Runner>,
    /// For batches; locked after the runner.
    workers: Mutex<Workers>,
}

/// The target's number and text, what the network read, and an attribution for each layer.
type Explained<'py> = (f64, String, Bound<'py, PyArrayDyn<f32>>, Bound<'py, PyList>);

/// A metric's value, its curve, and further numbers by name.
type Measured = (f64, Option<Vec<f64>>, BTreeMap<&'static str, Vec<f64>>);

impl NativeModel {
    fn new(model: Model, threads: usize) -> PyResult<Self> {
        let model = Arc::new(model);
        let threads = Threads::new(threads).map_err(|error| exception(error.into()))?;
        let runner = Mutex::new(Runner::new(Arc::clone(&model), threads.clone()));
        Ok(Self { runner, workers: Mutex::default(), threads, model })
    }

    /// Computes with the runner while Python goes on.
    pub fn compute<T: Send>(
        &self,
        py: Python<'_>,
        computation: impl FnOnce(&mut Runner) -> deepinside::Result<T> + Send,
    ) -> PyResult<T> {
        let interrupt = Interrupt::default();
        let own = interrupt.clone();
        let with = move |runner: &mut Runner| {
            runner.set_interrupt(&own);
            computation(runner).map_err(exception)
        };
        // While another thread of Python computes with it, this one waits elsewhere: a thread of the pool that waited for it could be the
        // one that it waits for.
        match self.runner.try_lock() {
            Ok(mut runner) => {
                let runner = &mut *runner;
                wait_on(py, &self.threads, &interrupt, || with(runner))
            }
            Err(_) => {
                wait(py, &interrupt, || with(&mut self.runner.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        }
    }

    fn value(&self, name: &str) -> PyResult<ValueId> {
        self.model
            .graph
            .find(name)
            .ok_or_else(|| value_error(&format!("the network has no value named '{name}'")))
    }

    /// An input that the network reads: C × H × W.
    fn input(&self, array: &PyReadonlyArrayDyn<'_, f32>) -> PyResult<Array> {
        self.numbers(array)?;
        taken(array)
    }

    /// The numbers of such an input, where they are.
    fn numbers<'a>(&self, array: &'a PyReadonlyArrayDyn<'_, f32>) -> PyResult<&'a [f32]> {
        let expected = &self.model.graph.value(self.model.input).shape.extents()[1..];
        if array.shape() != expected {
            return Err(value_error(&format!(
                "the network reads C × H × W = {expected:?}, found {:?}{}",
                array.shape(),
                if array.shape().last() == expected.first() {
                    "; height × width × channels is given as uint8"
                } else {
                    ""
                }
            )));
        }
        array.as_slice().map_err(|_| value_error("the array is not contiguous"))
    }
}

/// Parameters of a method: numbers, words, flags, arrays, dictionaries of arrays.
pub(crate) fn choices(parameters: &Bound<'_, PyDict>, layers: Vec<String>) -> PyResult<Choices> {
    let mut found = BTreeMap::new();
    for (name, value) in parameters.iter() {
        let name: String = name.extract()?;
        let value = if let Ok(array) = value.extract::<PyReadonlyArrayDyn<'_, f32>>() {
            Given::Array(Arc::new(taken(&array)?))
        } else if let Ok(arrays) = value.cast::<PyDict>() {
            let mut all = BTreeMap::new();
            for (name, array) in arrays.iter() {
                all.insert(name.extract()?, taken(&array.extract::<PyReadonlyArrayDyn<'_, f32>>()?)?);
            }
            Given::Arrays(all)
        } else if value.is_instance_of::<PyBool>() {
            Given::Text(value.extract::<bool>()?.to_string())
        } else {
            Given::Text(value.str()?.extract()?)
        };
        found.insert(name, value);
    }
    Ok(Choices { given: found, layers })
}

/// A target, whose arrays are looked up by their names.
fn target(model: &Model, text: &str, arrays: &Bound<'_, PyDict>) -> PyResult<Target> {
    let mut known = BTreeMap::new();
    for (name, array) in arrays.iter() {
        known.insert(name.extract::<String>()?, taken(&array.extract::<PyReadonlyArrayDyn<'_, f32>>()?)?);
    }
    let find = |name: &str| {
        known.get(name).cloned().ok_or_else(|| Error::Option(format!("no array is called '{name}'")))
    };
    Target::parse(text, model, &find).map_err(exception)
}

fn described<'py>(py: Python<'py>, model: &Model, found: Attribution) -> PyResult<Bound<'py, PyDict>> {
    let result = PyDict::new(py);
    result.set_item("values", given(py, found.values)?)?;
    result.set_item("layer", found.layer.map(|layer| model.graph.value(layer).name.clone()))?;
    result.set_item("standard_error", found.standard_error.map(|array| given(py, array)).transpose()?)?;
    result.set_item("completeness", found.completeness.map(|own| (own.sum, own.difference)))?;
    result.set_item("notes", found.notes)?;
    Ok(result)
}

#[pymethods]
impl NativeModel {
    /// Opens a network's file or folder.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf, opening: Opening) -> PyResult<Self> {
        let (settings, interrupt) = (opening.settings()?, Interrupt::default());
        let own = interrupt.clone();
        let model = wait(py, &interrupt, || Model::open_until(&path, settings, &own).map_err(exception))?;
        Self::new(model, opening.threads)
    }

    /// Opens an ONNX network that lies in memory.
    #[staticmethod]
    fn from_bytes(
        py: Python<'_>,
        network: &Bound<'_, PyBytes>,
        name: String,
        opening: Opening,
    ) -> PyResult<Self> {
        let (settings, interrupt) = (opening.settings()?, Interrupt::default());
        let (bytes, own) = (bytes::Bytes::copy_from_slice(network.as_bytes()), interrupt.clone());
        let model =
            wait(py, &interrupt, || Model::from_onnx_until(bytes, &name, settings, &own).map_err(exception))?;
        Self::new(model, opening.threads)
    }

    /// Opens the network that is built in.
    #[staticmethod]
    fn builtin(opening: Opening) -> PyResult<Self> {
        Self::new(Model::built_in(opening.settings()?).map_err(exception)?, opening.threads)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.model.name
    }

    /// C, H, W.
    #[getter]
    fn input_shape(&self) -> Vec<usize> {
        self.model.graph.value(self.model.input).shape.extents()[1..].to_vec()
    }

    #[getter]
    fn class_count(&self) -> usize {
        self.model.score.classes
    }

    #[getter]
    fn sha256(&self) -> Option<&'static str> {
        self.model.built_in
    }

    /// What must be known about the model.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.model.warnings.iter().cloned().chain(self.model.guesses()).collect()
    }

    fn class_name(&self, index: usize) -> String {
        self.model.class_name(index)
    }

    fn find_class(&self, asked: &str) -> PyResult<usize> {
        self.model.class(asked).map_err(exception)
    }

    /// The names of all values that depend on the input, with their shapes without the batch axis.
    fn values(&self) -> Vec<(String, Vec<usize>)> {
        let computed = self.model.graph.values().iter().filter(|value| value.weights().is_none());
        let shape = |extents: &[usize]| extents.get(1..).unwrap_or_default().to_vec();
        computed.map(|value| (value.name.clone(), shape(value.shape.extents()))).collect()
    }

    /// What the network reads of a photograph, C × H × W.
    fn prepare<'py>(
        &self,
        py: Python<'py>,
        photograph: &NativePhotograph,
        crop: Option<&str>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let crop = self.crop(crop)?;
        let prepare = || self.model.input_of(&photograph.photograph, crop);
        given(py, py.detach(prepare).map_err(exception)?)
    }

    /// Where a crop lies in a photograph: left, top, right, bottom, in its pixels.
    fn frame(&self, photograph: &NativePhotograph, crop: Option<&str>) -> PyResult<(f64, f64, f64, f64)> {
        let frame = self.model.frame(&photograph.photograph, self.crop(crop)?).map_err(exception)?;
        Ok(frame.edges().into())
    }

    /// The activations and gradients of layers, by name, as maps: those that are asked for, or all that lead to the scores.
    fn layers<'py>(
        &self,
        py: Python<'py>,
        input: PyReadonlyArrayDyn<'py, f32>,
        class: Option<usize>,
        rule: &str,
        names: Vec<String>,
    ) -> PyResult<(usize, Bound<'py, PyDict>)> {
        let input = self.input(&input)?;
        let rule = BackwardRule::ALL.into_iter().find(|known| known.name() == rule).ok_or_else(|| {
            let known = BackwardRule::ALL.map(BackwardRule::name).join(", ");
            value_error(&format!("there is no rule '{rule}'; there are {known}"))
        })?;
        let values: Vec<ValueId> = match names.is_empty() {
            true => shown_values(&self.model),
            false => names.iter().map(|name| self.value(name)).collect::<PyResult<_>>()?,
        };
        let options = LayersOptions { class, rule, caffe_gradients: false };
        let found = self.compute(py, |runner| layers_of(runner, input.data(), &values, &options))?;
        let result = PyDict::new(py);
        for layer in found.layers {
            result.set_item(layer.name, (given(py, layer.activation)?, given(py, layer.gradient)?))?;
        }
        Ok((found.class.index, result))
    }

    /// What the network would have been shown, height × width × channels, 0 to 255, of what it reads.
    fn shown(&self, input: PyReadonlyArrayDyn<'_, f32>) -> PyResult<(usize, usize, Vec<u8>)> {
        let seen = self
            .model
            .transformer
            .deprocess(&self.input(&input)?)
            .map_err(|error| exception(error.into()))?;
        let picture = Picture::from_photograph(&seen).map_err(|error| exception(error.into()))?;
        Ok((seen.height(), seen.width(), picture.into_rgb()))
    }

    /// Scores and probabilities.
    fn scores(&self, py: Python<'_>, input: PyReadonlyArrayDyn<'_, f32>) -> PyResult<(Vec<f32>, Vec<f32>)> {
        self.model.expect_classes().map_err(exception)?;
        let input = self.input(&input)?;
        let scores = self.compute(py, |runner| runner.scores(input.data()))?;
        Ok((scores.scores, scores.probabilities))
    }

    /// A method's attributions of each input: the target's number and text, what the network read, and one for each layer. An empty target is
    /// the most probable class.
    #[allow(clippy::too_many_arguments, reason = "as a Python function has them")]
    fn attribute<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<PyReadonlyArrayDyn<'py, f32>>,
        name: &str,
        targets: Vec<String>,
        arrays: &Bound<'py, PyDict>,
        parameters: &Bound<'py, PyDict>,
        layers: Vec<String>,
    ) -> PyResult<Vec<Explained<'py>>> {
        let chosen = choices(parameters, layers)?;
        let made = method(name).and_then(|entry| entry.make(&self.model, &chosen)).map_err(exception)?;
        let target = |text: &String| match text.as_str() {
            "" => Ok(None),
            text => target(&self.model, text, arrays).map(Some),
        };
        let asked = Asked {
            method: made.as_ref(),
            inputs: inputs.iter().map(|input| self.numbers(input)).collect::<PyResult<_>>()?,
            targets: targets.iter().map(target).collect::<PyResult<_>>()?,
        };
        let found = self.compute(py, |runner| {
            asked.attribute(runner, &mut self.workers.lock().unwrap_or_else(PoisonError::into_inner))
        })?;
        let described = |found: Attributed| {
            let results = PyList::empty(py);
            for attribution in found.attributions {
                results.append(described(py, &self.model, attribution)?)?;
            }
            Ok((found.number, found.target, given(py, found.input)?, results))
        };
        found.into_iter().map(described).collect()
    }

    /// Runs a job over a data set.
    fn batch<'py>(
        &self,
        py: Python<'py>,
        task: &str,
        settings: JobSettings,
        parameters: &Bound<'py, PyDict>,
        layers: Vec<String>,
    ) -> PyResult<Bound<'py, PyDict>> {
        batch(py, &self.model, task, &settings, choices(parameters, layers)?)
    }

    /// The activations of values.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        input: PyReadonlyArrayDyn<'py, f32>,
        names: Vec<String>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let input = self.input(&input)?;
        let values: Vec<ValueId> = names.iter().map(|name| self.value(name)).collect::<PyResult<_>>()?;
        let pass = Pass { activations: values.clone(), ..Pass::forward() };
        let found = self.compute(py, |runner| {
            runner.one(&pass, &Target::class(0), input.data(), |passed| {
                values
                    .iter()
                    .map(|&value| passed.activation(value))
                    .collect::<deepinside::Result<Vec<Array>>>()
            })
        })?;
        let result = PyDict::new(py);
        for (name, array) in names.iter().zip(found) {
            result.set_item(name, given(py, array)?)?;
        }
        Ok(result)
    }

    /// A target's gradients with respect to values.
    fn backward<'py>(
        &self,
        py: Python<'py>,
        input: PyReadonlyArrayDyn<'py, f32>,
        asked: &str,
        arrays: &Bound<'py, PyDict>,
        names: Vec<String>,
    ) -> PyResult<(f64, Bound<'py, PyDict>)> {
        let input = self.input(&input)?;
        let target = target(&self.model, asked, arrays)?;
        let values: Vec<ValueId> = names.iter().map(|name| self.value(name)).collect::<PyResult<_>>()?;
        let pass = Pass { gradients: values.clone(), ..Pass::default() };
        let (number, found) = self.compute(py, |runner| {
            runner.one(&pass, &target, input.data(), |passed| {
                let gradients: deepinside::Result<Vec<Array>> =
                    values.iter().map(|&value| passed.gradient(value)).collect();
                Ok((passed.number, gradients?))
            })
        })?;
        let result = PyDict::new(py);
        for (name, array) in names.iter().zip(found) {
            result.set_item(name, given(py, array)?)?;
        }
        Ok((number, result))
    }

    /// The name of the value into which inputs go, and of that with the scores.
    #[getter]
    fn ends(&self) -> (String, String) {
        let name = |value: ValueId| self.model.graph.value(value).name.clone();
        (name(self.model.input), name(self.model.score.value))
    }

    /// A metric's value, its curve, and further numbers.
    #[allow(clippy::too_many_arguments, reason = "as a Python function has them")]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        input: PyReadonlyArrayDyn<'py, f32>,
        asked: &str,
        map: PyReadonlyArrayDyn<'py, f32>,
        parameters: &Bound<'py, PyDict>,
        method_name: &str,
        method_parameters: &Bound<'py, PyDict>,
    ) -> PyResult<Measured> {
        let (input, map) = (self.input(&input)?, taken(&map)?);
        let measure = metric(name)
            .and_then(|entry| {
                entry
                    .make(&choices(parameters, Vec::new()).map_err(|error| Error::Option(error.to_string()))?)
            })
            .map_err(exception)?;
        let chosen = choices(method_parameters, Vec::new())?;
        let made =
            method(method_name).and_then(|entry| entry.make(&self.model, &chosen)).map_err(exception)?;
        let target = target(&self.model, asked, &PyDict::new(py))?;
        let found =
            self.compute(py, |runner| measure.measure(runner, &input, &target, &map, made.as_ref()))?;
        Ok((found.value, found.curve, found.details))
    }

    fn __repr__(&self) -> String {
        format!(
            "<deepinside model '{}', {} classes, input {:?}>",
            self.model.name,
            self.class_count(),
            self.input_shape()
        )
    }
}

impl NativeModel {
    fn crop(&self, crop: Option<&str>) -> PyResult<Crop> {
        match crop {
            None => Ok(self.model.crop),
            Some(crop) => crop.parse().map_err(|error: deepinside::vision::Error| exception(error.into())),
        }
    }
}

/// Pixels as the bytes of a PNG.
#[pyfunction]
pub fn encode<'py>(py: Python<'py>, pixels: PyReadonlyArrayDyn<'py, u8>) -> PyResult<Bound<'py, PyBytes>> {
    let failed = |error: deepinside::vision::Error| exception(error.into());
    let picture = Picture::from_photograph(&photograph(&pixels)?).map_err(failed)?;
    Ok(PyBytes::new(py, &picture.to_png().map_err(failed)?))
}

/// A map over pixels, or alone where there are none, as the bytes of a PNG.
#[pyfunction]
#[pyo3(signature = (map, pixels, colours, opacity, quantile))]
pub fn draw<'py>(
    py: Python<'py>,
    map: PyReadonlyArrayDyn<'py, f32>,
    pixels: Option<PyReadonlyArrayDyn<'py, u8>>,
    colours: &str,
    opacity: f32,
    quantile: f32,
) -> PyResult<Bound<'py, PyBytes>> {
    let failed = |error: deepinside::vision::Error| exception(error.into());
    let colours: ColourMap = colours.parse().map_err(failed)?;
    let scaled = normalise(&taken(&map)?, Scaling::Quantile(quantile)).map_err(failed)?.values;
    let picture = match pixels {
        None => colours.apply(&scaled).map_err(failed)?,
        Some(pixels) => {
            let photograph = photograph(&pixels)?;
            let placed = Frame::whole(photograph.height(), photograph.width()).place(&scaled);
            overlay(&photograph, &placed.map_err(failed)?, colours, Opacity::Uniform(opacity))
                .map_err(failed)?
        }
    };
    Ok(PyBytes::new(py, &picture.to_png().map_err(failed)?))
}
