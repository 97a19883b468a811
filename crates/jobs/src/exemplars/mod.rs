//! The photographs of a data set that excite each unit of a network most.
//!
//! One pass over the photographs keeps, for each unit, the few with its largest activations and how these are distributed over all of
//! them. What is kept does not depend on the order of the photographs nor on the number of workers, sums included, so that the
//! exemplars of shards can be merged and are then those of the whole. Memory grows with the number of units and not of photographs.

mod gallery;
mod seen;
mod task;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deepinside::graph::ValueId;
use deepinside::vision::Crop;
use deepinside::{Error, Interrupt, Model, Result, layers};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::gallery::Gallery;
pub use self::seen::{Seen, TILE, seen};
use self::task::Maxima;
pub use self::unit::{Best, Unit};
use crate::batch::{Progress, Shard};
use crate::durable::{self, io};
use crate::input::Inputs;
use crate::journal::differences;
use crate::pipeline::{Made, Work};
use crate::task::identity;

/// The name of the file within the results.
pub const EXEMPLARS: &str = "exemplars.json";

/// How often what is kept is written, so that a job that was stopped loses little.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many photographs are taken at a time: what is kept of each unit lies far apart in memory, and is then visited once for all of them.
const TOGETHER: usize = 16;

/// The longest file of exemplars that is read, in bytes. Those of all units of a ResNet-50 have 100 MB.
const LONGEST: u64 = 4 << 30;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct ExemplarOptions {
    /// The folder of the results.
    pub out: PathBuf,
    /// The layers by their names; without one, all that `layers` shows.
    pub layers: Vec<String>,
    /// How many photographs are kept for each unit.
    pub top: usize,
    /// The part of a photograph that is looked at; the model's own without it.
    pub crop: Option<Crop>,
    /// Which of how many shards this is: every photograph whose row leaves `index` when it is divided by `of`.
    pub shard: Option<Shard>,
    /// How many photographs are looked at at the same time.
    pub workers: usize,
}

/// What was found so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exemplars {
    /// What it depends on.
    pub job: Map<String, Value>,
    /// How many of the job's photographs were looked at.
    pub done: u64,
    /// Those that have no result: their rows, and why.
    pub failed: BTreeMap<u64, String>,
    /// The keys of the photographs that are kept, by their rows.
    pub keys: BTreeMap<u64, String>,
    /// The layers.
    pub layers: Vec<Layer>,
}

/// A layer's units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The value's name.
    pub name: String,
    /// The rows and columns of its positions; 1 × 1 where it has none.
    pub positions: [usize; 2],
    /// Its units, one for each channel.
    pub units: Vec<Unit>,
}

/// Finds exemplars, or goes on finding them. `each` hears of every photograph.
///
/// # Errors
/// When there is no such layer, the folder has the exemplars of another job, or results cannot be written.
pub fn run(
    model: &Arc<Model>,
    inputs: &Inputs,
    options: &ExemplarOptions,
    stop: &Interrupt,
    each: &mut dyn FnMut(&Progress),
) -> Result<Progress> {
    let values = values(model, &options.layers)?;
    let task = Maxima::new(Arc::clone(model), values, options.crop.unwrap_or(model.crop))?;
    let job = settings(&task, inputs, options)?;
    std::fs::create_dir_all(&options.out).map_err(io(&options.out))?;
    durable::remove_unfinished(&options.out)?;
    let path = options.out.join(EXEMPLARS);
    let mut found = match path.exists() {
        true => Exemplars::read(&path)?,
        false => Exemplars::none(job.clone(), &task),
    };
    if found.job != job {
        return Err(Error::Option(format!(
            "{} was made with other settings ({}); name another folder, or delete it to start anew",
            path.display(),
            differences(&found.job, &job)
        )));
    }
    let Shard { index, of } = options.shard.unwrap_or(Shard { index: 0, of: 1 });
    let rows: Vec<u64> = (index..inputs.items.len() as u64).step_by(of as usize).collect();
    let done = found.done.min(rows.len() as u64);
    let mut progress = Progress { before: done, done, of: rows.len() as u64, ..Progress::default() };
    each(&progress);
    let work = Work {
        task: &task,
        encode: &|_, found| Ok(found.map.as_ref().map(task::encoded)),
        draws: false,
        items: &inputs.items,
        rows: &rows[done as usize..],
        workers: options.workers,
        stop,
    };
    let mut written = Instant::now();
    let mut waiting = Vec::new();
    work.run(&mut |Made { row, data, .. }| {
        match (data, row.error) {
            (Some(bytes), None) => waiting.push((row.row, bytes)),
            (_, reason) => {
                progress.failed += 1;
                found.failed.insert(row.row, reason.unwrap_or_default());
            }
        }
        found.done += 1;
        progress.done = found.done;
        if waiting.len() == TOGETHER {
            found.add(&std::mem::take(&mut waiting), options.top);
        }
        if written.elapsed() > PATIENCE {
            found.add(&std::mem::take(&mut waiting), options.top);
            found.write(&path, &|row| inputs.items[row as usize].key.clone())?;
            written = Instant::now();
        }
        each(&progress);
        Ok(())
    })?;
    found.add(&std::mem::take(&mut waiting), options.top);
    found.write(&path, &|row| inputs.items[row as usize].key.clone())?;
    Ok(progress)
}

