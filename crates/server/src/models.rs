//! The models that the page offers. Each is opened when it is first asked for.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use deepinside::{Interrupt, Model, Settings};

use crate::lock;
use crate::options::{ModelSource, Origin};
use crate::problem::{Answer, Problem};
use crate::trial::Trial;

/// The most models that are offered, uploaded ones included.
pub const MOST: usize = 200;

/// The models, the default one first.
pub struct Models {
    entries: RwLock<Vec<Arc<Entry>>>,
    /// How much memory uploaded models may take together, in bytes.
    most_bytes: usize,
    /// In which process uploaded models are opened first, and for how long at most.
    trial: Option<(Trial, Duration)>,
    /// The names that uploaded models had: what is kept for one must not be taken for another's.
    former: Mutex<HashSet<String>>,
}

/// How much memory the arrays of one run of an uploaded model may take, in bytes.
pub const UPLOADED_ARRAYS: usize = 1 << 30;

/// One model.
pub struct Entry {
    /// Where it comes from, and what requests call it.
    pub source: ModelSource,
    opened: Mutex<Option<Result<Arc<Model>, String>>>,
    /// About how much memory an uploaded one takes, its file and its prepared weights; 0 for others.
    bytes: usize,
}

impl Entry {
    /// Opens the model unless it is open; may take seconds.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, interrupt: &Interrupt) -> Answer<Arc<Model>> {
        let mut opened = lock(&self.opened);
        let result = match &*opened {
            Some(result) => result.clone(),
            None => {
                let model = match &self.source.origin {
                    Origin::BuiltIn => built_in(),
                    Origin::Path(path) => Model::open_until(path, Settings::default(), interrupt),
                    // They were opened when they came, and stay open.
                    Origin::Uploaded | Origin::Open(_) => {
                        Err(deepinside::Error::Model("it has to be uploaded again".to_owned()))
                    }
                };
                // The next request may have more time.
                if let Err(error @ deepinside::Error::Interrupted) = model {
                    return Err(error.into());
                }
                opened.insert(model.map(Arc::new).map_err(|error| error.to_string())).clone()
            }
        };
        result.map_err(|cause| {
            Problem::not_found(format!("the model '{}' cannot be opened: {cause}", self.source.id))
        })
    }

    /// The model if it is open, or why it could not be opened; none where that was not tried.
    pub fn state(&self) -> Option<Result<Arc<Model>, String>> {
        self.opened.try_lock().ok().and_then(|opened| opened.clone())
    }
}

#[cfg(feature = "builtin-model")]
fn built_in() -> deepinside::Result<Model> {
    Model::built_in(Settings::default())
}

#[cfg(not(feature = "builtin-model"))]
fn built_in() -> deepinside::Result<Model> {
    Err(deepinside::Error::Model("this program was built without its network".to_owned()))
}

impl Models {
    /// These models.
    pub fn new(sources: Vec<ModelSource>, most_bytes: usize, trial: Option<(Trial, Duration)>) -> Self {
        let entry = |source: ModelSource| {
            let opened = match &source.origin {
                Origin::Open(model) => Some(Ok(Arc::clone(model))),
                Origin::BuiltIn | Origin::Path(_) | Origin::Uploaded => None,
            };
            Arc::new(Entry { source, opened: Mutex::new(opened), bytes: 0 })
        };
        let entries = RwLock::new(sources.into_iter().map(entry).collect());
        Self { entries, most_bytes, trial, former: Mutex::default() }
    }

