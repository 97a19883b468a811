//! Which files a record may touch: those that it lists.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use deepinside::Result;

use super::{HashedFile, Record, RecordError, lexical};

/// How results end. No shell, editor or desktop runs a file because it ends so.
const ENDINGS: [&str; 16] = [
    "apng", "csv", "dot", "gif", "gv", "htm", "html", "json", "markdown", "md", "npy", "png", "svg", "txt",
    "webp", "xml",
];

/// What a value of an option says of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nothing: a number, a name, a choice.
    None,
    /// A file is read there, or files in a folder of this name.
    Reads(PathBuf),
    /// A file is written there, or files in a folder of this name.
    Writes(PathBuf),
    /// It is not known.
    Unknown,
}

/// One value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The option, as the record calls it.
    pub option: String,
    /// What its value says of files; paths as the option has them.
    pub access: Access,
}

impl Record {
    /// Expects options to read and write nothing but what the record lists: a file itself, or a folder in which listed files lie.
    ///
    /// # Errors
    /// [`RecordError::Reads`], [`RecordError::Writes`] or [`RecordError::Unknown`].
    pub fn expect_confined(&self, mentions: &[Mention]) -> Result<()> {
        let paths = |files: &[HashedFile]| -> BTreeSet<PathBuf> {
            files.iter().map(|file| file.path.clone()).collect()
        };
        let (inputs, outputs) = (paths(&self.inputs), paths(&self.outputs));
        for Mention { option, access } in mentions {
            let option = option.clone();
            match access {
                Access::None => {}
                Access::Unknown => return Err(RecordError::Unknown { option }.into()),
                Access::Reads(path) if lists(&inputs, &lexical(&self.folder, path)) => {}
                Access::Writes(path) if lists(&outputs, &lexical(&self.folder, path)) => {}
                Access::Reads(path) => return Err(RecordError::Reads { option, path: path.clone() }.into()),
                Access::Writes(path) => return Err(RecordError::Writes { option, path: path.clone() }.into()),
            }
        }
        Ok(())
    }

    /// Expects listed paths to start at the root and to be folded, outputs to end as results do and to be no inputs, and no output to
    /// be named twice.
    pub(super) fn expect_plain_paths(&self) -> Result<()> {
        let refused = |path: &Path, cause| Err(RecordError::Path { path: path.to_owned(), cause }.into());
        if !is_plain(&self.folder) {
            return refused(&self.folder, "is no absolute path of a folder");
        }
        let inputs: BTreeSet<&PathBuf> = self.inputs.iter().map(|file| &file.path).collect();
        let mut outputs = BTreeSet::new();
        for path in self.inputs.iter().chain(&self.outputs).map(|file| &file.path) {
            if !is_plain(path) || path.file_name().is_none() {
                return refused(path, "is no absolute path of a file");
            }
        }
        for HashedFile { path, .. } in &self.outputs {
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            if !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                return refused(path, "is an output and does not end as results do");
            }
            if inputs.contains(path) {
                return refused(path, "is an input and an output");
            }
            if !outputs.insert(path) {
                return refused(path, "is an output twice");
            }
        }
        // Sorted by components, what lies in a folder follows it.
        let is_folder = |(folder, inside): &(&&PathBuf, &&PathBuf)| inside.starts_with(folder);
        if let Some((file, _)) = outputs.iter().zip(outputs.iter().skip(1)).find(is_folder) {
            return refused(file, "is an output and a folder of outputs");
        }
        Ok(())
    }
}

/// Whether a path is one of a set, or a folder in which one of them lies.
fn lists(paths: &BTreeSet<PathBuf>, path: &Path) -> bool {
    paths.range(path.to_owned()..).next().is_some_and(|next| next.starts_with(path))
}

/// Whether a path starts at the root and has no `.` and no `..`.
fn is_plain(path: &Path) -> bool {
    let is_folded = path.components().all(|component| {
        matches!(component, Component::Prefix(_) | Component::RootDir | Component::Normal(_))
    });
    path.is_absolute() && is_folded
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn refusal(record: &Record, access: Access) -> Option<String> {
        let mention = Mention { option: "x".to_owned(), access };
        record.expect_confined(&[mention]).err().map(|error| error.to_string())
    }

    #[test]
    fn only_listed_files_and_their_folders_are_touched() {
        let record = record(&["/start/in/a.png", "/models/net.onnx"], &["/start/out/b.png", "/start/t.csv"]);
        let allowed_reads = ["in/a.png", "in", "/models", "../models/net.onnx", "./in/../in/a.png"];
        let refused_reads =
            ["in/b.png", "i", "/start/t.csv", "/etc/passwd", "in/a.png/x", "~/.ssh/id_rsa", "out"];
        let allowed_writes = ["out", "out/", "out/b.png", "t.csv"];
        let refused_writes =
            ["t.csv2", "t", "ou", "out/c.png", "in/a.png", "/home/.bashrc", "../start2/t.csv", "out/../../x"];
        for path in allowed_reads {
            assert_eq!(refusal(&record, Access::Reads(path.into())), None, "{path}");
        }
        for path in allowed_writes {
            assert_eq!(refusal(&record, Access::Writes(path.into())), None, "{path}");
        }
        for path in refused_reads {
            let message = refusal(&record, Access::Reads(path.into())).unwrap();
            assert!(message.contains(path) && message.contains("inputs"), "{message}");
        }
        for path in refused_writes {
            let message = refusal(&record, Access::Writes(path.into())).unwrap();
            assert!(message.contains(path) && message.contains("outputs"), "{message}");
        }
        assert_eq!(refusal(&record, Access::None), None);
        assert!(refusal(&record, Access::Unknown).unwrap().contains("not known"));
    }

    #[test]
    fn paths_are_as_a_run_writes_them() {
        let cases: [(&[&str], &[&str], &str); 8] = [
            (&[], &["/home/.bashrc"], "does not end as results do"),
            (&[], &["/home/run.sh"], "does not end as results do"),
            (&["a.png"], &[], "no absolute path"),
            (&[], &["/start/../etc/b.png"], "no absolute path"),
            (&[], &["/"], "no absolute path"),
            (&["/a.png"], &["/a.png"], "an input and an output"),
            (&[], &["/a.png", "/a.png"], "an output twice"),
            (&[], &["/a/b.png", "/a-c.png", "/a/b.png/c.png"], "a folder of outputs"),
        ];
        for (inputs, outputs, cause) in cases {
            let message = record(inputs, outputs).expect_plain_paths().unwrap_err().to_string();
            assert!(message.contains(cause), "{message}");
        }
        record(&["/a.png"], &["/a.NPY", "/a-b.png", "/b/c.png"]).expect_plain_paths().unwrap();
        let moved = Record { folder: "start".into(), ..record(&[], &[]) };
        assert!(moved.expect_plain_paths().is_err());
    }
}
