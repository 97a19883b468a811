//! `deepinside evaluate`: one file per measure.

mod class_models;
mod classification;
mod confusions;
mod faithfulness;
mod html;
mod localisation;
mod pointing;
mod table;

use std::path::{Path, PathBuf};

use deepinside::Model;
use deepinside::evaluation::{Details, GroundTruth, Keyed, Settings, TrueObject, ground_truth};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{description, hashes};
use crate::arguments::{EvaluateCommand, GroundTruthArguments, ReportArguments};
use crate::failure::{Failure, Outcome};
use crate::{output, progress, record};

pub fn run(command: &EvaluateCommand) -> Outcome {
    match command {
        EvaluateCommand::Localisation(arguments) => localisation::run(arguments),
        EvaluateCommand::Pointing(arguments) => pointing::run(arguments),
        EvaluateCommand::Classification(arguments) => classification::run(arguments),
        EvaluateCommand::Faithfulness(arguments) => faithfulness::run(arguments),
        EvaluateCommand::ClassModels(arguments) => class_models::run(arguments),
    }
}

/// Looks at where the figures are to go, before they are found.
fn expect_places(report: &ReportArguments, html: Option<&Path>) -> Outcome {
    let ReportArguments { details, csv, markdown } = report;
    let (csv, markdown) = (csv.as_deref(), markdown.as_deref());
    output::expect_places([details.as_deref(), csv, markdown, html].into_iter().flatten())?;
    let endings: [(Option<&Path>, &[&str]); 3] =
        [(csv, &["csv"]), (markdown, &["md", "markdown"]), (html, &["html", "htm"])];
    let named = endings.into_iter().filter_map(|(file, endings)| Some((file?, endings)));
    named.into_iter().try_for_each(|(file, endings)| output::expect_ending(file, endings))
}

/// The pictures; what cannot be used of them is said.
fn objects(arguments: &GroundTruthArguments, model: &Model) -> Outcome<Vec<TrueObject>> {
    let described = &arguments.ground_truth;
    if described.is_file() {
        record::input(described)?;
    } else if let Ok(entries) = std::fs::read_dir(described) {
        let is_annotation =
            |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_annotation) {
            record::input(&path)?;
        }
    }
    let GroundTruth { objects, notes } = ground_truth(described, arguments.pictures.as_deref(), model)?;
    for note in notes {
        progress::note(format_args!("note: {note}"));
    }
    for object in &objects {
        record::input(&object.file)?;
    }
    Ok(objects)
}

/// Says with a failure where what was found before it is kept.
fn kept<T>(results: deepinside::Result<T>, details: Option<&Path>) -> Outcome<T> {
    results.map_err(|error| match details {
        Some(path) => {
            Failure::Message(format!("{error} (what is done so far is kept in {})", path.display()))
        }
        None => Failure::Library(error),
    })
}

/// Opens the file that keeps the result of every picture, where one is named: it belongs to one measure of these models, made in
/// one way. It holds times and grows with each run that goes on with it, so it is no result of a single one: records leave it out,
/// and a replay computes every picture again.
fn details<T: Keyed + Serialize + DeserializeOwned>(
    path: Option<&Path>,
    measure: &str,
    models: &[&Model],
    how: &impl Serialize,
) -> Outcome<Option<Details<T>>> {
    let Some(path) = path.filter(|_| !record::is_replay()) else {
        return Ok(None);
    };
    output::claim(path)?;
    let mut settings = Map::from_iter([
        ("measure".to_owned(), Value::from(measure)),
        ("version".to_owned(), env!("CARGO_PKG_VERSION").into()),
        ("how".to_owned(), json!(how)),
    ]);
    for (model, role) in models.iter().zip(["model", "judge"]) {
        settings.insert(role.to_owned(), description(model));
        settings.insert(format!("{role}_files"), json!(hashes(model)?));
    }
    Ok(Some(Details::open(path, &Settings { settings })?))
}
