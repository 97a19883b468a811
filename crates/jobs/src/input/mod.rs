//! What a job looks at: an ordered list of photographs, each with a key.
//!
//! The list is made before the first photograph is read, so that a job that goes on, or a shard of it on another machine, has the same
//! one. Names within shards and Parquet files are keys and nothing else: no file is opened or written by them.

mod folder;
mod list;
#[cfg(feature = "parquet")]
mod parquet;
mod read;
mod shard;
#[cfg(feature = "parquet")]
mod thrift;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deepinside::{Error, Result};
use sha2::{Digest as _, Sha256};

pub use self::folder::ENDINGS;
pub use self::read::Reader;
use crate::durable::hexadecimal;

/// The largest file of one photograph that is read, in bytes.
pub const LARGEST_FILE: u64 = 256 << 20;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 4096;

/// The most photographs of a job. A key and its place take some two hundred bytes of memory.
pub const MOST_ITEMS: usize = 100_000_000;

/// One photograph.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What names it in the results.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// What its list says that it shows.
    pub target: Option<String>,
}

impl Item {
    /// The file in which it is, alone or with others; none where it is nowhere.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Key => Some(Path::new(&self.key)),
            Place::File(path) => Some(path),
            Place::Member { archive: file, .. } | Place::Cell { file, .. } => Some(file),
            Place::Refused(_) => None,
        }
    }
}

/// Where a photograph is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// In a file whose path is the key.
    Key,
    /// In a file whose path cannot be written as text.
    File(PathBuf),
    /// In a shard: its first byte and their number.
    Member {
        /// The shard.
        archive: Arc<PathBuf>,
        /// The first byte.
        offset: u64,
        /// How many there are.
        length: u64,
    },
    /// In a row of a Parquet file.
    Cell {
        /// The file.
        file: Arc<PathBuf>,
        /// The column with its bytes.
        column: Arc<str>,
        /// The row, counted from 0.
        row: u64,
    },
    /// Nowhere, and why.
    Refused(String),
}

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct InputOptions {
    /// The column of a table that has the photographs: their paths, or in a Parquet file their bytes. By default `path`, `file`,
    /// `filename`, `image` or `image.bytes`, whichever there is, else the first.
    pub column: Option<String>,
    /// The column, or the ending of a shard's members, that says what a photograph shows.
    pub target_column: Option<String>,
    /// The folder that relative paths of lists start at; without it, the current one.
    pub root: Option<PathBuf>,
}

/// Which of the photographs are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// At most so many.
    pub limit: Option<usize>,
    /// Chosen by the keys and this seed, and not the first ones.
    pub sample: Option<u64>,
}

/// All photographs of a job, in their order.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The photographs.
    pub items: Vec<Item>,
}

impl Inputs {
    /// Finds the photographs that names stand for: folders, patterns, lists (`.txt`, `.csv`, `.tsv`), WebDataset shards (`.tar`),
    /// Parquet files, photographs, and `-` for a list of paths from `standard_input`.
    ///
    /// # Errors
    /// When an input cannot be read, or there is no photograph.
    pub fn gather(
        names: &[OsString],
        options: &InputOptions,
        selection: Selection,
        standard_input: &mut dyn BufRead,
    ) -> Result<Self> {
        let mut items = Vec::new();
        for name in names {
            if name == "-" {
                list::lines(standard_input, "standard input", options, &mut items)?;
                continue;
            }
            for path in expanded(name)? {
                add(&path, options, &mut items)?;
            }
        }
        if items.is_empty() {
            return Err(Error::Option("the inputs hold no photograph".to_owned()));
        }
        refuse(&mut items);
        Ok(Self { items: selected(items, selection) })
    }

    /// What tells this list from others: a hash of all keys and targets in their order.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for item in &self.items {
            for text in [&item.key, item.target.as_deref().unwrap_or("")] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        hexadecimal(&hash.finalize())
    }
}

/// The files and folders that a pattern stands for; what is no pattern, or the name of a file, stays.
fn expanded(name: &OsString) -> Result<Vec<PathBuf>> {
    let Some(pattern) =
        name.to_str().filter(|text| text.contains(['*', '?', '[']) && !Path::new(text).exists())
    else {
        return Ok(vec![PathBuf::from(name)]);
    };
    let failed = |error: glob::PatternError| Error::Option(format!("pattern '{pattern}': {error}"));
    let found: Vec<PathBuf> =
        glob::glob(pattern).map_err(failed)?.filter_map(std::result::Result::ok).collect();
    match found.is_empty() {
        true => Err(Error::Option(format!("no file matches '{pattern}'"))),
        false => Ok(found),
    }
}

