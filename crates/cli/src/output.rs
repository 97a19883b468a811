//! Results on standard output, and where files go.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use deepinside::drawing::Picture;
use deepinside::drawing::animation::{self, AnimationFormat};
use deepinside::file_name::portable;
use deepinside::files::{Array, npy, whole_file};
use deepinside::printable;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::{progress, record};

/// Prints one line of results. Names in it come from files, so what is not printable is escaped.
/// A reader that went away ends the program quietly.
pub fn line(text: impl std::fmt::Display) {
    print(&printable::one_line(&text.to_string()));
}

fn print(text: &str) {
    if record::printed(text.into()) {
        write_line(text);
    }
}

/// Prints a line that tells how long something took: no result, since it never comes out the same.
pub fn timing(text: impl std::fmt::Display) {
    if record::shows() {
        write_line(&printable::one_line(&text.to_string()));
    }
}

fn write_line(text: &str) {
    progress::beside(|| write_to_standard_output(text));
}

fn write_to_standard_output(text: &str) {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        // A result that did not arrive whole is no success.
        Err(error) => {
            Failure::Message(format!("cannot write to standard output: {error}")).report();
            std::process::exit(1);
        }
    }
}

/// Prints a text that ends its lines itself. What of it may hold line feeds of a file's author was put on one line before.
pub fn text(text: &str) {
    print(&printable::lines(text.trim_end_matches('\n')));
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

/// The files that this process writes, by the names they were given and by where those lead: a command runs once in it.
static CLAIMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Takes a file's name for one result.
///
/// # Errors
/// When another result of the run has it.
pub fn claim(path: &Path) -> Outcome {
    if claimed().insert(record::absolute(path)?) { Ok(()) } else { Err(two_results(path)) }
}

fn claimed() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn two_results(path: &Path) -> Failure {
    Failure::Message(format!("{} is to hold two results; give each a name of its own", path.display()))
}

/// Writes a file and reports it. All files that commands make go through here, so that none is missing in a record, none of the
/// inputs is lost and no two results have one name.
fn written(path: &Path, write: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let place = record::place(path)?;
    if record::is_input(&place)? {
        return Err(Failure::Message(format!(
            "{} was read by this run and would be overwritten; give the result another name",
            path.display()
        )));
    }
    claim(&place)?;
    // Another name of a file that is written already: a link, or other cases of letters where the system tells them not apart.
    let own = record::absolute(&place)?;
    let leads_to = || own.canonicalize().ok().filter(|file| *file != own && file.is_file());
    if leads_to().is_some_and(|file| claimed().contains(&file)) {
        return Err(two_results(path));
    }
    if place != path
        && let Some(folder) = place.parent()
    {
        make_folder_at(folder)?;
    }
    write(&place)?;
    claimed().extend(leads_to());
    record::output(path)
}

/// Puts the content of one file into the place of another, which appears whole or not at all.
pub fn replacement(path: &Path, made: &Path) -> Outcome {
    let (mut made, _) = whole_file::open(made)?;
    Ok(whole_file::write(path, |stream| std::io::copy(&mut made, stream).map(|_| ()))?)
}

/// Prints one object as a line of JSON.
pub fn json(value: &impl Serialize) -> Outcome {
    let failed = |error| Failure::Message(format!("cannot write JSON: {error}"));
    let text = printable::json(&serde_json::to_string(value).map_err(failed)?).into_owned();
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
    /// For that many results, of which files end so; a folder that does not exist is made.
    ///
    /// # Errors
    /// When the name is that of one file and there are several results, or does not end as such files do.
    pub fn new(named: Option<&Path>, results: usize, endings: &[&str]) -> Outcome<Self> {
        let Some(path) = named else { return Ok(Self { named: None, is_folder: false }) };
        let is_there = record::is_folder(path)?;
        let is_folder = results > 1 || is_there || ends_in_separator(path);
        if is_folder {
            let has_ending = endings.iter().any(|ending| has_ending(path, ending)) && !is_there;
            if (has_ending || path.is_file()) && !ends_in_separator(path) {
                return Err(Failure::Message(format!(
                    "{} names one file, and there are {results} results: give a folder",
                    path.display()
                )));
            }
            make_folder(path)?;
        } else {
            expect_ending(path, endings)?;
        }
        Ok(Self { named: Some(path.to_owned()), is_folder })
    }

    /// The file that it is, unless it is a folder or has no name.
    pub fn single_file(&self) -> Option<&Path> {
        self.named.as_deref().filter(|_| !self.is_folder)
    }

    /// The file for a result called `stem`, with an ending such as "-saliency.png".
    pub fn file(&self, stem: &str, ending: &str) -> PathBuf {
        let name = format!("{}{ending}", portable(stem));
        match &self.named {
            Some(folder) if self.is_folder => folder.join(name),
            Some(file) => file.clone(),
            None => PathBuf::from(name),
        }
    }
}

/// Refuses a name that does not end as its kind of file does. A pipe or a device that is there has no ending.
///
/// # Errors
/// When it ends otherwise, or has no ending.
pub fn expect_ending(path: &Path, endings: &[&str]) -> Outcome {
    let is_device = path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if is_device || endings.iter().any(|ending| has_ending(path, ending)) {
        return Ok(());
    }
    let known: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    let advice = match (path.extension(), endings.first()) {
        (None, Some(ending)) => format!("; did you mean {}?", path.with_extension(ending).display()),
        _ => String::new(),
    };
    Err(Failure::Message(format!(
        "{}: the name of what is written there ends in {}{advice}",
        path.display(),
        known.join(" or ")
    )))
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
}

/// Makes a folder and those above it. A run that is made again makes those of its files alone.
pub fn make_folder(folder: &Path) -> Outcome {
    if record::is_replay() { Ok(()) } else { make_folder_at(folder) }
}

/// Looks at where a run's results are to go, before the work that they take. A replay makes its own folders.
///
/// # Errors
/// When a folder does not exist, or two results would have one name.
pub fn expect_places<'a>(files: impl IntoIterator<Item = &'a Path>) -> Outcome {
    if record::is_replay() {
        return Ok(());
    }
    let mut taken = claimed().clone();
    for file in files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Failure::Message(format!(
                "{}: there is no folder {}; make it first",
                file.display(),
                folder.display()
            )));
        }
        if !taken.insert(record::absolute(file)?) {
            return Err(two_results(file));
        }
    }
    Ok(())
}

fn make_folder_at(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder)
        .map_err(|source| Failure::Library(deepinside::Error::Io { path: folder.to_owned(), source }))
}

/// The name of a file without folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "picture".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn ends_in_separator(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR)
}
