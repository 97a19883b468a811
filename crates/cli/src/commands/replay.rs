//! `deepinside replay`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::FromArgMatches as _;
use deepinside_jobs::record::{HashedFile, Places, Record};
use serde::Serialize;

use crate::arguments::{Arguments, Command, ReplayArguments, program};
use crate::failure::{Failure, Outcome};
use crate::{options, output, progress, record};

#[derive(Serialize)]
struct Result {
    equal: bool,
    /// Where the new outputs are; none where nothing is written, or where they replace the recorded ones.
    folder: Option<PathBuf>,
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
}

/// Makes the results of a recorded run again; `dispatch` runs a command.
pub fn run(arguments: &ReplayArguments, dispatch: fn(Command) -> Outcome) -> Outcome {
    let recorded = Record::read(&arguments.recorded)?;
    let mut program = program();
    let mut built = program.clone();
    built.build();
    let line = options::command_line(&built, &recorded.command, &recorded.options)?;
    recorded.expect_confined(&options::mentions(&built, &recorded.command, &recorded.options)?)?;
    let said = |error: clap::Error| {
        Failure::Message(format!("the recorded options do not fit this program: {}", error.render()))
    };
    let matches = program.try_get_matches_from_mut(line).map_err(said)?;
    let command = Arguments::from_arg_matches(&matches).map_err(said)?.command;
    recorded.expect_inputs()?;
    if arguments.in_place {
        recorded.expect_replaceable()?;
    }

    let staged = if arguments.in_place { Some(staging()?) } else { None };
    let folder = match &arguments.into {
        _ if arguments.in_place || recorded.outputs.is_empty() => None,
        Some(folder) => Some(empty_folder(folder)?),
        None => Some(new_folder()?),
    };
    let into = match (&staged, &folder) {
        (Some(staged), _) => staged.path().to_owned(),
        (None, folder) => record::absolute(folder.as_deref().unwrap_or(Path::new("")))?,
    };
    let places = Places::new(&recorded, &into);
    let again = again(&recorded, &places, command, dispatch).inspect_err(|_| {
        // A folder of our own in which nothing was made goes; one with results stays.
        if folder.is_some() && arguments.into.is_none() {
            let _ = std::fs::remove_dir(&into);
        }
    })?;
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
    let result = compare(&recorded, &again, folder);
    if arguments.in_place {
        replace(&recorded, &places, &result.outputs)?;
    }
    report(&result, arguments.json)
}

/// Runs the recorded command, held to the record.
fn again(
    recorded: &Record,
    places: &Places,
    command: Command,
    dispatch: fn(Command) -> Outcome,
) -> Outcome<Record> {
    std::env::set_current_dir(&recorded.folder).map_err(|error| {
        Failure::Message(format!(
            "{}: {error}; the recorded options are relative to this folder",
            recorded.folder.display()
        ))
    })?;
    record::begin_replay(recorded, places.clone());
    dispatch(command)?;
    record::finish(recorded.command.clone(), recorded.options.clone())
}

/// A folder that results go to before they replace others; gone when it is dropped.
fn staging() -> Outcome<tempfile::TempDir> {
    tempfile::tempdir()
        .map_err(|error| Failure::Message(format!("there is no place for temporary files: {error}")))
}

/// Makes the folder that is asked for, unless it is there and empty.
fn empty_folder(folder: &Path) -> Outcome<PathBuf> {
    let failed = |error| Failure::Message(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Failure::Message(format!(
            "{} holds something already; results are made again in a folder that is new or empty",
            folder.display()
        )));
    }
    Ok(folder.to_owned())
}

/// Makes a folder of a name that is free.
fn new_folder() -> Outcome<PathBuf> {
    let mut number = 1;
    loop {
        let folder = PathBuf::from(format!("replay-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => {
                return Err(Failure::Message(format!(
                    "{}: {error}; name another folder with --into",
                    folder.display()
                )));
            }
        }
    }
}

/// Puts the outputs that differ in the places of the recorded ones.
fn replace(recorded: &Record, places: &Places, outputs: &[Compared]) -> Outcome {
    // Asked again: the run may have taken long.
    recorded.expect_replaceable()?;
    for Compared { path, .. } in outputs.iter().filter(|output| output.result == Comparison::Differs) {
        output::replacement(path, places.of(path)?)?;
    }
    Ok(())
}

fn compare(recorded: &Record, again: &Record, folder: Option<PathBuf>) -> Result {
    let now: BTreeMap<&PathBuf, &HashedFile> = again.outputs.iter().map(|file| (&file.path, file)).collect();
    let result = |before: &HashedFile| match now.get(&before.path) {
        None => Comparison::Missing,
        Some(found) if found.sha256.eq_ignore_ascii_case(&before.sha256) => Comparison::Equal,
        Some(_) => Comparison::Differs,
    };
    let compared = |file: &HashedFile| Compared { path: file.path.clone(), result: result(file) };
    let outputs: Vec<Compared> = recorded.outputs.iter().map(compared).collect();
    let printed = if recorded.printed == again.printed { Comparison::Equal } else { Comparison::Differs };
    let names = recorded.resolved.keys().chain(again.resolved.keys());
    let mut resolved: Vec<String> =
        names.filter(|name| recorded.resolved.get(*name) != again.resolved.get(*name)).cloned().collect();
    resolved.sort_unstable();
    resolved.dedup();
    let equal = outputs.iter().all(|output| output.result == Comparison::Equal)
        && printed == Comparison::Equal
        && resolved.is_empty();
    Result { equal, folder, outputs, printed, resolved, seconds: again.seconds }
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
            };
            output::line(format_args!("{word:<8} {}", output.path.display()));
        }
        if result.printed == Comparison::Differs {
            output::line("differs  what is printed");
        }
        for name in &result.resolved {
            output::line(format_args!("differs  {name}, as it was decided"));
        }
        if let Some(folder) = &result.folder {
            output::line(format_args!("the new results are in {}", folder.display()));
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
