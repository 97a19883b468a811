//! Records of runs, and what must be true of one before it is run again.
//!
//! A [`Record`] is what `--record` writes: the command, its options, the files that were read and written with their hashes, and
//! what was printed. A record that is run again comes from a file, which a stranger may have written. So
//!
//! * [`Record::expect_confined`] refuses options that read or write files which the record does not list,
//! * [`Record::expect_inputs`] refuses inputs that are not what they were,
//! * [`Places`] sends every listed output into one folder, and refuses all other places,
//! * [`Record::expect_replaceable`] says whether outputs may be replaced where they lie.
//!
//! All of these are functions of the record, and none knows a command line: what an option says of files is told by
//! [`Mention`]s. Nothing here runs anything.

mod confinement;
mod error;
mod files;
mod places;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deepinside::files::whole_file;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::confinement::{Access, Mention};
pub use self::error::RecordError;
pub use self::files::{HashedFile, lexical};
pub use self::places::Places;
use deepinside::{Error, Instructions, Result};

/// The longest record that is read, in bytes. One of an evaluation on 50,000 pictures has 20 MB.
const LENGTH_LIMIT: u64 = 64 << 20;

/// The most values in a record that is read. A value takes about a hundred bytes of memory, and two in the file.
const VALUE_LIMIT: usize = 4 << 20;

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

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// When the file cannot be read, is too long, or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&whole_file::read_text(path, LENGTH_LIMIT)?, path)
    }

    /// Reads the text of a record; `path` is for errors.
    ///
    /// # Errors
    /// When it holds too many values, or something else.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let failed = |cause: String| RecordError::NoRecord { path: path.to_owned(), cause };
        let values = count_values(text);
        if values > VALUE_LIMIT {
            return Err(
                failed(format!("it holds {values} values, and at most {VALUE_LIMIT} are read")).into()
            );
        }
        let record: Self = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
        record.expect_plain_paths()?;
        Ok(record)
    }

    /// Writes the record; the file appears whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Option(format!("the record cannot be written as JSON: {error}")))?;
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

/// An upper bound of the number of values in JSON, counted before memory is taken for them.
fn count_values(text: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

impl Machine {
    /// This machine, with so many threads in use.
    pub fn this(threads: usize) -> Self {
        Self {
            architecture: std::env::consts::ARCH.to_owned(),
            operating_system: std::env::consts::OS.to_owned(),
            processor_features: processor_features(),
            instructions: Instructions::default().name().to_owned(),
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record of a run in `/start` with these inputs and outputs.
    pub fn record(inputs: &[&str], outputs: &[&str]) -> Record {
        let files = |paths: &[&str]| {
            let file = |path: &&str| HashedFile { path: path.into(), bytes: 0, sha256: String::new() };
            paths.iter().map(file).collect()
        };
        Record {
            deepinside: String::new(),
            command: Vec::new(),
            options: BTreeMap::new(),
            folder: "/start".into(),
            seed: None,
            machine: Machine::this(1),
            resolved: BTreeMap::new(),
            inputs: files(inputs),
            outputs: files(outputs),
            printed: Vec::new(),
            started: 0,
            seconds: 0.0,
        }
    }

    #[test]
    fn outputs_lie_in_a_common_folder() {
        let common = |outputs: &[&str]| record(&[], outputs).common_folder();
        assert_eq!(common(&["/a/b/c/x.png", "/a/b/y.npy", "/a/b/c/d/z.png"]), Path::new("/a/b"));
        assert_eq!(common(&["/a/x.png"]), Path::new("/a"));
        assert_eq!(common(&[]), Path::new("/start"));
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(count_values(r#"{"a,[": [1, {"\"{,": 2}], "b": "\\"}"#), 8);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.json");
        std::fs::write(&path, format!("[{}0]", "0,".repeat(VALUE_LIMIT))).unwrap();
        let message = Record::read(&path).unwrap_err().to_string();
        assert!(message.contains("values, and at most"), "{message}");
    }
}
