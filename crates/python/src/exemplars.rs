//! The photographs of a data set that excite each unit most.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::method;
use deepinside::drawing::Picture;
use deepinside::vision::Crop;
use deepinside::{Error, Interrupt};
use deepinside_jobs::exemplars::{Best, ExemplarOptions, Gallery, run, seen};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::arrays::given;
use crate::errors::{exception, value_error};
use crate::model::{NativeModel, choices};
use crate::waiting::wait;

/// What is looked at, and where what is found goes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ExemplarSettings {
    inputs: Vec<OsString>,
    out: PathBuf,
    layers: Vec<String>,
    top: usize,
    crop: Option<String>,
    limit: Option<usize>,
    sample: Option<u64>,
    column: Option<String>,
    root: Option<PathBuf>,
    threads: usize,
}

/// What was found, with its photographs.
#[pyclass(frozen, module = "deepinside._native")]
pub struct NativeExemplars(Gallery);

/// Looks at photographs, or goes on looking, or finds that it was done.
#[pyfunction]
pub fn exemplars(
    py: Python<'_>,
    model: &NativeModel,
    settings: ExemplarSettings,
) -> PyResult<NativeExemplars> {
    let crop = settings.crop.as_deref().map(str::parse::<Crop>).transpose();
    let options = ExemplarOptions {
        out: settings.out.clone(),
        layers: settings.layers,
        top: settings.top,
        crop: crop.map_err(|error| value_error(&error.to_string()))?,
        shard: None,
        workers: match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        },
    };
    let reading = InputOptions { column: settings.column, target_column: None, root: settings.root };
    let selection = Selection { limit: settings.limit, sample: settings.sample };
    let inputs = Inputs::gather(&settings.inputs, &reading, selection, &mut std::io::empty());
    let inputs = inputs.map_err(exception)?;
    let (stop, model) = (Interrupt::default(), Arc::clone(&model.model));
    let found = wait(py, &stop, || {
        let done = run(&model, &inputs, &options, &stop, &mut |_| {}).map_err(exception)?;
        // Ctrl-C is told by who waits; what was found until then is kept.
        if done.done < done.of {
            return Err(exception(Error::Interrupted));
        }
        Gallery::open(&model, &options.out, inputs).map_err(exception)
    })?;
    Ok(NativeExemplars(found))
}

#[pymethods]
impl NativeExemplars {
    /// Names, rows and columns of positions, and numbers of units.
    fn layers(&self) -> Vec<(String, [usize; 2], usize)> {
        let layers = self.0.found().layers.iter();
        layers.map(|layer| (layer.name.clone(), layer.positions, layer.units.len())).collect()
    }

    /// How many photographs were looked at, and the reasons of those that have no result, by their names.
    fn photographs<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyDict>)> {
        let failed = PyDict::new(py);
        for (&row, reason) in &self.0.found().failed {
            failed.set_item(self.0.key(row), reason)?;
        }
        Ok((self.0.found().done, failed))
    }

    /// How a unit's largest activations are distributed, and the photographs with the largest.
    fn unit<'py>(&self, py: Python<'py>, layer: &str, unit: usize) -> PyResult<Bound<'py, PyDict>> {
        let found = self.0.unit(layer, unit).map_err(exception)?;
        let best = found.best.iter().map(|Best { value, row, place }| (*value, self.0.key(*row), *place));
        let told = PyDict::new(py);
        told.set_item("photographs", found.photographs)?;
        told.set_item("active", found.active)?;
        told.set_item("mean", found.mean())?;
        told.set_item("histogram", found.histogram.clone())?;
        told.set_item("best", best.collect::<Vec<_>>())?;
        Ok(told)
    }

    /// What an activation among a unit's best depends on, with a method's map of it.
    fn seen<'py>(
        &self,
        py: Python<'py>,
        model: &NativeModel,
        best: (String, usize, usize),
        name: &str,
        parameters: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (layer, unit, rank) = best;
        let entry = method(name).map_err(exception)?;
        let method = entry.make(&model.model, &choices(parameters, Vec::new())?).map_err(exception)?;
        let best = self.0.unit(&layer, unit).map_err(exception)?.best.get(rank).copied();
        let best = best.ok_or_else(|| value_error(&format!("unit {unit} has no exemplar {rank}")))?;
        let seen = model.compute(py, |runner| {
            let input = self.0.input(&model.model, &best)?;
            seen(runner, &layer, unit, best.place, &input, Some(&*method))
        })?;
        let pixels =
            |picture: &Picture| (picture.height(), picture.width(), PyBytes::new(py, picture.rgb()).unbind());
        let told = PyDict::new(py);
        told.set_item("bounds", seen.bounds)?;
        told.set_item("crop", pixels(&seen.crop))?;
        told.set_item("drawn", pixels(&seen.drawn))?;
        told.set_item("map", given(py, seen.map)?)?;
        Ok(told)
    }
}
