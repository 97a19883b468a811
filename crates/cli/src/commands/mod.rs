//! One file per command.

pub mod atlas;
pub mod batch;
pub mod bench;
pub mod check;
pub mod class_model;
pub mod classify;
pub mod compare;
pub mod evaluate;
pub mod exemplars;
pub mod explain;
pub mod graph;
pub mod info;
pub mod layers;
pub mod localise;
pub mod manual;
pub mod metric;
pub mod model;
mod parameters;
pub mod publish;
pub mod replay;
pub mod report;
pub mod saliency;
pub mod serve;
pub mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use deepinside::attribution::Runner;
use deepinside::classify::Prediction;
use deepinside::{Model, Settings, Threads};
use deepinside_jobs::record::HashedFile;
use serde_json::{Value, json};

use crate::arguments::ModelArguments;
use crate::failure::{Failure, Outcome};
use crate::{progress, record};

/// Opens the model; what is suspicious, and what was cut off to get at the score, goes to standard error.
pub fn open(arguments: &ModelArguments, original: bool) -> Outcome<Arc<Model>> {
    open_named(arguments.model.as_deref(), arguments.settings(original))
}

/// The classes that are asked for, in their order, each once.
pub fn classes(model: &Model, asked: &[String]) -> Outcome<Vec<usize>> {
    let mut classes = Vec::new();
    for class in asked {
        let class = model.class(class)?;
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    Ok(classes)
}

/// The model that a path or a known name stands for, or the built-in one, with these settings.
pub fn open_named(name: Option<&Path>, settings: Settings) -> Outcome<Arc<Model>> {
    let model = match name.filter(|path| !model::is_built_in(path)) {
        Some(path) => {
            let path = model::locate(path)?;
            record_files(&path, &settings)?;
            Model::open_with(&path, settings)?
        }
        None => built_in(settings)?,
    };
    record_model(&model)?;
    for warning in model.warnings.iter().chain(&model.suspicions()) {
        progress::note(format_args!("warning: {warning}"));
    }
    if let Some(guesses) = model.guesses() {
        progress::note(format_args!("note: {guesses}"));
    }
    Ok(Arc::new(model))
}

/// What runs the model's network on so many threads.
pub fn runner(model: &Arc<Model>, threads: usize) -> Outcome<Runner> {
    Ok(Runner::new(Arc::clone(model), Threads::new(threads)?))
}

/// Reports the files that a model is opened from, before they are read.
pub fn record_files(path: &Path, settings: &Settings) -> Outcome {
    let description = path.join("model.toml");
    let described_by = if path.is_dir() { &description } else { path };
    if described_by.is_file() {
        record::input(described_by)?;
    }
    let settings = settings.clone().or(Settings::locate(path)?);
    settings.files().iter().filter(|file| file.exists()).try_for_each(|file| record::input(file))
}

/// Reports files beside the network that the network itself names, and the choices that were made about the model.
fn record_model(model: &Model) -> Outcome {
    for file in &model.files {
        // What is built in has a name and no file.
        if model.built_in.is_none() || file.is_file() {
            record::input(file)?;
        }
    }
    record::resolved("model", &description(model))
}

/// What is used of a model's files and how it is fed: every choice, said or assumed.
fn description(model: &Model) -> Value {
    let choices: BTreeMap<&str, &str> =
        model.assumptions.iter().map(|choice| (choice.what, choice.value.as_str())).collect();
    json!({
        "name": model.name,
        "built_in_sha256": model.built_in,
        "score": model.graph.value(model.score.value).name,
        "crop": model.crop.to_string(),
        "choices": choices,
    })
}

/// The SHA-256 of a model's files by their names, or of the built-in one.
fn hashes(model: &Model) -> Outcome<BTreeMap<String, String>> {
    if let Some(hash) = model.built_in {
        return Ok(BTreeMap::from([(model.name.clone(), hash.to_owned())]));
    }
    let mut hashes = BTreeMap::new();
    for file in &model.files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        hashes.insert(name, HashedFile::read(file)?.sha256);
    }
    Ok(hashes)
}

/// Says what must be known about a backward rule in a network.
fn say_notes(notes: &[String]) {
    notes.iter().for_each(|note| progress::note(format_args!("note: {note}")));
}

/// Says that other parts of a photograph would have chosen another class than the model's own crop.
fn say_other_choice(model: &Model, parts: &str, chosen: &str, other: Option<&Prediction>) {
    if let Some(Prediction { name, probability, .. }) = other {
        progress::note(format_args!(
            "note: {parts} would name '{name}' (p = {probability:.3}); explained is '{chosen}', which the model names by its own crop ({})",
            model.crop
        ));
    }
}

/// Says how much of a photograph no crop shows.
fn say_unseen(share: f64) {
    if share > 0.0 {
        progress::note(format_args!(
            "note: the crops leave {:.0} % of the photograph unseen; the map says nothing about it",
            (100.0 * share).max(1.0)
        ));
    }
}

/// The network that is used where none is named.
fn built_in(settings: Settings) -> Outcome<Model> {
    if settings.weights.is_some() {
        return Err(Failure::Message(
            "--weights needs a network: name its description with --model".to_owned(),
        ));
    }
    #[cfg(feature = "builtin-model")]
    return Ok(Model::built_in(settings)?);
    #[cfg(not(feature = "builtin-model"))]
    Err(Failure::Message("this program was built without its network; name one with --model".to_owned()))
}
