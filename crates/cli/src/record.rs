//! What a run used, decided and made, for `--record` and `replay`.
//!
//! While a command runs, whatever reads an input file, decides something that the flags leave open, prints a result or
//! writes a file reports it here: [`input`], [`resolved`] and the functions of [`crate::output`]. Commands return nothing to
//! the recorder and ask it nothing. Without a recording all of this does nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deepinside::Threads;
use deepinside::vision::whole_file;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Outcome};

/// The longest record that is read.
const LENGTH_LIMIT: u64 = 256 << 20;

/// A run as its file keeps it. Paths of files are absolute; options are as they were written, relative to `folder`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the program.
    pub deepinside: String,
    /// The command, with its subcommand if it has one.
    pub command: Vec<String>,
    /// Every option of the command with its values, also those that were left at their default.
    pub options: BTreeMap<String, Vec<String>>,
    /// The folder that relative paths start at.
    pub folder: PathBuf,
    /// The random seed, where the command takes one.
    pub seed: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// What was decided beyond the options.
    pub resolved: BTreeMap<String, Value>,
    /// The files that were read.
    pub inputs: Vec<HashedFile>,
    /// The files that were written.
    pub outputs: Vec<HashedFile>,
    /// The results that were printed, without their timings.
    pub printed: Vec<Value>,
    /// When it began, in seconds since 1970 (UTC).
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
}

/// What results may depend on beside their inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's architecture.
    pub architecture: String,
    /// The operating system.
    pub operating_system: String,
    /// What the processor can do, of what matters for numbers.
    pub processor_features: Vec<String>,
    /// The instruction set in use: results have the same bits on machines where it is the same.
    pub instructions: String,
    /// The number of threads; it never changes a result.
    pub threads: usize,
}

/// A file with what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

impl HashedFile {
    /// Reads a file once.
    pub fn read(path: &Path) -> Outcome<Self> {
        let failed = |source| Failure::Library(deepinside::Error::Io { path: path.to_owned(), source });
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Failure::Message(format!(
                "{} is no regular file: what it held cannot be looked at again, so there is no record of it",
                path.display()
            )));
        }
        let mut stream = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let count = stream.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            bytes += count as u64;
        }
        Ok(Self { path: absolute(path)?, bytes, sha256: hexadecimal(&hash.finalize()) })
    }
}

/// Where the outputs of a replayed run go instead of their recorded places.
#[derive(Debug, Clone)]
pub struct Redirection {
    /// The folder that all recorded outputs lie in.
    pub from: PathBuf,
    /// The folder that takes its place.
    pub into: PathBuf,
}

impl Redirection {
    /// Where an absolute path goes; what lies outside of the recorded folder keeps its last name.
    pub fn place(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.from) {
            Ok(inside) => self.into.join(inside),
            Err(_) => self.into.join(path.file_name().unwrap_or_default()),
        }
    }
}

/// What has been reported in a run.
#[derive(Debug)]
struct Recording {
    start: Instant,
    started: u64,
    resolved: BTreeMap<String, Value>,
    inputs: BTreeMap<PathBuf, HashedFile>,
    outputs: BTreeMap<PathBuf, HashedFile>,
    printed: Vec<Value>,
    replay: Option<Option<Redirection>>,
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

/// Begins to record a run that is made again: it prints nothing, and its files go elsewhere if that is asked for.
pub fn begin_replay(redirection: Option<Redirection>) {
    start(Some(redirection));
}

fn start(replay: Option<Option<Redirection>>) {
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
pub fn input(path: &Path) -> Outcome {
    inputs().insert(followed(path)?);
    let mut recording = recording();
    let Some(recording) = recording.as_mut() else { return Ok(()) };
    let path = absolute(path)?;
    if let Entry::Vacant(place) = recording.inputs.entry(path) {
        let file = HashedFile::read(place.key())?;
        place.insert(file);
    }
    Ok(())
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

/// Where a file goes: its own place, unless a replay sends it elsewhere.
pub fn place(path: &Path) -> Outcome<PathBuf> {
    match recording().as_ref() {
        Some(recording) => placed(recording, path),
        None => Ok(path.to_owned()),
    }
}

fn placed(recording: &Recording, path: &Path) -> Outcome<PathBuf> {
    match &recording.replay {
        Some(Some(redirection)) => Ok(redirection.place(&absolute(path)?)),
        _ => Ok(path.to_owned()),
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
pub fn finish(command: Vec<String>, options: BTreeMap<String, Vec<String>>) -> Outcome<Record> {
    let recording = recording().take().ok_or_else(|| Failure::Message("nothing was recorded".to_owned()))?;
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
        inputs: recording.inputs.into_values().collect(),
        outputs: recording.outputs.into_values().collect(),
        printed: recording.printed,
        started: recording.started,
        seconds: recording.start.elapsed().as_secs_f64(),
    })
}

impl Record {
    /// Reads a record.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = whole_file::read_text(path, LENGTH_LIMIT)?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::Message(format!(
                "{} is no record of a run, as --record writes it: {error}",
                path.display()
            ))
        })
    }

    /// Writes the record; the file appears whole or not at all.
    pub fn write(&self, path: &Path) -> Outcome {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::Message(format!("cannot write JSON: {error}")))?;
        Ok(whole_file::write(path, |stream| stream.write_all(format!("{text}\n").as_bytes()))?)
    }

    /// The deepest folder that all outputs lie in.
    pub fn common_folder(&self) -> PathBuf {
        let mut folders = self.outputs.iter().filter_map(|file| file.path.parent());
        let first = folders.next().unwrap_or(&self.folder).to_owned();
        folders.fold(first, |common, folder| {
            let shared = common.components().zip(folder.components()).take_while(|(a, b)| a == b);
            shared.map(|(component, _)| component).collect()
        })
    }
}

