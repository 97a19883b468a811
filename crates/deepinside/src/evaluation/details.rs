//! Results kept picture by picture, so that a run that was stopped goes on where it was.
//!
//! The first line of the file holds the settings, each following one a picture. A run with the same settings reads what is there and
//! adds the rest; one with others is refused, so that a file never mixes two.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use deepinside_files::whole_file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a result depends on, as name and value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// In the order in which they are written.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// What the result of one picture is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The picture; empty where there is none.
    pub file: PathBuf,
    /// The true class.
    pub class_index: usize,
    /// A hash of what is known of the picture and of its bytes ([`super::TrueObject::digest`]); empty where there is none.
    #[serde(default)]
    pub digest: String,
}

/// What belongs to a key.
pub trait Keyed {
    /// The key.
    fn key(&self) -> Key;
}

/// Reads a file of results, whatever it was made with; a last line that was not finished counts for nothing.
///
/// # Errors
/// When it cannot be read, or holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(Settings, Vec<T>)> {
    let text = whole_file::read_text(path, LONGEST)?;
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut lines = whole.lines().enumerate();
    let settings = lines.next().and_then(|(_, first)| serde_json::from_str(first).ok());
    let settings = settings.ok_or_else(|| foreign(path))?;
    Ok((settings, lines.map(|(number, line)| result(path, number, line)).collect::<Result<_>>()?))
}

fn foreign(path: &Path) -> Error {
    Error::Option(format!(
        "{}: its first line holds no settings; it is no file of this command",
        path.display()
    ))
}

fn result<T: DeserializeOwned>(path: &Path, number: usize, line: &str) -> Result<T> {
    serde_json::from_str(line)
        .map_err(|error| Error::Option(format!("{}, line {}: {error}", path.display(), number + 1)))
}

/// The longest file of results that is read, in bytes: 200 of a line of a million pictures.
const LONGEST: u64 = 1 << 28;

/// A file of results.
pub struct Details<T> {
    path: PathBuf,
    file: File,
    kept: HashMap<Key, T>,
}

impl<T: Keyed + Serialize + DeserializeOwned> Details<T> {
    /// Opens a file, or makes it. A last line that was not finished is dropped.
    ///
    /// # Errors
    /// When the file holds something else, which is left as it is, or was made with other settings, or cannot be written, or
    /// another run is writing it.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(io)?;
        // Held until the file is closed. Where a file system has no locks, there is none.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Option(format!(
                "{}: another run is writing it; wait for its end, or name another file",
                path.display()
            )));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let foreign = || foreign(path);
        // A last line that was not finished may end within a letter.
        let whole = std::str::from_utf8(&bytes[..end]).map_err(|_| foreign())?;
        // What was stopped within its first line has nothing to go on with.
        if whole.is_empty() && !json(settings)?.as_bytes().starts_with(&bytes) {
            return Err(foreign());
        }
        let mut lines = whole.lines().enumerate();
        let mut kept = HashMap::new();
        if let Some((_, first)) = lines.next() {
            let found: Settings = serde_json::from_str(first).map_err(|_| foreign())?;
            if found != *settings {
                return Err(Error::Option(format!(
                    "{} was made with other settings ({}); name another file, or delete it to start anew",
                    path.display(),
                    differences(&found, settings)
                )));
            }
            for (number, line) in lines {
                let result: T = result(path, number, line)?;
                kept.insert(result.key(), result);
            }
        }
        if whole.len() < bytes.len() {
            file.set_len(whole.len() as u64).map_err(io)?;
        }
        if whole.is_empty() {
            writeln!(file, "{}", json(settings)?).map_err(io)?;
        }
        Ok(Self { path: path.to_owned(), file, kept })
    }

    /// What is known of a picture already.
    pub fn take(&mut self, key: &Key) -> Option<T> {
        self.kept.remove(key)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, result: &T) -> Result<()> {
        let line = json(result)? + "\n";
        self.file.write_all(line.as_bytes()).map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Option(format!("JSON could not be written: {error}")))
}

/// The settings that differ, with both values.
fn differences(found: &Settings, wanted: &Settings) -> String {
    let (found, wanted) = (&found.settings, &wanted.settings);
    let names: Vec<&String> =
        found.keys().chain(wanted.keys().filter(|name| !found.contains_key(*name))).collect();
    let differing = names.into_iter().filter(|name| found.get(*name) != wanted.get(*name));
    let value =
        |value: Option<&serde_json::Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let texts =
        differing.map(|name| format!("{name}: {}, not {}", value(found.get(name)), value(wanted.get(name))));
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Line(Key, f64);

    impl Keyed for Line {
        fn key(&self) -> Key {
            self.0.clone()
        }
    }

    fn key(file: &str, class_index: usize) -> Key {
        Key { file: file.into(), class_index, digest: "1f".to_owned() }
    }

    fn settings(method: &str) -> Settings {
        let entries = [("method".to_owned(), method.into()), ("pictures".to_owned(), 3.into())];
        Settings { settings: entries.into_iter().collect() }
    }

    #[test]
    fn a_stopped_run_goes_on_and_other_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("details.jsonl");
        let lines = [Line(key("a.png", 3), 0.1), Line(key("b.png", 4), 0.2)];
        let mut details = Details::open(&path, &settings("mean")).unwrap();
        lines.iter().for_each(|line| details.add(line).unwrap());
        // Two runs that write one file would mix their lines.
        let Err(error) = Details::<Line>::open(&path, &settings("mean")) else { panic!("two writers") };
        assert!(error.to_string().contains("another run is writing it"), "{error}");
        drop(details);
        // Stopped within a line, and within a letter.
        let text = std::fs::read(&path).unwrap();
        for unfinished in ["[\"c.pn".as_bytes(), &"é".as_bytes()[..1]] {
            std::fs::write(&path, [&text, unfinished].concat()).unwrap();
            let mut details: Details<Line> = Details::open(&path, &settings("mean")).unwrap();
            assert_eq!(details.take(&key("a.png", 3)), Some(lines[0].clone()));
            assert_eq!(details.take(&key("c.png", 3)), None);
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
        let Err(error) = Details::<Line>::open(&path, &settings("energy")) else { panic!("other settings") };
        assert!(error.to_string().contains("method: \"mean\", not \"energy\""), "{error}");
        let mut details: Details<Line> = Details::open(&path, &settings("mean")).unwrap();
        // Another boxes' result is not this picture's.
        let other = Key { digest: "2e".to_owned(), ..key("b.png", 4) };
        assert_eq!(details.take(&other), None);
    }

    #[test]
    fn files_of_something_else_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious.json");
        for text in [
            b"something else\n".as_slice(),
            br#"[{"file": "a.png"}]"#,
            b"no end of a line",
            b"\x89PNG\r\n\xff",
        ] {
            std::fs::write(&path, text).unwrap();
            let Err(error) = Details::<Line>::open(&path, &settings("mean")) else { panic!("{text:?}") };
            assert!(error.to_string().contains("no file of this command"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
        // Stopped within the settings.
        std::fs::write(&path, &json(&settings("mean")).unwrap()[..20]).unwrap();
        Details::<Line>::open(&path, &settings("mean")).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with('\n'));
    }
}
