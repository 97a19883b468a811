//! Jobs over data sets.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use deepinside::attribution::{Choices, method};
use deepinside::drawing::ColourMap;
use deepinside::vision::Crop;
use deepinside::{Error, Interrupt, Model, Target};
use deepinside_jobs::batch::{BatchOptions, Progress, Shard, run};
use deepinside_jobs::input::{InputOptions, Inputs, Selection};
use deepinside_jobs::output::Format;
use deepinside_jobs::task::{Activations, Classify, Explain, ExplainOptions, Localise, Task};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{exception, value_error};
use crate::waiting::wait;

/// What a job looks at, and where its results go.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct JobSettings {
    inputs: Vec<OsString>,
    out: PathBuf,
    format: String,
    rows_per_file: u64,
    shard: Option<(u64, u64)>,
    limit: Option<usize>,
    sample: Option<u64>,
    fail_fast: bool,
    column: Option<String>,
    target_column: Option<String>,
    root: Option<PathBuf>,
    threads: usize,
    method: String,
    target: Option<String>,
    crop: Option<String>,
    top: usize,
}

/// Runs a job of this task, and says how far it is.
pub fn batch<'py>(
    py: Python<'py>,
    model: &Arc<Model>,
    task: &str,
    settings: &JobSettings,
    choices: Choices,
) -> PyResult<Bound<'py, PyDict>> {
    let (task, inputs, options) =
        (self::task(model, task, settings, choices)?, inputs(settings)?, options(settings)?);
    let stop = Interrupt::default();
    let done =
        wait(py, &stop, || run(task.as_ref(), &inputs, &options, &stop, &mut |_| {}).map_err(exception))?;
    let Progress { before, done, of, failed, .. } = done;
    let summary = PyDict::new(py);
    for (name, count) in [("rows", of), ("done", done), ("before", before), ("failed", failed)] {
        summary.set_item(name, count)?;
    }
    Ok(summary)
}

/// Puts the results of all shards into one folder.
#[pyfunction]
pub fn merge(py: Python<'_>, shards: Vec<PathBuf>, out: PathBuf) -> PyResult<u64> {
    py.detach(|| deepinside_jobs::merge::merge(&shards, &out).map_err(exception))
}

fn task(model: &Arc<Model>, name: &str, settings: &JobSettings, choices: Choices) -> PyResult<Box<dyn Task>> {
    let model = Arc::clone(model);
    let crop = settings.crop.as_deref().map(str::parse::<Crop>).transpose();
    let crop = crop.map_err(|error| value_error(&error.to_string()))?;
    let (own, top) = (crop.unwrap_or(model.crop), settings.top);
    Ok(match name {
        "explain" => {
            let no_array = |name: &str| Err(Error::Option(format!("no array is called '{name}'")));
            let target = settings.target.as_deref();
            let target =
                target.map(|text| Target::parse(text, &model, &no_array)).transpose().map_err(exception)?;
            let options = ExplainOptions { target, crop, colours: ColourMap::Inferno, top };
            let entry = method(&settings.method).map_err(exception)?;
            Box::new(Explain::new(model, entry, &choices, options).map_err(exception)?)
        }
        "classify" => Box::new(Classify { model, crop: own, top }),
        "activations" => {
            let [layer] = &choices.layers[..] else { return Err(value_error("activations need one layer")) };
            Box::new(Activations::of(model, layer, own, top).map_err(exception)?)
        }
        "localise" => {
            let method = deepinside::localise::Method::named(&settings.method).map_err(exception)?;
            Box::new(Localise { model, method, top: top.max(1) })
        }
        _ => {
            let known = "explain, localise, classify, activations";
            return Err(value_error(&format!("there is no task '{name}'; there are {known}")));
        }
    })
}

fn inputs(settings: &JobSettings) -> PyResult<Inputs> {
    let options = InputOptions {
        column: settings.column.clone(),
        target_column: settings.target_column.clone(),
        root: settings.root.clone(),
    };
    let selection = Selection { limit: settings.limit, sample: settings.sample };
    Inputs::gather(&settings.inputs, &options, selection, &mut std::io::empty()).map_err(exception)
}

fn options(settings: &JobSettings) -> PyResult<BatchOptions> {
    let format: Format = settings.format.parse().map_err(|error: String| value_error(&error))?;
    let workers = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let shard = settings.shard.map(|(index, of)| Shard { index, of });
    if shard.is_some_and(|shard| shard.index >= shard.of) || settings.rows_per_file == 0 {
        return Err(value_error(
            "a shard is (INDEX, COUNT) with an index below the count, and a file has at least one row",
        ));
    }
    Ok(BatchOptions {
        out: settings.out.clone(),
        format,
        rows_per_file: settings.rows_per_file,
        shard,
        workers,
        fail_fast: settings.fail_fast,
    })
}
