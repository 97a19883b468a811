//! What a run used, decided and made, for `--record` and `replay`.
//!
//! While a command runs, whatever reads an input file, decides something that the flags leave open, prints a result or
//! writes a file reports it here: [`input`], [`resolved`] and the functions of [`crate::output`]. Commands return nothing to
//! the recorder and ask it nothing. Without a recording all of this does nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deepinside::Threads;
use deepinside_jobs::record::{HashedFile, Machine, Places, Record, RecordError, lexical};
use serde::Serialize;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// What a run that is made again is held to.
#[derive(Debug)]
struct Replay {
    /// The files that it may read.
    inputs: BTreeSet<PathBuf>,
    /// The files that it may write, and where they go.
    places: Places,
}

/// What has been reported in a run.
#[derive(Debug)]
struct Recording {
    start: Instant,
    started: u64,
    resolved: BTreeMap<String, Value>,
    /// With what tells them from others of their names.
    inputs: BTreeMap<PathBuf, (HashedFile, Identity)>,
    outputs: BTreeMap<PathBuf, HashedFile>,
    printed: Vec<Value>,
    replay: Option<Replay>,
}

/// The recording of this process: a command runs once in it, and what is reported comes from all over it.
static RECORDING: Mutex<Option<Recording>> = Mutex::new(None);

fn recording() -> MutexGuard<'static, Option<Recording>> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to record.
pub fn begin() {
    start(None);
}

/// Begins to record a run that is made again. It prints nothing, reads only what the record lists as inputs, and what it lists as outputs
/// goes to these places; nothing else is written.
pub fn begin_replay(recorded: &Record, places: Places) {
    let inputs = recorded.inputs.iter().map(|file| file.path.clone()).collect();
    start(Some(Replay { inputs, places }));
}

fn start(replay: Option<Replay>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    *recording() = Some(Recording {
        start: Instant::now(),
        started: now,
        resolved: BTreeMap::new(),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        printed: Vec::new(),
        replay,
    });
}

/// The files that this process reads, whether they are recorded or not.
static INPUTS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn inputs() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    INPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file is one that was read; links are followed.
pub fn is_input(path: &Path) -> Outcome<bool> {
    Ok(inputs().contains(&followed(path)?))
}

fn followed(path: &Path) -> Outcome<PathBuf> {
    path.canonicalize().or_else(|_| absolute(path))
}

/// A file is about to be read.
///
/// # Errors
/// When it cannot be read, or is none that a run which is made again may read.
pub fn input(path: &Path) -> Outcome {
    inputs().insert(followed(path)?);
    let mut recording = recording();
    let Some(recording) = recording.as_mut() else { return Ok(()) };
    let path = absolute(path)?;
    if recording.replay.as_ref().is_some_and(|replay| !replay.inputs.contains(&path)) {
        return Err(RecordError::UnlistedInput(path).into());
    }
    if let Entry::Vacant(entry) = recording.inputs.entry(path) {
        // Before the hash, so that a change while it is taken is noticed, too.
        let identity = Identity::of(entry.key())?;
        let file = HashedFile::read(entry.key())?;
        entry.insert((file, identity));
    }
    Ok(())
}

/// What tells a file from one that takes its place, or from itself with other content.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    modified: Option<SystemTime>,
    /// The device and the number of the file on it, where the system has them.
    place: Option<[u64; 2]>,
}

impl Identity {
    fn of(path: &Path) -> Outcome<Self> {
        let metadata = path
            .metadata()
            .map_err(|source| Failure::Library(deepinside::Error::Io { path: path.to_owned(), source }))?;
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt as _;
            Some([metadata.dev(), metadata.ino()])
        };
        #[cfg(not(unix))]
        let place = None;
        Ok(Self { bytes: metadata.len(), modified: metadata.modified().ok(), place })
    }
}

/// A file was written at the place that [`place`] said.
pub fn output(path: &Path) -> Outcome {
    let mut recording = recording();
    let Some(recording) = recording.as_mut() else { return Ok(()) };
    let file = HashedFile::read(&placed(recording, path)?)?;
    let path = absolute(path)?;
    recording.outputs.insert(path.clone(), HashedFile { path, ..file });
    Ok(())
}

/// Where a file goes: its own place, unless a run is made again.
///
/// # Errors
/// When such a run's record does not list the file.
pub fn place(path: &Path) -> Outcome<PathBuf> {
    match recording().as_ref() {
        Some(recording) => placed(recording, path),
        None => Ok(path.to_owned()),
    }
}

