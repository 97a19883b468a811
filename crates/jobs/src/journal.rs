//! The journal of a job: what is there, in an append-only file.
//!
//! Each line is a checksum, a space and an entry in JSON. The checksum is the beginning of the SHA-256 of the checksum before and the
//! entry, so that a line that is damaged, missing or from another file is noticed. A job that was killed leaves an unfinished last
//! line at most, and a power cut may leave more that is damaged: reading ends at the first line that is not right, and the job goes on
//! from there.

use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use deepinside::files::whole_file;
use deepinside::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::Row;
use crate::durable::{hexadecimal, io};

/// How many hexadecimal digits of a checksum are kept.
const DIGITS: usize = 16;

/// The longest line that is read. A row has a few hundred bytes, and notes.
const LONGEST: u64 = 16 << 20;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The first one: what the results depend on.
    Job(Map<String, Value>),
    /// A row, and what was written for it.
    Row {
        /// The row.
        row: Box<Row>,
        /// Its file, or its bytes in the part that is being collected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Data>,
        /// How long it took.
        seconds: Seconds,
    },
    /// A part is written.
    Part {
        /// Its number.
        part: u64,
    },
}

/// Bytes that belong to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
}

/// How long a row took, in seconds of its worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Decoding the photograph.
    pub decode: f64,
    /// Making the network's input, and the network's passes.
    pub network: f64,
    /// Drawing and encoding what is written: a row; in the sum over a job, parts as well where they are encoded as a whole.
    pub encode: f64,
}

/// An open journal, locked against other runs.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    checksum: String,
}

/// An entry with where its line begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The place of its first byte.
    pub offset: u64,
    /// The checksum of the line before.
    pub before: String,
    /// The entry.
    pub entry: Entry,
}

impl Journal {
    /// Opens a journal, or makes it, and hands every entry but the first to `each`. What follows the last line that is right is
    /// cut off.
    ///
    /// # Errors
    /// When the file is no journal, was made with other settings or by a run that still goes on, or cannot be written.
    pub fn open(
        path: &Path,
        settings: &Map<String, Value>,
        mut each: impl FnMut(Line) -> Result<()>,
    ) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io(path))?;
        // Held until the file is closed. Where a file system has no locks, there is none.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Option(format!(
                "{}: another run is at work there; wait for its end, or name another folder",
                path.display()
            )));
        }
        let mut is_first = true;
        let (end, checksum) = read(path, |line| {
            if !std::mem::take(&mut is_first) {
                return each(line);
            }
            match line.entry {
                Entry::Job(found) if found == *settings => Ok(()),
                Entry::Job(found) => Err(Error::Option(format!(
                    "{} was made with other settings ({}); name another folder, or delete it to start anew",
                    path.display(),
                    differences(&found, settings)
                ))),
                _ => Err(foreign(path)),
            }
        })?;
        let length = file.metadata().map_err(io(path))?.len();
        if is_first && length > 0 {
            // What was stopped within its first line has nothing to go on with.
            let own = line("", &Entry::Job(settings.clone()))?;
            let is_begun = length < own.len() as u64
                && own.as_bytes().starts_with(&std::fs::read(path).map_err(io(path))?);
            if !is_begun {
                return Err(foreign(path));
            }
        }
        let mut journal = Self { path: path.to_owned(), file, checksum };
        journal.cut(end, None)?;
        if is_first {
            journal.add(&Entry::Job(settings.clone()))?;
            journal.sync()?;
        }
        Ok(journal)
    }

    /// Takes back this line and what follows it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn cut_at(&mut self, line: &Line) -> Result<()> {
        self.cut(line.offset, Some(&line.before))
    }

    fn cut(&mut self, end: u64, checksum: Option<&str>) -> Result<()> {
        self.file.set_len(end).map_err(io(&self.path))?;
        self.file.seek(SeekFrom::End(0)).map_err(io(&self.path))?;
        if let Some(checksum) = checksum {
            self.checksum = checksum.to_owned();
        }
        Ok(())
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        let line = line(&self.checksum, entry)?;
        self.file.write_all(line.as_bytes()).map_err(io(&self.path))?;
        self.checksum = line[..DIGITS].to_owned();
        Ok(())
    }

    /// Sees that everything is on the disk.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(io(&self.path))
    }
}

