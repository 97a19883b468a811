//! Photographs named on the command line, one after the other.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// Refuses photographs whose results would be written to the same files.
pub fn expect_distinct_names(paths: &[PathBuf]) -> Outcome {
    let mut names = HashMap::new();
    for path in paths {
        if let Some(other) = names.insert(output::stem(path), path) {
            return Err(Failure::Message(format!(
                "{} and {} would be written to the same files; run them one by one",
                other.display(),
                path.display()
            )));
        }
    }
    Ok(())
}

/// Does the same to each photograph. With several, one that fails is reported and the others go on.
pub fn each(paths: &[PathBuf], mut work: impl FnMut(&Path) -> Outcome) -> Outcome {
    if let [only] = paths {
        return work(only);
    }
    let bar = progress::bar(paths.len(), "photographs");
    let mut failed = 0;
    for path in paths {
        if let Err(failure) = work(path) {
            bar.suspend(|| failure.report());
            failed += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if failed == 0 { Ok(()) } else { Err(Failure::Some { failed, of: paths.len() }) }
}