fn add(path: &Path, options: &InputOptions, items: &mut Vec<Item>) -> Result<()> {
    if path.is_dir() {
        return folder::add(path, items);
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "txt" | "lst" | "list" => list::text(path, options, items),
        "csv" => list::table(path, b',', options, items),
        "tsv" => list::table(path, b'\t', options, items),
        "tar" => shard::add(path, options, items),
        "tgz" | "gz" | "xz" | "zst" => Err(Error::Option(format!(
            "{}: compressed shards are not read, for their photographs are compressed already; unpack it with gunzip, xz -d or zstd -d",
            path.display()
        ))),
        #[cfg(feature = "parquet")]
        "parquet" => parquet::add(path, options, items),
        #[cfg(not(feature = "parquet"))]
        "parquet" => Err(crate::output::no_parquet()),
        _ => {
            items.push(of_path(path, None));
            Ok(())
        }
    }
}

/// The photograph of a file.
fn of_path(path: &Path, target: Option<String>) -> Item {
    let place = if path.to_str().is_some() { Place::Key } else { Place::File(path.to_owned()) };
    Item { key: path.to_string_lossy().into_owned(), place, target }
}

/// Expects a list of photographs not to outgrow memory.
fn expect_room(items: &[Item], origin: &str) -> Result<()> {
    if items.len() >= MOST_ITEMS {
        return Err(Error::Option(format!(
            "{origin}: a job looks at {MOST_ITEMS} photographs at most; make several of it"
        )));
    }
    Ok(())
}

/// Refuses keys that are too long, and those that another photograph has: results are found by their keys.
fn refuse(items: &mut [Item]) {
    let mut first: HashMap<[u8; 16], usize> = HashMap::with_capacity(items.len());
    for (row, item) in items.iter_mut().enumerate() {
        if item.key.len() > LONGEST_KEY {
            let length = (0..=LONGEST_KEY).rev().find(|&length| item.key.is_char_boundary(length));
            item.place = Place::Refused(format!(
                "its key has {} bytes, and at most {LONGEST_KEY} are taken",
                item.key.len()
            ));
            item.key.truncate(length.unwrap_or_default());
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(&item.key)[..16]);
        match first.get(&hash) {
            None => _ = first.insert(hash, row),
            Some(first) => {
                item.place = Place::Refused(format!("its key is that of row {first}; each needs its own"));
            }
        }
    }
}

/// The photographs that a selection names, in their order.
fn selected(mut items: Vec<Item>, Selection { limit, sample }: Selection) -> Vec<Item> {
    let count = limit.unwrap_or(items.len()).min(items.len());
    let Some(seed) = sample else {
        items.truncate(count);
        return items;
    };
    let rank =
        |item: &Item| Sha256::new().chain_update(seed.to_le_bytes()).chain_update(&item.key).finalize();
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_cached_key(|&index| (rank(&items[index]).to_vec(), index));
    let mut is_chosen = vec![false; items.len()];
    order.iter().take(count).for_each(|&index| is_chosen[index] = true);
    let mut chosen = is_chosen.into_iter();
    items.retain(|_| chosen.next().unwrap_or(false));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn gathered(names: &[&Path], options: &InputOptions, selection: Selection) -> Result<Vec<Item>> {
        let names: Vec<OsString> = names.iter().map(|name| name.as_os_str().to_owned()).collect();
        Ok(Inputs::gather(&names, options, selection, &mut std::io::empty())?.items)
    }

    #[test]
    fn folders_are_read_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        for name in ["b/2.JPG", "b/c/1.png", "a.webp", "notes.md", ".hidden.png", "z.tar"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        let items = gathered(&[root], &InputOptions::default(), Selection::default()).unwrap();
        let names: Vec<String> = items
            .iter()
            .map(|item| Path::new(&item.key).strip_prefix(root).unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.webp", "b/2.JPG", "b/c/1.png"]);
    }

    #[test]
    fn a_sample_depends_on_keys_and_seed_alone() {
        let items = |keys: &mut dyn Iterator<Item = usize>| -> Vec<Item> {
            keys.map(|key| Item { key: key.to_string(), place: Place::Key, target: None }).collect()
        };
        let chosen = |items: Vec<Item>, seed| {
            let selection = Selection { limit: Some(10), sample: Some(seed) };
            let mut keys: Vec<String> = selected(items, selection).into_iter().map(|item| item.key).collect();
            keys.sort();
            keys
        };
        let forwards = chosen(items(&mut (0..100)), 1);
        assert_eq!(forwards.len(), 10);
        assert_eq!(forwards, chosen(items(&mut (0..100).rev()), 1));
        assert_ne!(forwards, chosen(items(&mut (0..100)), 2));
    }

    #[test]
    fn a_key_belongs_to_one_photograph() {
        let item = |key: &str| Item { key: key.to_owned(), place: Place::Key, target: None };
        let mut items = [item("a"), item("b"), item("a"), item(&"é".repeat(3000))];
        refuse(&mut items);
        assert_eq!([&items[0].place, &items[1].place], [&Place::Key; 2]);
        let Place::Refused(reason) = &items[2].place else { panic!("the second 'a'") };
        assert!(reason.contains("row 0"), "{reason}");
        assert!(matches!(&items[3].place, Place::Refused(_)) && items[3].key.len() <= LONGEST_KEY);
    }
}
