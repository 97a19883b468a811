//! Class models that grow on a thread of their own, frame by frame.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deepinside::class_model::{Ascent, Display, Objective, Recipe, Wish, picture};
use deepinside::files::Array;
use deepinside::{Interrupt, Model, Result, Threads};
use numpy::{PyArray, PyArrayMethods as _};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt};

use crate::arrays::given;
use crate::errors::{exception, value_error};
use crate::model::NativeModel;

/// How often Python's signals are looked at.
const PATIENCE: Duration = Duration::from_millis(50);

/// Numbers of a recipe by their names.
type Changes = Arc<Mutex<BTreeMap<String, toml::Value>>>;

/// A picture on its way.
struct Frame {
    iteration: usize,
    iterations: usize,
    value: f32,
    probability: Option<f32>,
    image: Array,
    pixels: (usize, usize, Vec<u8>),
    notes: Vec<String>,
}

/// An ascent that runs: an iterator of frames.
#[pyclass(frozen, module = "deepinside._native")]
pub struct GrowingClassModel {
    frames: Mutex<Receiver<Result<Frame>>>,
    changes: Changes,
    interrupt: Interrupt,
}

/// Begins to grow the picture of a class; a frame comes after every so many steps, and the last one at the end.
#[pyfunction]
pub fn grow(
    model: &NativeModel,
    class: usize,
    recipe: &str,
    changes: &Bound<'_, PyDict>,
    seed: u64,
    every: usize,
) -> PyResult<GrowingClassModel> {
    let recipe = Recipe::named(recipe).and_then(|recipe| recipe.with(table(changes)?.into_iter().collect()));
    let recipe = recipe.map_err(exception)?;
    let wish = Wish { objective: Objective::Class(class), seed };
    wish.objective.check(&model.model).map_err(exception)?;
    let interrupt = Interrupt::default();
    let threads = model.threads.until(&interrupt);
    // One frame waits while the next one is made: nothing piles up where Python is slow.
    let (sender, frames) = sync_channel(1);
    let (changes, network) = (Changes::default(), Arc::clone(&model.model));
    let shared = Arc::clone(&changes);
    std::thread::spawn(move || {
        let send = |frame: Result<Frame>| sender.send(frame).is_ok();
        if let Err(error) = ascend(&network, wish, &recipe, &threads, every.max(1), &shared, &send) {
            send(Err(error));
        }
    });
    Ok(GrowingClassModel { frames: Mutex::new(frames), changes, interrupt })
}

/// Runs an ascent, and sends its frames until they are no longer wanted.
fn ascend(
    model: &Model,
    wish: Wish,
    recipe: &Recipe,
    threads: &Threads,
    every: usize,
    changes: &Changes,
    send: &dyn Fn(Result<Frame>) -> bool,
) -> Result<()> {
    let mut ascent = Ascent::new(model, &[wish], recipe, None, threads)?;
    let iterations = recipe.iterations;
    while ascent.iteration() < iterations {
        let changed = std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner));
        if !changed.is_empty() {
            ascent.recipe = ascent.recipe.with(changed.into_iter().collect())?;
        }
        let Some(progress) = ascent.step()?.into_iter().next() else { return Ok(()) };
        let iteration = ascent.iteration();
        if iteration % every == 0 || iteration == iterations {
            let image = ascent.image(0)?;
            let notes = ascent.notes().to_vec();
            let pixels = pixels(model, &image, ascent.recipe.display)?;
            let (value, probability) = (progress.value, progress.probability);
            let frame = Frame { iteration, iterations, value, probability, image, pixels, notes };
            if !send(Ok(frame)) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn pixels(model: &Model, image: &Array, display: Display) -> Result<(usize, usize, Vec<u8>)> {
    let picture = picture(model, image, display)?;
    Ok((picture.height(), picture.width(), picture.into_rgb()))
}

/// Numbers, words and flags by name, as recipes hold them.
fn table(changes: &Bound<'_, PyDict>) -> Result<BTreeMap<String, toml::Value>> {
    let refused = |what: String| deepinside::Error::Option(what);
    let mut found = BTreeMap::new();
    for (name, value) in changes.iter() {
        let name: String = name.extract().map_err(|_| refused("a recipe's fields have names".to_owned()))?;
        let value = if value.is_instance_of::<PyBool>() {
            value.extract::<bool>().map(toml::Value::from)
        } else if value.is_instance_of::<PyInt>() {
            value.extract::<i64>().map(toml::Value::from)
        } else if value.is_instance_of::<PyFloat>() {
            value.extract::<f64>().map(toml::Value::from)
        } else {
            value.extract::<String>().map(toml::Value::from)
        };
        let what = || format!("recipe: '{name}' is a number, a word or a flag");
        found.insert(name.clone(), value.map_err(|_| refused(what()))?);
    }
    Ok(found)
}

#[pymethods]
impl GrowingClassModel {
    fn __iter__(own: PyRef<'_, Self>) -> PyRef<'_, Self> {
        own
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let frame = loop {
            let received = py
                .detach(|| self.frames.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE));
            match received {
                Ok(frame) => break frame.map_err(exception)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| self.interrupt.ask())?,
            }
        };
        let result = PyDict::new(py);
        result.set_item("iteration", frame.iteration)?;
        result.set_item("iterations", frame.iterations)?;
        result.set_item("value", frame.value)?;
        result.set_item("probability", frame.probability)?;
        result.set_item("image", given(py, frame.image)?)?;
        let (height, width, rgb) = frame.pixels;
        result.set_item("pixels", PyArray::from_vec(py, rgb).reshape([height, width, 3])?)?;
        result.set_item("notes", frame.notes)?;
        Ok(Some(result))
    }

    /// Changes numbers of the recipe from the next step on.
    fn change(&self, changes: &Bound<'_, PyDict>) -> PyResult<()> {
        let changes = table(changes).map_err(|error| value_error(&error.to_string()))?;
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
        Ok(())
    }

    /// Stops it.
    fn stop(&self) {
        self.interrupt.ask();
    }
}

impl Drop for GrowingClassModel {
    fn drop(&mut self) {
        self.interrupt.ask();
    }
}
