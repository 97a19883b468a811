//! Where the outputs of a run that is made again go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use deepinside::Result;
use deepinside::file_name::portable;

use super::{HashedFile, Record, RecordError};

/// A place in one folder for every recorded output, and for nothing else.
///
/// Outputs keep their places relative to each other. Their names are made portable ([`portable`]), so that none is hidden, leads
/// out of the folder or stands for something else; those that then are one, also where upper and lower case are, get numbers.
#[derive(Debug, Clone)]
pub struct Places {
    by_output: BTreeMap<PathBuf, PathBuf>,
}

impl Places {
    /// Places in a folder, which is expected to be empty.
    ///
    pub fn new(record: &Record, folder: &Path) -> Self {
        let common = record.common_folder();
        let (mut by_output, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for HashedFile { path, .. } in &record.outputs {
            let inside = path.strip_prefix(&common).unwrap_or(path);
            let mut place = PathBuf::new();
            place.extend(inside.components().map(|name| portable(&name.as_os_str().to_string_lossy())));
            let place = free(&place, |place| taken.insert(place.to_string_lossy().to_lowercase()));
            by_output.insert(path.clone(), folder.join(place));
        }
        Self { by_output }
    }

    /// The place of an output; the path is absolute and folded.
    ///
    /// # Errors
    /// [`RecordError::UnlistedOutput`] where the record does not list it.
    pub fn of(&self, output: &Path) -> Result<&Path> {
        let place = self.by_output.get(output);
        Ok(place.ok_or_else(|| RecordError::UnlistedOutput(output.to_owned()))?)
    }

    /// Whether outputs lie in this folder, which is absolute and folded.
    pub fn is_folder(&self, path: &Path) -> bool {
        let mut following = self.by_output.range(path.to_owned()..).map(|(output, _)| output);
        following.next().is_some_and(|next| next.starts_with(path) && next != path)
    }
}

/// The place, or the first with a number behind its stem that can be taken.
fn free(place: &Path, mut take: impl FnMut(&Path) -> bool) -> PathBuf {
    let mut free = place.to_owned();
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(place.file_stem()), part(place.extension()));
    for number in 2.. {
        if take(&free) {
            break;
        }
        free.set_file_name(format!("{stem}-{number}.{ending}"));
    }
    free
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[test]
    fn outputs_keep_their_places_relative_to_each_other() {
        let record = record(&[], &["/a/b/c/x.png", "/a/b/y.npy", "/a/b/c/d/z.png"]);
        let places = Places::new(&record, Path::new("/new"));
        assert_eq!(places.of(Path::new("/a/b/c/x.png")).unwrap(), Path::new("/new/c/x.png"));
        assert_eq!(places.of(Path::new("/a/b/y.npy")).unwrap(), Path::new("/new/y.npy"));
        for other in ["/a/b", "/a/b/w.npy", "/a/b/c/x.png/x", "/etc/passwd"] {
            assert!(places.of(Path::new(other)).unwrap_err().to_string().contains(other), "{other}");
        }
        let is_folder = |path| places.is_folder(Path::new(path));
        assert!(
            is_folder("/a/b") && is_folder("/a/b/c/d") && !is_folder("/a/b/y.npy") && !is_folder("/a/b/e")
        );
    }

    #[test]
    fn no_place_is_hidden_or_leads_elsewhere() {
        let record = record(&[], &["/a/.git/config.png", "/a/x/\u{1b}[2J\n.png", "/a/con\u{202e}gnp.png"]);
        let places = Places::new(&record, Path::new("/new"));
        assert_eq!(places.of(Path::new("/a/.git/config.png")).unwrap(), Path::new("/new/_git/config.png"));
        assert_eq!(places.of(Path::new("/a/x/\u{1b}[2J\n.png")).unwrap(), Path::new("/new/x/_[2J_.png"));
    }

    #[test]
    fn names_that_differ_in_case_alone_get_numbers() {
        let record = record(&[], &["/a/X.png", "/a/x.png", "/a/.y.png", "/a/_y.png"]);
        let places = Places::new(&record, Path::new("/new"));
        let names = ["X.png", "x.png", ".y.png", "_y.png"].map(|name| Path::new("/a").join(name));
        let places: BTreeSet<String> =
            names.iter().map(|name| places.of(name).unwrap().to_string_lossy().to_lowercase()).collect();
        assert_eq!(places.len(), 4, "{places:?}");
    }
}