/// Reads a journal to its first line that is not right; answers where that is, and the checksum of the line before.
///
/// # Errors
/// When the file cannot be read, and those of `each`.
pub fn read(path: &Path, mut each: impl FnMut(Line) -> Result<()>) -> Result<(u64, String)> {
    // Folders of jobs are also handed on by others: a pipe in the journal's place would be waited for.
    let (file, length) = whole_file::open(path)?;
    let mut reader = BufReader::new(file.take(length));
    let (mut offset, mut checksum, mut bytes) = (0, String::new(), Vec::new());
    loop {
        bytes.clear();
        let count =
            std::io::Read::take(&mut reader, LONGEST).read_until(b'\n', &mut bytes).map_err(io(path))?;
        let Some((found, entry)) = parsed(&bytes, &checksum) else { return Ok((offset, checksum)) };
        each(Line { offset, before: std::mem::replace(&mut checksum, found), entry })?;
        offset += count as u64;
    }
}

fn parsed(bytes: &[u8], before: &str) -> Option<(String, Entry)> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (found, json) = text.split_once(' ')?;
    (found == checksum(before, json)).then_some(())?;
    Some((found.to_owned(), serde_json::from_str(json).ok()?))
}

fn line(before: &str, entry: &Entry) -> Result<String> {
    let json = serde_json::to_string(entry)
        .map_err(|error| Error::Option(format!("the journal's line cannot be written as JSON: {error}")))?;
    Ok(format!("{} {json}\n", checksum(before, &json)))
}

fn checksum(before: &str, json: &str) -> String {
    let mut digits = hexadecimal(&Sha256::new().chain_update(before).chain_update(json).finalize());
    digits.truncate(DIGITS);
    digits
}

fn foreign(path: &Path) -> Error {
    Error::Option(format!("{} is no journal of a job; it is left as it is", path.display()))
}

/// The settings that differ, with both values.
pub fn differences(found: &Map<String, Value>, wanted: &Map<String, Value>) -> String {
    let value = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let names = found.keys().chain(wanted.keys().filter(|name| !found.contains_key(*name)));
    let differing = names.filter(|name| found.get(*name) != wanted.get(*name));
    let texts =
        differing.map(|name| format!("{name}: {}, not {}", value(found.get(name)), value(wanted.get(name))));
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(method: &str) -> Map<String, Value> {
        Map::from_iter([("method".to_owned(), Value::from(method))])
    }

    fn row(number: u64) -> Entry {
        let row = Row { row: number, key: format!("é{number}.png"), ..Row::default() };
        Entry::Row { row: Box::new(row), data: None, seconds: Seconds::default() }
    }

    fn entries(path: &Path) -> (Journal, Vec<Entry>) {
        let mut found = Vec::new();
        let journal = Journal::open(path, &settings("gradient"), |line| {
            found.push(line.entry);
            Ok(())
        });
        (journal.unwrap(), found)
    }

    #[test]
    fn a_journal_goes_on_after_every_cut_and_every_damaged_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = entries(&path);
        let all = [row(0), row(1), row(2), Entry::Part { part: 0 }];
        all.iter().for_each(|entry| journal.add(entry).unwrap());
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').map(|at| at + 1).collect();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, found) = entries(&path);
            let kept = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
            assert_eq!(found, all[..kept], "cut at {length}");
            all[kept..].iter().for_each(|entry| journal.add(entry).unwrap());
            drop(journal);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {length}");
        }
        for at in ends[0]..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let (_, found) = entries(&path);
            let kept = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(found, all[..kept], "damaged at {at}");
        }
    }

    #[test]
    fn a_line_that_is_missing_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = entries(&path);
        [row(0), row(1), row(2)].iter().for_each(|entry| journal.add(entry).unwrap());
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(&path, format!("{}\n{}\n{}\n", lines[0], lines[1], lines[3])).unwrap();
        assert_eq!(entries(&path).1, [row(0)]);
    }

    #[test]
    fn other_settings_and_other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(entries(&path));
        let whole = std::fs::read(&path).unwrap();
        let error = Journal::open(&path, &settings("guided"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("method: \"gradient\", not \"guided\""), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::write(&path, "precious\n").unwrap();
        let error = Journal::open(&path, &settings("gradient"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("no journal"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious\n");
    }

    #[test]
    fn two_runs_do_not_write_one_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (_first, _) = entries(&path);
        let error = Journal::open(&path, &settings("gradient"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("another run"), "{error}");
    }
}