impl Machine {
    fn this(threads: usize) -> Self {
        Self {
            architecture: std::env::consts::ARCH.to_owned(),
            operating_system: std::env::consts::OS.to_owned(),
            processor_features: processor_features(),
            instructions: deepinside::Instructions::default().name().to_owned(),
            threads,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<String> {
    let features = [
        ("sse4.1", is_x86_feature_detected!("sse4.1")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    features.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<String> {
    Vec::new()
}

/// A path from the root, without `.` and, as far as names alone tell, without `..`.
pub fn absolute(path: &Path) -> Outcome<PathBuf> {
    let mut folded = PathBuf::new();
    for component in current_folder()?.join(path).components() {
        match component {
            Component::ParentDir => _ = folded.pop(),
            Component::CurDir => {}
            other => folded.push(other),
        }
    }
    Ok(folded)
}

fn current_folder() -> Outcome<PathBuf> {
    std::env::current_dir()
        .map_err(|error| Failure::Message(format!("the current folder is not known: {error}")))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outputs: &[&str]) -> Record {
        let file = |path: &&str| HashedFile { path: path.into(), bytes: 0, sha256: String::new() };
        Record {
            deepinside: String::new(),
            command: Vec::new(),
            options: BTreeMap::new(),
            folder: "/start".into(),
            seed: None,
            machine: Machine::this(1),
            resolved: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: outputs.iter().map(file).collect(),
            printed: Vec::new(),
            started: 0,
            seconds: 0.0,
        }
    }

    #[test]
    fn outputs_keep_their_places_relative_to_each_other() {
        let several = record(&["/a/b/c/x.png", "/a/b/y.npy", "/a/b/c/d/z.png"]);
        assert_eq!(several.common_folder(), Path::new("/a/b"));
        let redirection = Redirection { from: several.common_folder(), into: "/new".into() };
        assert_eq!(redirection.place(Path::new("/a/b/c/x.png")), Path::new("/new/c/x.png"));
        assert_eq!(redirection.place(Path::new("/a/b")), Path::new("/new"));
        assert_eq!(redirection.place(Path::new("/elsewhere/w.png")), Path::new("/new/w.png"));
        assert_eq!(record(&["/a/x.png"]).common_folder(), Path::new("/a"));
        assert_eq!(record(&[]).common_folder(), Path::new("/start"));
    }

    #[test]
    fn hashes_are_sha_256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        // The example of FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let file = HashedFile::read(&path).unwrap();
        assert_eq!((file.sha256.as_str(), file.bytes), (expected, 3));
    }

    #[test]
    fn timings_are_no_results() {
        let mut value = serde_json::json!({"seconds": 1, "a": [{"seconds_per_image": 2, "b": 3}]});
        remove_timings(&mut value);
        assert_eq!(value, serde_json::json!({"a": [{"b": 3}]}));
    }

    #[test]
    fn paths_are_folded() {
        assert_eq!(absolute(Path::new("/a/./b/../c")).unwrap(), Path::new("/a/c"));
        assert!(absolute(Path::new("x")).unwrap().is_absolute());
    }
}
