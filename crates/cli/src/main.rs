//! The command line of deepinside: flags become settings, settings become one call per command, errors become exit codes.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod failure;
mod output;
mod pictures;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Classify(arguments) => commands::classify::run(&arguments),
        Command::Saliency(arguments) => commands::saliency::run(&arguments),
        Command::Localise(arguments) => commands::localise::run(&arguments),
        Command::Evaluate(command) => commands::evaluate::run(&command),
        Command::ClassModel(arguments) => commands::class_model::run(&arguments),
        Command::Layers(arguments) => commands::layers::run(&arguments),
        Command::Compare(arguments) => commands::compare::run(&arguments),
        Command::Trace(arguments) => commands::trace::run(&arguments),
        Command::Info(arguments) => commands::info::run(&arguments),
        Command::Graph(arguments) => commands::graph::run(&arguments),
        Command::Model(command) => commands::model::run(&command),
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Completions { shell } => commands::manual::completions(shell),
        Command::Manual { folder } => commands::manual::pages(&folder),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::FAILURE
        }
    }
}
