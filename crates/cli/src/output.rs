//! Results on standard output, and where files go.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use deepinside::vision::whole_file;
use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// Prints one line of results. A reader that went away ends the program quietly.
pub fn line(text: impl std::fmt::Display) {
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
    Ok(whole_file::write(path, |stream| stream.write_all(content))?)
}

/// Prints one object as a line of JSON.
pub fn json(value: &impl Serialize) -> Outcome {
    line(
        serde_json::to_string(value)
            .map_err(|error| Failure::Message(format!("cannot write JSON: {error}")))?,
    );
    Ok(())
}

/// Writes objects, one a line of JSON, as a file that appears whole or not at all.
pub fn json_lines(path: &Path, values: &[impl Serialize]) -> Outcome {
    let lines: std::result::Result<Vec<String>, _> = values.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| Failure::Message(format!("cannot write JSON: {error}")))?;
    whole_file(path, format!("{}\n", lines.join("\n")).as_bytes())
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