fn placed(recording: &Recording, path: &Path) -> Outcome<PathBuf> {
    match &recording.replay {
        Some(replay) => Ok(replay.places.of(&absolute(path)?)?.to_owned()),
        None => Ok(path.to_owned()),
    }
}

/// Whether a path names a folder. Where a run is made again the record says what was one.
pub fn is_folder(path: &Path) -> Outcome<bool> {
    match recording().as_ref().and_then(|recording| recording.replay.as_ref()) {
        Some(replay) => Ok(replay.places.is_folder(&absolute(path)?)),
        None => Ok(path.is_dir()),
    }
}

/// Something was decided that the options alone do not say. What is decided anew under the same name, such as a second model,
/// stands beside the first with a number.
pub fn resolved(name: &str, value: &impl Serialize) -> Outcome {
    if let Some(recording) = recording().as_mut() {
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::Message(format!("cannot record {name}: {error}")))?;
        let mut free = name.to_owned();
        let mut number = 1;
        while recording.resolved.get(&free).is_some_and(|known| *known != value) {
            number += 1;
            free = format!("{name} {number}");
        }
        recording.resolved.insert(free, value);
    }
    Ok(())
}

/// A result is printed; says whether it is to appear. Members of objects that tell how long something took are left out.
pub fn printed(mut value: Value) -> bool {
    let mut recording = recording();
    let Some(recording) = recording.as_mut() else { return true };
    remove_timings(&mut value);
    recording.printed.push(value);
    recording.replay.is_none()
}

/// Whether a recorded run is made again.
pub fn is_replay() -> bool {
    recording().as_ref().is_some_and(|recording| recording.replay.is_some())
}

/// Whether results are to appear.
pub fn shows() -> bool {
    !is_replay()
}

fn remove_timings(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| name != "seconds" && !name.starts_with("seconds_"));
            members.values_mut().for_each(remove_timings);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_timings),
        _ => {}
    }
}

/// Ends the recording with all that was reported.
///
/// # Errors
/// When an input is not what it was: then no hash says what the run has read.
pub fn finish(command: Vec<String>, options: BTreeMap<String, Vec<String>>) -> Outcome<Record> {
    let recording = recording().take().ok_or_else(|| Failure::Message("nothing was recorded".to_owned()))?;
    for (path, (_, identity)) in &recording.inputs {
        if !Identity::of(path).is_ok_and(|now| now == *identity) {
            return Err(Failure::Message(format!(
                "{} was changed while the run went on, so nothing is recorded; run it again",
                path.display()
            )));
        }
    }
    let asked = options.get("threads").and_then(|values| values.first()?.parse().ok()).unwrap_or(0);
    let threads = Threads::new(asked)?.count();
    Ok(Record {
        deepinside: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.get("seed").and_then(|values| values.first()).cloned(),
        command,
        options,
        folder: current_folder()?,
        machine: Machine::this(threads),
        resolved: recording.resolved,
        inputs: recording.inputs.into_values().map(|(file, _)| file).collect(),
        outputs: recording.outputs.into_values().collect(),
        printed: recording.printed,
        started: recording.started,
        seconds: recording.start.elapsed().as_secs_f64(),
    })
}

/// A path from the root, without `.` and, as far as names alone tell, without `..`.
pub fn absolute(path: &Path) -> Outcome<PathBuf> {
    Ok(lexical(&current_folder()?, path))
}

fn current_folder() -> Outcome<PathBuf> {
    std::env::current_dir()
        .map_err(|error| Failure::Message(format!("the current folder is not known: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record held the hash of a file that the run had not read.
    #[test]
    fn a_file_that_changes_in_a_run_is_not_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        let run = |change: &dyn Fn()| {
            std::fs::write(&path, "one").unwrap();
            begin();
            input(&path).unwrap();
            change();
            finish(Vec::new(), BTreeMap::new())
        };
        assert_eq!(run(&|| {}).unwrap().inputs.len(), 1);
        let in_place = || {
            std::fs::write(&path, "two").unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
        };
        let renamed = || {
            std::fs::write(folder.path().join("other"), "one").unwrap();
            std::fs::rename(folder.path().join("other"), &path).unwrap();
        };
        for change in [&in_place as &dyn Fn(), &renamed, &|| std::fs::remove_file(&path).unwrap()] {
            let error = run(change).unwrap_err().to_string();
            assert!(error.contains("was changed while the run went on"), "{error}");
        }
    }

    #[test]
    fn timings_are_no_results() {
        let mut value = serde_json::json!({"seconds": 1, "a": [{"seconds_per_image": 2, "b": 3}]});
        remove_timings(&mut value);
        assert_eq!(value, serde_json::json!({"a": [{"b": 3}]}));
    }
}
