//! One file per command.

pub mod class_model;
pub mod classify;
pub mod info;
pub mod layers;
pub mod manual;
pub mod saliency;
pub mod trace;

use deepinside::Model;

use crate::arguments::ModelArguments;
use crate::failure::Outcome;
use crate::progress;

/// Opens the model; what is suspicious, and what was cut off to get at the score, goes to standard error.
pub fn open(arguments: &ModelArguments, original: bool) -> Outcome<Model> {
    let model = Model::open(&arguments.model, arguments.settings(original))?;
    for warning in model.warnings.iter().chain(&model.suspicious_weights()) {
        progress::note(format_args!("warning: {warning}"));
    }
    for note in &model.score.notes {
        progress::note(format_args!("note: {note}"));
    }
    Ok(model)
}
