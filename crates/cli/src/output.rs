//! Results on standard output, and where files go.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use deepinside::vision::animation::{self, AnimationFormat};
use deepinside::vision::{Array, Picture, npy, whole_file};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::record;

/// Prints one line of results. A reader that went away ends the program quietly.
pub fn line(text: impl std::fmt::Display) {
    let text = text.to_string();
    if record::printed(text.as_str().into()) {
        write_line(&text);
    }
}

/// Prints a line that tells how long something took: no result, since it never comes out the same.
pub fn timing(text: impl std::fmt::Display) {
    if record::shows() {
        write_line(&text.to_string());
    }
}

fn write_line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a text that ends its lines itself.
pub fn text(text: &str) {
    line(text.trim_end_matches('\n'));
}

/// Writes a file that appears whole or not at all.
pub fn whole_file(path: &Path, content: &[u8]) -> Outcome {
    written(path, |path| Ok(whole_file::write(path, |stream| stream.write_all(content))?))
}

/// Writes a picture as PNG.
pub fn png(path: &Path, picture: &Picture) -> Outcome {
    written(path, |path| Ok(picture.write_png(path)?))
}

/// Writes an array as .npy.
pub fn array(path: &Path, array: &Array) -> Outcome {
    written(path, |path| Ok(npy::write(path, array)?))
}

/// Writes pictures as an animation, each shown for so many milliseconds.
pub fn animation(path: &Path, format: AnimationFormat, frames: &[Picture], duration: u32) -> Outcome {
    written(path, |path| Ok(animation::write(path, format, frames, duration)?))
}

/// Writes a file and reports it. All files that commands make go through here, so that none is missing in a record.
fn written(path: &Path, write: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let place = record::place(path)?;
    if place != path
        && let Some(folder) = place.parent()
    {
        make_folder_at(folder)?;
    }
    write(&place)?;
    record::output(path)
}

/// Prints one object as a line of JSON.
pub fn json(value: &impl Serialize) -> Outcome {
    let failed = |error| Failure::Message(format!("cannot write JSON: {error}"));
    let text = serde_json::to_string(value).map_err(failed)?;
    if record::printed(serde_json::from_str(&text).map_err(failed)?) {
        write_line(&text);
    }
    Ok(())
}

/// Where the file of each of several results goes: the named file for a single one, else a folder of files that are
/// called after their source. Without a name files go to the current folder.
pub struct Destination {
    named: Option<PathBuf>,
    is_folder: bool,
}

impl Destination {
    /// For that many results; a folder that does not exist is made.
    pub fn new(named: Option<&Path>, results: usize) -> Outcome<Self> {
        let is_folder = named.is_some_and(|path| results > 1 || path.is_dir() || ends_in_separator(path));
        if let Some(folder) = named.filter(|_| is_folder) {
            make_folder(folder)?;
        }
        Ok(Self { named: named.map(Path::to_owned), is_folder })
    }

    /// The file for a result called `stem`, with an ending such as "-saliency.png".
    pub fn file(&self, stem: &str, ending: &str) -> PathBuf {
        let name = format!("{}{ending}", file_name(stem));
        match &self.named {
            Some(folder) if self.is_folder => folder.join(name),
            Some(file) => file.clone(),
            None => PathBuf::from(name),
        }
    }
}

/// Makes a folder and those above it.
pub fn make_folder(folder: &Path) -> Outcome {
    make_folder_at(&record::place(folder)?)
}

fn make_folder_at(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder)
        .map_err(|source| Failure::Library(deepinside::Error::Io { path: folder.to_owned(), source }))
}

/// A name as part of a file name: `/` becomes `__`.
pub fn file_name(name: &str) -> String {
    name.replace('/', "__")
}

/// The name of a file without folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "picture".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn ends_in_separator(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR)
}
