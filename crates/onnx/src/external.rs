//! Data outside of the model file: large models keep their weights in files beside it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mapped_file::MappedFile;

use crate::OnnxError;
use crate::proto::Tensor;

/// The files beside the model, mapped when they are first asked for.
#[derive(Debug, Default)]
pub(crate) struct ExternalData {
    /// The folder of the model; none where the model does not come from a file.
    folder: Option<PathBuf>,
    /// The folder of the model itself, where its path is a link: caches such as Hugging Face's keep all files of a network in one folder,
    /// and link them from another.
    linked: Option<PathBuf>,
    files: RefCell<HashMap<String, Arc<MappedFile>>>,
    /// The bytes of all of them that are stored.
    size: Cell<u64>,
}

impl ExternalData {
    /// Files in the folder of this model.
    pub fn beside(model: &Path) -> Self {
        let linked = model.is_symlink().then(|| model.canonicalize().ok()).flatten();
        let linked = linked.and_then(|own| own.parent().map(Path::to_owned));
        Self { folder: model.parent().map(Path::to_owned), linked, ..Self::default() }
    }

    /// The data of a tensor: `expected` bytes, and the file in which they lie.
    ///
    /// # Errors
    /// When the file is outside of the model's folder, cannot be read, or is too short.
    pub fn find(&self, tensor: &Tensor, expected: usize) -> Result<(Bytes, Arc<MappedFile>), OnnxError> {
        let entry = |key: &str| {
            tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
        };
        let location = entry("location").unwrap_or_default();
        let failed = |what: String| OnnxError::ExternalData {
            tensor: tensor.name.clone(),
            location: location.to_owned(),
            what,
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .trim()
                .parse::<usize>()
                .map(Some)
                .map_err(|_| failed(format!("but the {key} '{text}' is no number of bytes"))),
        };
        let file = self.open(location).map_err(failed)?;
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(expected);
        if length != expected {
            return Err(failed(format!(
                "where the tensor's shape needs {expected} bytes, but {length} are named"
            )));
        }
        let end = offset.checked_add(length).filter(|&end| end <= file.len()).ok_or_else(|| {
            if file.bytes().starts_with(b"version https://git-lfs") {
                return failed(
                    "which is a Git LFS pointer and not the data themselves; fetch them with `git lfs pull`"
                        .to_owned(),
                );
            }
            failed(format!("which has only {} bytes; {length} are needed from byte {offset} on", file.len()))
        })?;
        Ok((file.bytes().slice(offset..end), file))
    }

    /// The bytes that the files read so far take where they are stored.
    pub(crate) fn size(&self) -> u64 {
        self.size.get()
    }

    /// Checks that the files are as they were when they were opened.
    ///
    /// # Errors
    /// When one was changed since.
    pub(crate) fn check_unchanged(&self) -> std::io::Result<()> {
        self.files.borrow().values().try_for_each(|file| file.check_unchanged())
    }

    /// The files beside the model that have been read so far, by name.
    pub(crate) fn read_files(&self) -> Vec<PathBuf> {
        let folder = self.folder.clone().unwrap_or_default();
        let mut files: Vec<PathBuf> =
            self.files.borrow().keys().map(|location| folder.join(location)).collect();
        files.sort();
        files
    }

    fn open(&self, location: &str) -> Result<Arc<MappedFile>, String> {
        let Some(folder) = &self.folder else {
            return Err("but this model does not come from a file".to_owned());
        };
        let path = Path::new(location);
        // No folder is left, whatever the file says: neither upwards nor by an absolute path.
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || !inside {
            return Err("which is no path inside the model's own folder".to_owned());
        }
        if let Some(file) = self.files.borrow().get(location) {
            return Ok(Arc::clone(file));
        }
        let path = folder.join(path);
        let cannot = |cause: std::io::Error| format!("which cannot be read: {cause}");
        // A link may still lead out of the folder.
        let (real, home) = (path.canonicalize().map_err(cannot)?, canonical(folder).map_err(cannot)?);
        let lies_beside = self.linked.is_some() && real.parent() == self.linked.as_deref();
        if !real.starts_with(home) && !lies_beside {
            return Err("which leads out of the model's own folder".to_owned());
        }
        let file = MappedFile::open(real).map_err(cannot)?;
        self.size.set(self.size.get() + file.stored());
        self.files.borrow_mut().insert(location.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

fn canonical(folder: &Path) -> std::io::Result<PathBuf> {
    if folder.as_os_str().is_empty() { Path::new(".").canonicalize() } else { folder.canonicalize() }
}
