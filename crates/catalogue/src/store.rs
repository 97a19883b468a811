//! The folder on this machine where networks are kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use serde::{Deserialize, Serialize};

use crate::checksum::Hashes;
use crate::download::{Progress, agent, fetch};
use crate::{Catalogue, CatalogueError, FileEntry, NetworkEntry, archive};

/// Says where a network that was added by hand lies.
const ADDED: &str = "added.toml";

/// Says how a network's files are used.
const DESCRIPTION: &str = "model.toml";

/// Says that a network is being fetched.
const LOCK: &str = "fetching.lock";

/// The folder where networks are kept.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// How much of a network is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All files, whether they were fetched or put there by hand.
    Present,
    /// Some, or a part of one.
    Partial,
    /// Nothing.
    Absent,
}

/// A network by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It can be opened there.
    At(PathBuf),
    /// The catalogue knows it, but it is not here.
    Absent,
    /// The catalogue knows it, and some of its files are here: what is wrong with the first of the others.
    Partial {
        /// The file.
        path: PathBuf,
        /// That it is missing, or has another size.
        problem: String,
    },
    /// It is unknown.
    Unknown,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The name of a network that was added; the network itself lies there as before.
    Name(PathBuf),
    /// The files of a network of the catalogue.
    Files {
        /// The folder that held them.
        folder: PathBuf,
        /// How much they took, in bytes.
        bytes: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Added {
    path: PathBuf,
}

impl Store {
    /// The folder that `DEEPINSIDE_CACHE` names, or the platform's folder for such files.
    ///
    /// # Errors
    /// When the platform has no such folder and the variable is not set.
    pub fn open() -> Result<Self, CatalogueError> {
        if let Some(folder) = std::env::var_os("DEEPINSIDE_CACHE").filter(|folder| !folder.is_empty()) {
            return Ok(Self::at(folder));
        }
        let folders = choose_native_strategy().map_err(|_| CatalogueError::Format {
            what: "the folder for networks".to_owned(),
            cause: "this machine has no home folder; name one with DEEPINSIDE_CACHE".to_owned(),
        })?;
        Ok(Self::at(folders.cache_dir().join("deepinside").join("models")))
    }

    /// This folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where a network is kept.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How much of a network of the catalogue is here.
    pub fn state(&self, entry: &NetworkEntry) -> State {
        let folder = self.folder_of(&entry.name);
        if self.missing(entry).is_none() {
            State::Present
        } else if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
            State::Partial
        } else {
            State::Absent
        }
    }

    /// The first file of a network that is not here as published, and what is wrong with it; sizes alone are looked at.
    fn missing(&self, entry: &NetworkEntry) -> Option<(PathBuf, String)> {
        let folder = self.folder_of(&entry.name);
        entry.files.iter().flat_map(FileEntry::kept).find_map(|(name, size, _)| {
            let path = folder.join(name);
            let problem = match (std::fs::metadata(&path), size) {
                (Err(_), _) => "it is missing".to_owned(),
                (Ok(found), Some(size)) if found.len() != size => {
                    format!("it has {} bytes instead of {size}", found.len())
                }
                _ => return None,
            };
            Some((path, problem))
        })
    }

    /// Finds a network by its name: one that was added, or one of the catalogue. Where a person put the files of one there, what
    /// `model.toml` says of them is written beside them.
    ///
    /// # Errors
    /// When the note about an added network cannot be read, or a description is missing and cannot be written.
    pub fn find(&self, catalogue: &Catalogue, name: &str) -> Result<Found, CatalogueError> {
        if !is_name(name) {
            return Ok(Found::Unknown);
        }
        if let Some(path) = self.added_path(name)? {
            return Ok(Found::At(path));
        }
        let Some(entry) = catalogue.find(name) else { return Ok(Found::Unknown) };
        let folder = self.folder_of(name);
        match (self.state(entry), self.missing(entry)) {
            (State::Absent, _) => Ok(Found::Absent),
            (_, Some((path, problem))) => Ok(Found::Partial { path, problem }),
            (_, None) => {
                if !folder.join(DESCRIPTION).is_file() {
                    describe(entry, &folder)?;
                }
                Ok(Found::At(folder))
            }
        }
    }

    /// The networks that were added, with the path of each, by name.
    ///
    /// # Errors
    /// When a note cannot be read.
    pub fn added(&self) -> Result<Vec<(String, PathBuf)>, CatalogueError> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        let added = names.into_iter().map(|name| Ok(self.added_path(&name)?.map(|path| (name, path))));
        added.filter_map(Result::transpose).collect()
    }

    fn added_path(&self, name: &str) -> Result<Option<PathBuf>, CatalogueError> {
        let note = self.folder_of(name).join(ADDED);
        if !note.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&note).map_err(|source| io(&note, source))?;
        let added: Added = toml::from_str(&text).map_err(|error| CatalogueError::Format {
            what: note.display().to_string(),
            cause: error.to_string().trim().to_owned(),
        })?;
        Ok(Some(added.path))
    }

    /// Notes where a user's own network lies, so that its name is enough. Nothing is copied.
    ///
    /// # Errors
    /// When the path does not exist, or the name is taken or no name.
    pub fn add(&self, catalogue: &Catalogue, path: &Path, name: &str) -> Result<(), CatalogueError> {
        if !is_name(name) {
            return Err(CatalogueError::Name { name: name.to_owned() });
        }
        if catalogue.find(name).is_some() || self.added_path(name)?.is_some() {
            return Err(CatalogueError::Taken { name: name.to_owned() });
        }
        let path = path.canonicalize().map_err(|source| io(path, source))?;
        let folder = self.folder_of(name);
        std::fs::create_dir_all(&folder).map_err(|source| io(&folder, source))?;
        write(&folder.join(ADDED), &in_toml(&Added { path })?)
    }

    /// Fetches what is missing of a network, checks it, and writes its `model.toml`; returns its folder.
    ///
    /// # Errors
    /// When a file cannot be fetched, or is not what was published. What has arrived of it is kept for the next time.
    pub fn pull(&self, entry: &NetworkEntry, progress: &mut dyn Progress) -> Result<PathBuf, CatalogueError> {
        let folder = self.folder_of(&entry.name);
        std::fs::create_dir_all(&folder).map_err(|source| io(&folder, source))?;
        let _lock = Lock::take(&folder)?;
        let agent = agent();
        for file in &entry.files {
            if file.kept().iter().all(|(name, size, _)| is_here(&folder.join(name), *size)) {
                continue;
            }
            if file.urls.is_empty() {
                let (file, page) = (file.name.clone(), entry.page.clone());
                return Err(CatalogueError::ByHand { file, page, folder });
            }
            let target = folder.join(&file.name);
            fetch(&agent, file, &target, progress)?;
            if !file.members.is_empty() {
                archive::extract(&target, &file.members, &folder)?;
                std::fs::remove_file(&target).map_err(|source| io(&target, source))?;
            }
        }
        describe(entry, &folder)?;
        Ok(folder)
    }

    /// Removes what is kept under a name: the name of a network that was added, whose files stay where they are, or the files of a
    /// network of the catalogue. What else lies in its folder stays.
    ///
    /// # Errors
    /// When nothing is kept under that name, the network is being fetched, or a file cannot be removed.
    pub fn remove(&self, catalogue: &Catalogue, name: &str) -> Result<Removed, CatalogueError> {
        let folder = self.folder_of(name);
        if is_name(name)
            && let Some(path) = self.added_path(name)?
        {
            let note = folder.join(ADDED);
            std::fs::remove_file(&note).map_err(|source| io(&note, source))?;
            let _ = std::fs::remove_dir(&folder);
            return Ok(Removed::Name(path));
        }
        let entry = catalogue.get(name)?;
        if self.state(entry) == State::Absent {
            return Err(CatalogueError::Absent { name: name.to_owned() });
        }
        let lock = folder.join(LOCK);
        if lock.exists() {
            return Err(CatalogueError::Locked { lock });
        }
        let kept = entry.files.iter().flat_map(FileEntry::kept).map(|(name, ..)| name);
        let fetched = entry.files.iter().map(|file| file.name.clone());
        let mut bytes = 0;
        for name in kept.chain(fetched).chain([DESCRIPTION.to_owned()]) {
            for path in [folder.join(format!("{name}.part")), folder.join(name)] {
                let Ok(found) = std::fs::metadata(&path) else { continue };
                std::fs::remove_file(&path).map_err(|source| io(&path, source))?;
                bytes += found.len();
            }
        }
        // A folder with other files in it stays.
        let _ = std::fs::remove_dir(&folder);
        Ok(Removed::Files { folder, bytes })
    }

    /// Reads the files of a network again and compares them with what was published. Returns the files for which no one
    /// published a checksum, with their SHA-256.
    ///
    /// # Errors
    /// When a file is missing, or is not what was published.
    pub fn verify(&self, entry: &NetworkEntry) -> Result<Vec<(String, String)>, CatalogueError> {
        let folder = self.folder_of(&entry.name);
        let mut unknown = Vec::new();
        for (name, size, checksum) in entry.files.iter().flat_map(FileEntry::kept) {
            let path = folder.join(&name);
            let (length, hashes) = Hashes::of_file(&path).map_err(|source| io(&path, source))?;
            if let Some(size) = size.filter(|&size| size != length) {
                let (expected, found) = (format!("{size} bytes"), format!("{length}"));
                return Err(CatalogueError::Damaged { path, what: "size", expected, found });
            }
            if checksum.is_none() {
                unknown.push((name, hashes.sha256()));
            } else if let Some(difference) = hashes.compare(checksum.as_ref()) {
                return Err(CatalogueError::Damaged {
                    path,
                    what: difference.what,
                    expected: difference.expected,
                    found: difference.found,
                });
            }
        }
        Ok(unknown)
    }
}

