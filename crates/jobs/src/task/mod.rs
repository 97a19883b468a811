//! What is done with one photograph.

mod activations;
mod classify;
mod explain;
mod localise;

use std::time::Instant;

use crate::record::HashedFile;
use deepinside::classify::{Classification, Prediction};
use deepinside::drawing::Picture;
use deepinside::files::Array;
use deepinside::vision::Photograph;
use deepinside::{Instructions, Model, Result, Scores};
use serde_json::{Map, Value, json};

pub use self::activations::Activations;
pub use self::classify::Classify;
pub use self::explain::{Explain, ExplainOptions};
pub use self::localise::Localise;
use crate::{ClassScore, Row};

/// A task over photographs.
pub trait Task: Send + Sync {
    /// The model that looks at them.
    fn model(&self) -> &Model;

    /// What its results depend on, beside the model.
    fn settings(&self) -> Map<String, Value>;

    /// Whether a photograph has a map or activations.
    fn has_map(&self) -> bool;

    /// Whether a photograph has a picture that can be drawn.
    fn has_picture(&self) -> bool;

    /// One that works, on a thread of its own.
    ///
    /// # Errors
    /// When the network cannot be prepared.
    fn worker(&self) -> Result<OwnWorker<'_>>;
}

/// A worker of a task.
pub type OwnWorker<'t> = Box<dyn Worker<'t> + 't>;

/// Works on one photograph at a time.
pub trait Worker<'t>: Send {
    /// Another one, which shares the network that this one has prepared.
    ///
    /// # Errors
    /// When it cannot be made.
    fn another(&self) -> Result<OwnWorker<'t>>;

    /// Looks at a photograph. `target` is what its list says that it shows; `draws` asks for a picture.
    ///
    /// # Errors
    /// When the target cannot be read, the photograph does not fit the network, or numbers are not finite.
    fn work(&mut self, photograph: &Photograph, target: Option<&str>, draws: bool) -> Result<Found>;
}

/// What was found in a photograph.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Its row, without what the job knows itself.
    pub row: Row,
    /// Its map or activations.
    pub map: Option<Array>,
    /// Its picture, where that was asked for.
    pub picture: Option<Picture>,
    /// How long drawing took, in seconds.
    pub drawing: f64,
}

/// What tells a model from others: its files' hashes, and every choice about how photographs become its input.
///
/// # Errors
/// When a file cannot be read.
pub fn identity(model: &Model) -> Result<Value> {
    let mut files = Map::new();
    match model.built_in {
        Some(hash) => _ = files.insert(model.name.clone(), hash.into()),
        None => {
            for file in &model.files {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.insert(name, HashedFile::read(file)?.sha256.into());
            }
        }
    }
    let choices: Map<String, Value> = model
        .assumptions
        .iter()
        .map(|choice| (choice.what.to_owned(), choice.value.to_string().into()))
        .collect();
    Ok(json!({
        "files": files,
        "choices": choices,
        "score": model.graph.value(model.score.value).name,
        "instructions": Instructions::default().name(),
    }))
}

/// The most probable classes as a row has them.
fn classes(predictions: Vec<Prediction>) -> Vec<ClassScore> {
    let class = |Prediction { index, name, score, probability, .. }| ClassScore {
        index: index as u32,
        name,
        score,
        probability,
    };
    predictions.into_iter().map(class).collect()
}

/// What drawing makes, and how many seconds it takes.
fn drawn(draws: bool, draw: impl FnOnce() -> Result<Picture>) -> Result<(Option<Picture>, f64)> {
    let start = Instant::now();
    let picture = if draws { Some(draw()?) } else { None };
    Ok((picture, start.elapsed().as_secs_f64()))
}

fn top(model: &Model, scores: Scores, count: usize) -> Vec<ClassScore> {
    classes(Classification::from_scores(scores).top(model, count))
}
