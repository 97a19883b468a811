//! `deepinside evaluate`: one file per measure.

mod class_models;
mod classification;
mod html;
mod localisation;
mod pointing;
mod table;

use std::path::Path;

use deepinside::Model;
use deepinside::evaluation::{GroundTruth, Settings, TrueObject, ground_truth};
use serde_json::Value;

use crate::arguments::{EvaluateCommand, GroundTruthArguments};
use crate::failure::Outcome;
use crate::{progress, record};

pub fn run(command: &EvaluateCommand) -> Outcome {
    match command {
        EvaluateCommand::Localisation(arguments) => localisation::run(arguments),
        EvaluateCommand::Pointing(arguments) => pointing::run(arguments),
        EvaluateCommand::Classification(arguments) => classification::run(arguments),
        EvaluateCommand::ClassModels(arguments) => class_models::run(arguments),
    }
}

/// The pictures; what cannot be used of them is said.
fn objects(arguments: &GroundTruthArguments, model: &Model) -> Outcome<Vec<TrueObject>> {
    let GroundTruth { objects, notes } =
        ground_truth(&arguments.ground_truth, arguments.pictures.as_deref(), model)?;
    for note in notes {
        progress::note(format_args!("note: {note}"));
    }
    let described = &arguments.ground_truth;
    if described.is_file() {
        record::input(described)?;
    } else if let Ok(entries) = std::fs::read_dir(described) {
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()) {
            record::input(&path)?;
        }
    }
    for object in &objects {
        record::input(&object.file)?;
    }
    Ok(objects)
}

/// The file that keeps the result of every picture. It holds times and grows with each run that goes on with it, so it is no
/// result of a single one: records leave it out, and a replay computes every picture again.
fn details_file(path: Option<&Path>) -> Option<&Path> {
    path.filter(|_| !record::is_replay())
}

/// What the results of single pictures depend on: the program, the network and how it is fed, and how results are made.
fn settings(measure: &str, model: &Model, how: String) -> Settings {
    let files = model.files.iter().map(|file| {
        let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        Value::from(format!("{} ({size} bytes)", file.display()))
    });
    let entries: [(&str, Value); 7] = [
        ("measure", measure.into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("model", model.name.clone().into()),
        ("files", files.collect::<Vec<_>>().into()),
        ("input", format!("{:?}", model.transformer).chars().take(400).collect::<String>().into()),
        ("resize", format!("{:?}, {:?}", model.resize, model.crop).into()),
        ("how", how.into()),
    ];
    Settings { settings: entries.map(|(name, value)| (name.to_owned(), value)).into_iter().collect() }
}