/// The exemplars of all shards together, in a folder that must be empty or not exist; answers how many photographs were looked at.
///
/// # Errors
/// When a shard is missing, there twice, not finished, or of another job.
pub fn merge(shards: &[PathBuf], out: &Path) -> Result<u64> {
    let mut whole: Option<Exemplars> = None;
    let mut seen = BTreeSet::new();
    let mut expected = 0;
    for folder in shards {
        let path = folder.join(EXEMPLARS);
        let mut found = Exemplars::read(&path)?;
        let refused = |what: String| Err(Error::Option(format!("{}: {what}", path.display())));
        let shard = found.job.insert("shard".to_owned(), Value::Null).unwrap_or_default();
        let number = |name: &str| shard.get(name).and_then(Value::as_u64);
        let rows = found.job.get("photographs").and_then(Value::as_u64);
        let (Some(index), Some(of), Some(rows)) = (number("index"), number("of"), rows) else {
            return refused("it is no shard but a whole job".to_owned());
        };
        if index >= of || found.done != (index..rows).step_by(of.max(1) as usize).count() as u64 {
            return refused(format!("shard {index}/{of} is not finished; run it again first"));
        }
        if !seen.insert(index) {
            return refused(format!("shard {index}/{of} is there twice"));
        }
        expected = of;
        match &mut whole {
            None => whole = Some(found),
            Some(whole) => whole.join(found, &path)?,
        }
    }
    let missing: Vec<String> = (0..expected)
        .filter(|index| !seen.contains(index))
        .map(|index| format!("{index}/{expected}"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Option(format!("shards are missing: {}", missing.join(", "))));
    }
    let Some(whole) = whole else { return Err(Error::Option("no shard is named".to_owned())) };
    std::fs::create_dir_all(out).map_err(io(out))?;
    if std::fs::read_dir(out).map_err(io(out))?.next().is_some() {
        return Err(Error::Option(format!("{} is not empty; name another folder", out.display())));
    }
    let keys = whole.keys.clone();
    let mut whole = whole;
    whole.write(&out.join(EXEMPLARS), &|row| keys.get(&row).cloned().unwrap_or_default())?;
    Ok(whole.done)
}

impl Exemplars {
    fn none(job: Map<String, Value>, task: &Maxima) -> Self {
        let layers = task.layers.iter().map(|layer| Layer {
            name: layer.name.clone(),
            positions: layer.positions,
            units: vec![Unit::default(); layer.units],
        });
        Self { job, done: 0, failed: BTreeMap::new(), keys: BTreeMap::new(), layers: layers.collect() }
    }

    /// Reads exemplars.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let (file, length) = deepinside::files::whole_file::open(path)?;
        if length > LONGEST {
            return Err(Error::Option(format!(
                "{} has {length} bytes; exemplars have at most {LONGEST}",
                path.display()
            )));
        }
        serde_json::from_reader(BufReader::new(file))
            .map_err(|error| Error::Option(format!("{} holds no exemplars: {error}", path.display())))
    }

    fn write(&mut self, path: &Path, key: &dyn Fn(u64) -> String) -> Result<()> {
        let units = self.layers.iter().flat_map(|layer| &layer.units);
        let rows: BTreeSet<u64> = units.flat_map(|unit| unit.best.iter().map(|best| best.row)).collect();
        self.keys = rows.into_iter().map(|row| (row, key(row))).collect();
        durable::write(path, |stream: &mut std::io::BufWriter<&mut File>| {
            serde_json::to_writer(&mut *stream, self).map_err(|error| io(path)(error.into()))?;
            writeln!(stream).map_err(io(path))
        })
    }

    /// Takes the largest activations of photographs.
    fn add(&mut self, photographs: &[(u64, Vec<u8>)], top: usize) {
        let mut maxima: Vec<_> =
            photographs.iter().map(|(row, bytes)| (*row, task::decoded(bytes))).collect();
        for layer in &mut self.layers {
            let columns = layer.positions[1].max(1);
            for unit in &mut layer.units {
                for (row, maxima) in &mut maxima {
                    if let Some((value, position)) = maxima.next() {
                        unit.add(*row, value, || [position / columns, position % columns], top);
                    }
                }
            }
        }
    }

    fn join(&mut self, other: Self, path: &Path) -> Result<()> {
        let names = |own: &Self| -> Vec<(String, usize)> {
            own.layers.iter().map(|layer| (layer.name.clone(), layer.units.len())).collect()
        };
        if self.job != other.job || names(self) != names(&other) {
            return Err(Error::Option(format!(
                "{} is of another job than the first ({})",
                path.display(),
                differences(&other.job, &self.job)
            )));
        }
        let top = self.job.get("top").and_then(Value::as_u64).unwrap_or_default() as usize;
        self.done += other.done;
        self.failed.extend(other.failed);
        self.keys.extend(other.keys);
        for (own, other) in self.layers.iter_mut().zip(other.layers) {
            own.units.iter_mut().zip(other.units).for_each(|(own, other)| own.join(other, top));
        }
        Ok(())
    }
}

fn values(model: &Model, names: &[String]) -> Result<Vec<ValueId>> {
    if names.is_empty() {
        return Ok(layers::shown_values(model));
    }
    let value = |name: &String| {
        model.graph.find(name).ok_or_else(|| {
            Error::Option(format!("the network has no value '{name}'; `deepinside graph` shows its layers"))
        })
    };
    names.iter().map(value).collect()
}

fn settings(task: &Maxima, inputs: &Inputs, options: &ExemplarOptions) -> Result<Map<String, Value>> {
    let mut settings = crate::task::Task::settings(task);
    settings.insert("deepinside".to_owned(), env!("CARGO_PKG_VERSION").into());
    settings.insert("model".to_owned(), identity(crate::task::Task::model(task))?);
    settings.insert("photographs".to_owned(), inputs.items.len().into());
    settings.insert("list".to_owned(), inputs.digest().into());
    settings.insert("top".to_owned(), options.top.into());
    let shard = options.shard.map(|Shard { index, of }| json!({"index": index, "of": of}));
    settings.insert("shard".to_owned(), shard.into());
    Ok(settings)
}
