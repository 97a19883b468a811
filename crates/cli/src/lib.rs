//! The command line of deepinside: flags become settings, settings become one call per command, errors become exit codes.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod failure;
mod interruption;
mod options;
mod output;
mod pictures;
mod progress;
mod record;

use std::ffi::OsString;

use clap::{ArgMatches, FromArgMatches as _};

use crate::arguments::{Arguments, Command, program, program_for};
use crate::failure::{Failure, Outcome};

/// Says that the running program is this command line and nothing else, so that it may be started once more: `serve` opens uploaded
/// models in a process of their own.
pub fn may_start_itself() {
    commands::serve::may_start_itself();
}

/// Does what a command line says, the program's name first, and returns the exit code. Help and mistakes in it end the process.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = words.into_iter().collect();
    if let Some(code) = commands::serve::trial(&words) {
        return code;
    }
    let matches = program_for(&words).get_matches_from(&words);
    let result = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => run(arguments.command, &matches),
        Err(error) => error.exit(),
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

/// Runs a command, and writes down what it did if that is asked for.
fn run(command: Command, matches: &ArgMatches) -> Outcome {
    let Some(file) = options::record_file(matches) else { return dispatch(command) };
    let mut program = program();
    program.build();
    output::expect_places([file.as_path()])?;
    output::claim(&file)?;
    let (names, options) = options::of(&program, matches)?;
    record::begin();
    dispatch(command)?;
    if record::is_input(&file)? {
        return Err(Failure::Message(format!(
            "--record {}: the run has read that file, which is left as it is",
            file.display()
        )));
    }
    Ok(record::finish(names, options)?.write(&file)?)
}

/// One call per command.
fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Classify(arguments) => commands::classify::run(&arguments),
        Command::Saliency(arguments) => commands::saliency::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments),
        Command::Metric(arguments) => commands::metric::run(&arguments),
        Command::Report(arguments) => commands::report::run(&arguments),
        Command::Localise(arguments) => commands::localise::run(&arguments),
        Command::Batch(command) => commands::batch::run(&command),
        Command::Publish(arguments) => commands::publish::run(&arguments),
        Command::Exemplars(arguments) => commands::exemplars::run(&arguments),
        Command::Evaluate(command) => commands::evaluate::run(&command),
        Command::ClassModel(arguments) => commands::class_model::run(&arguments),
        Command::Atlas(arguments) => commands::atlas::run(&arguments),
        Command::Layers(arguments) => commands::layers::run(&arguments),
        Command::Compare(arguments) => commands::compare::run(&arguments),
        Command::Trace(arguments) => commands::trace::run(&arguments),
        Command::Replay(arguments) => commands::replay::run(&arguments, dispatch),
        Command::Info(arguments) => commands::info::run(&arguments),
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::Graph(arguments) => commands::graph::run(&arguments),
        Command::Model(command) => commands::model::run(&command),
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::Completions { shell } => commands::manual::completions(shell),
        Command::Manual { folder } => commands::manual::pages(&folder),
    }
}
