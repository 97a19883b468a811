//! `deepinside replay`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::FromArgMatches as _;
use serde::Serialize;

use crate::arguments::{Arguments, Command, ReplayArguments, program};
use crate::failure::{Failure, Outcome};
use crate::record::{HashedFile, Record, Redirection};
use crate::{options, output, progress, record};

#[derive(Serialize)]
struct Result {
    equal: bool,
    /// The outputs, by their recorded places.
    outputs: Vec<Compared>,
    /// Whether the printed results are equal.
    printed: Comparison,
    /// What was decided otherwise than recorded.
    resolved: Vec<String>,
    seconds: f64,
}

#[derive(Serialize)]
struct Compared {
    path: PathBuf,
    result: Comparison,
}

/// How something compares with what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Comparison {
    Equal,
    Differs,
    /// It was recorded, and not made again.
    Missing,
    /// It was made, and not recorded.
    New,
}

/// Makes the results of a recorded run again; `dispatch` runs a command.
pub fn run(arguments: &ReplayArguments, dispatch: fn(Command) -> Outcome) -> Outcome {
    let recorded = Record::read(&arguments.recorded)?;
    let into = arguments.into.as_deref().map(record::absolute).transpose()?;
    let mut program = program();
    let line = {
        let mut built = program.clone();
        built.build();
        options::command_line(&built, &recorded.command, &recorded.options)?
    };
    let said = |error: clap::Error| {
        Failure::Message(format!("the recorded options do not fit this program: {}", error.render()))
    };
    let matches = program.try_get_matches_from_mut(line).map_err(said)?;
    let command = Arguments::from_arg_matches(&matches).map_err(said)?.command;
    expect_equal_inputs(&recorded)?;
    std::env::set_current_dir(&recorded.folder).map_err(|error| {
        Failure::Message(format!(
            "{}: {error}; the recorded options are relative to this folder",
            recorded.folder.display()
        ))
    })?;
    record::begin_replay(into.map(|into| Redirection { from: recorded.common_folder(), into }));
    dispatch(command)?;
    let again = record::finish(recorded.command.clone(), recorded.options.clone())?;
    for (what, before, now) in [
        ("version", &recorded.deepinside, &again.deepinside),
        ("instruction set", &recorded.machine.instructions, &again.machine.instructions),
    ] {
        if before != now {
            progress::note(format_args!(
                "note: recorded with {what} {before}, made again with {now}: bits may differ"
            ));
        }
    }
    report(&compare(&recorded, &again), arguments.json)
}

/// Says which recorded inputs are not what they were.
fn expect_equal_inputs(recorded: &Record) -> Outcome {
    let mut different = Vec::new();
    for input in &recorded.inputs {
        match HashedFile::read(&input.path) {
            Ok(found) if found.sha256 == input.sha256 => {}
            Ok(found) => different.push(format!(
                "{} has changed: SHA-256 {} was recorded, found {}",
                input.path.display(),
                input.sha256,
                found.sha256
            )),
            Err(failure) => different.push(failure.to_string()),
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!("not the recorded inputs: {}", different.join("; "))))
}

fn compare(recorded: &Record, again: &Record) -> Result {
    let by_path = |files: &[HashedFile]| -> BTreeMap<PathBuf, String> {
        files.iter().map(|file| (file.path.clone(), file.sha256.clone())).collect()
    };
    let (before, now) = (by_path(&recorded.outputs), by_path(&again.outputs));
    let mut outputs: Vec<Compared> = Vec::new();
    for (path, hash) in &before {
        let result = match now.get(path) {
            None => Comparison::Missing,
            Some(found) if found == hash => Comparison::Equal,
            Some(_) => Comparison::Differs,
        };
        outputs.push(Compared { path: path.clone(), result });
    }
    let new = now.into_keys().filter(|path| !before.contains_key(path));
    outputs.extend(new.map(|path| Compared { path, result: Comparison::New }));
    let printed = if recorded.printed == again.printed { Comparison::Equal } else { Comparison::Differs };
    let names = recorded.resolved.keys().chain(again.resolved.keys());
    let mut resolved: Vec<String> =
        names.filter(|name| recorded.resolved.get(*name) != again.resolved.get(*name)).cloned().collect();
    resolved.sort_unstable();
    resolved.dedup();
    let equal = outputs.iter().all(|output| output.result == Comparison::Equal)
        && printed == Comparison::Equal
        && resolved.is_empty();
    Result { equal, outputs, printed, resolved, seconds: again.seconds }
}

fn report(result: &Result, json: bool) -> Outcome {
    if json {
        output::json(result)?;
    } else {
        for output in &result.outputs {
            let word = match output.result {
                Comparison::Equal => "equal",
                Comparison::Differs => "differs",
                Comparison::Missing => "missing",
                Comparison::New => "new",
            };
            output::line(format_args!("{word:<8} {}", output.path.display()));
        }
        if result.printed == Comparison::Differs {
            output::line("differs  what is printed");
        }
        for name in &result.resolved {
            output::line(format_args!("differs  {name}, as it was decided"));
        }
        if result.equal {
            output::line("all results are equal, bit by bit");
        }
    }
    if result.equal {
        return Ok(());
    }
    Err(Failure::Message("the results are not those of the record".to_owned()))
}
