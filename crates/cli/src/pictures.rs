//! Photographs named on the command line, one after the other.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::{output, progress, record};

/// Whether a name may stand for many files.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Expands patterns; what is no pattern, or the name of a file, stays.
pub fn expand(names: &[OsString]) -> Outcome<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for name in names {
        // A name that is no UTF-8 is that of a file, and no pattern.
        let pattern = name.to_str().filter(|text| is_pattern(text) && !Path::new(name).exists());
        let Some(name) = pattern else {
            paths.push(PathBuf::from(name));
            continue;
        };
        let matches =
            glob::glob(name).map_err(|error| Failure::Message(format!("pattern '{name}': {error}")))?;
        let before = paths.len();
        paths.extend(matches.filter_map(Result::ok).filter(|path| path.is_file()));
        if paths.len() == before {
            return Err(Failure::Message(format!("no file matches '{name}'")));
        }
    }
    for path in &paths {
        // One that cannot be read is reported when its turn comes.
        if path.is_file() {
            record::input(path)?;
        }
    }
    Ok(paths)
}

/// What the results of several photographs are called.
pub struct Names(HashMap<PathBuf, String>);

impl Names {
    /// The photographs' own names without ending. Those that share one are told apart by as many folders above them as that
    /// takes, and by their endings where they lie in one folder: `a/cat.jpg` and `b/cat.jpg` become `a-cat` and `b-cat`.
    ///
    /// # Errors
    /// When a photograph is named twice, or nothing tells two apart.
    pub fn of(paths: &[PathBuf]) -> Outcome<Self> {
        let deepest = paths.iter().map(|path| folders(path).len()).max().unwrap_or(0);
        let ways = (0..=deepest).map(|depth| (depth, false)).chain((0..=deepest).map(|depth| (depth, true)));
        let mut names: HashMap<PathBuf, String> = HashMap::new();
        let mut taken = HashSet::new();
        let mut open: Vec<&PathBuf> = paths.iter().collect();
        for (depth, with_ending) in ways {
            let named: Vec<String> = open.iter().map(|path| name(path, depth, with_ending)).collect();
            let mut uses: HashMap<String, usize> = HashMap::new();
            // Names that differ in the case of their letters are one file on some systems.
            named.iter().for_each(|name| *uses.entry(name.to_lowercase()).or_default() += 1);
            let (mut left, all) = (Vec::new(), open);
            for (path, name) in all.into_iter().zip(named) {
                let key = name.to_lowercase();
                if uses.get(&key) == Some(&1) && !taken.contains(&key) {
                    taken.insert(key);
                    names.insert(path.clone(), name);
                } else {
                    left.push(path);
                }
            }
            open = left;
        }
        match open.first() {
            None => Ok(Self(names)),
            Some(path) => Err(Failure::Message(format!(
                "{} is named twice, or nothing in its path tells it from another; run such photographs one by one",
                path.display()
            ))),
        }
    }

    /// The name of one of them.
    pub fn name(&self, path: &Path) -> String {
        self.0.get(path).cloned().unwrap_or_else(|| output::stem(path))
    }
}

/// The names of the folders above a file, the nearest first.
fn folders(path: &Path) -> Vec<String> {
    let folders = path.parent().into_iter().flat_map(Path::components).rev();
    let names = folders.filter_map(|folder| match folder {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::ParentDir => Some("up".to_owned()),
        _ => None,
    });
    names.collect()
}

/// A file's name with so many folders before it, and with its ending behind it where that is wanted.
fn name(path: &Path, depth: usize, with_ending: bool) -> String {
    let mut parts: Vec<String> = folders(path).into_iter().take(depth).collect();
    parts.reverse();
    parts.push(output::stem(path));
    if let Some(ending) = path.extension().filter(|_| with_ending) {
        parts.push(ending.to_string_lossy().into_owned());
    }
    parts.join("-")
}

/// Does the same to each photograph. With several, one that fails is reported and the others go on.
pub fn each(paths: &[PathBuf], mut work: impl FnMut(&Path) -> Outcome) -> Outcome {
    if let [only] = paths {
        let bar = progress::spinner(&only.display().to_string());
        let outcome = work(only);
        bar.finish_and_clear();
        return outcome;
    }
    let bar = progress::bar(paths.len(), "photographs");
    let mut failed = 0;
    for path in paths {
        if let Err(failure) = work(path) {
            progress::beside(|| failure.report());
            failed += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if failed == 0 { Ok(()) } else { Err(Failure::Some { failed, of: paths.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_one_name_are_told_apart_by_folder_and_ending() {
        let named = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            Names::of(&paths).map(|names| paths.iter().map(|path| names.name(path)).collect::<Vec<_>>())
        };
        let cases: [(&[&str], &[&str]); 6] = [
            (&["cat.jpg", "a/dog.png"], &["cat", "dog"]),
            (&["a/cat.jpg", "b/cat.jpg", "b/dog.jpg"], &["a-cat", "b-cat", "dog"]),
            (&["x/1/a/cat.jpg", "x/2/a/cat.jpg"], &["1-a-cat", "2-a-cat"]),
            (&["cat.jpg", "cat.png"], &["cat-jpg", "cat-png"]),
            (&["../cat.jpg", "cat.jpg"], &["up-cat", "cat"]),
            // A name that another file has by itself is not taken from it.
            (&["a/cat.jpg", "b/cat.jpg", "a-cat.jpg"], &["cat-jpg", "b-cat", "a-cat"]),
        ];
        for (paths, expected) in cases {
            assert_eq!(named(paths).unwrap(), expected, "{paths:?}");
        }
        assert!(named(&["a/cat.jpg", "a/cat.jpg"]).is_err());
    }
}