fn io(path: &Path, source: std::io::Error) -> CatalogueError {
    CatalogueError::Io { path: path.to_owned(), source }
}

/// Whether a name can be that of a folder everywhere, and of no other folder than its own.
fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain)
}

/// Writes what a network's files are, and how they are used.
fn describe(entry: &NetworkEntry, folder: &Path) -> Result<(), CatalogueError> {
    let source = format!("# From {}\n# Licence: {}\n", entry.page, entry.licence);
    write(&folder.join(DESCRIPTION), &(source + &in_toml(&entry.model)?))
}

/// Whether there is a file of that size, where the size is known.
fn is_here(path: &Path, size: Option<u64>) -> bool {
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|metadata| size.is_none_or(|size| metadata.len() == size))
}

fn in_toml(value: &impl Serialize) -> Result<String, CatalogueError> {
    toml::to_string(value)
        .map_err(|error| CatalogueError::Format { what: "model.toml".to_owned(), cause: error.to_string() })
}

/// Writes a small file beside its place and moves it there.
fn write(path: &Path, text: &str) -> Result<(), CatalogueError> {
    let part = path.with_extension("part");
    std::fs::write(&part, text).map_err(|source| io(&part, source))?;
    std::fs::rename(&part, path).map_err(|source| io(path, source))
}

/// A file that says that a network is being fetched; deleted when that ends.
struct Lock {
    path: PathBuf,
}

impl Lock {
    fn take(folder: &Path) -> Result<Self, CatalogueError> {
        let path = folder.join(LOCK);
        match File::create_new(&path) {
            Ok(_) => Ok(Self { path }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(CatalogueError::Locked { lock: path })
            }
            Err(source) => Err(CatalogueError::Io { path, source }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