    /// All of them, the default one first.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model of that name, or the default one.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: Option<&str>) -> Answer<Arc<Entry>> {
        let entries = self.all();
        let found = match id {
            None => entries.first(),
            Some(id) => entries.iter().find(|entry| entry.source.id == id),
        };
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = entries.iter().map(|entry| entry.source.id.as_str()).collect();
            let asked = id.unwrap_or_default();
            Problem::not_found(format!("there is no model '{asked}'; there are {}", known.join(", ")))
        })
    }

    /// Adds an uploaded model under a name that is free.
    ///
    /// # Errors
    /// When it is no network that can be used, or there are too many, or they would take too much memory.
    pub fn add(&self, name: &str, onnx: Bytes, interrupt: &Interrupt) -> Answer<Arc<Entry>> {
        let name = id_of(Path::new(name));
        let file = onnx.len();
        // What the file alone takes is known before it is opened.
        self.expect_room(file)?;
        if let Some((trial, time)) = &self.trial {
            trial.run(&onnx, self.most_bytes, *time, interrupt)?;
        }
        let mut model = match Model::from_onnx_until(onnx, &name, Settings::default(), interrupt) {
            Err(error @ deepinside::Error::Interrupted) => return Err(error.into()),
            model => model.map_err(|error| Problem::unfit(error.to_string()))?,
        };
        model.memory_bound = UPLOADED_ARRAYS;
        let bytes = file.saturating_add(prepared_bytes(&model));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            return Err(Problem::conflict(format!("there are {MOST} models already")));
        }
        self.expect_room_among(&entries, bytes)?;
        let mut former = lock(&self.former);
        let id =
            free_id(&name, |id| former.contains(id) || entries.iter().any(|entry| entry.source.id == id));
        former.insert(id.clone());
        let flag = Some(format!("{name}.onnx"));
        let source = ModelSource { id, origin: Origin::Uploaded, flag, exemplars: None, mistakes: None };
        let entry = Arc::new(Entry { source, opened: Mutex::new(Some(Ok(Arc::new(model)))), bytes });
        entries.push(Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets an uploaded model.
    ///
    /// # Errors
    /// When there is none of that name, or it was not uploaded.
    pub fn remove(&self, id: &str) -> Answer<()> {
        let entry = self.get(Some(id))?;
        if !matches!(entry.source.origin, Origin::Uploaded) {
            return Err(Problem::conflict(format!("the model '{id}' was not uploaded, so it stays")));
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|other| !Arc::ptr_eq(other, &entry));
        Ok(())
    }

    fn expect_room(&self, bytes: usize) -> Answer<()> {
        self.expect_room_among(&self.all(), bytes)
    }

    fn expect_room_among(&self, entries: &[Arc<Entry>], bytes: usize) -> Answer<()> {
        let taken: usize = entries.iter().map(|entry| entry.bytes).sum();
        if taken.saturating_add(bytes) <= self.most_bytes {
            return Ok(());
        }
        let megabytes = |bytes: usize| bytes.div_ceil(1 << 20);
        Err(Problem::too_large(format!(
            "the model takes {} MB of memory, and uploaded ones have {} of {} MB already; remove one first \
             (DELETE /api/v1/models/ID), or use a smaller one",
            megabytes(bytes),
            megabytes(taken),
            megabytes(self.most_bytes)
        )))
    }
}

/// About how much memory the weights of a model take once they are prepared for both directions, in bytes.
pub fn prepared_bytes(model: &Model) -> usize {
    model.graph.parameters().saturating_mul(2 * size_of::<f32>())
}

/// What a model is called in requests, after its file: small letters, digits, points and dashes.
pub fn id_of(path: &Path) -> String {
    // A name such as squeezenet-1.1 has no ending.
    let is_network = path
        .extension()
        .is_some_and(|ending| ["onnx", "prototxt", "toml"].iter().any(|known| ending == *known));
    let stem = if is_network { path.file_stem() } else { path.file_name() };
    let stem = stem.map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    let id: String = stem.chars().map(plain).take(64).collect();
    let id = id.trim_matches(['-', '.']);
    if id.is_empty() { "model".to_owned() } else { id.to_owned() }
}

/// The name itself, or with a number behind it where it is taken.
pub fn free_id(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let name = id_of(Path::new(name));
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|id| !taken(id)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_called_after_their_files() {
        assert_eq!(id_of(Path::new("/a b/My Net_v1.1.onnx")), "my-net-v1.1");
        assert_eq!(id_of(Path::new("..")), "model");
        assert_eq!(id_of(Path::new("squeezenet-1.1")), "squeezenet-1.1");
        assert_eq!(free_id("net", |id| id == "net" || id == "net-2"), "net-3");
        assert_eq!(free_id("squeezenet-1.1", |_| false), "squeezenet-1.1");
    }
}
