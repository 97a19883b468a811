//! How results are written: in parts of so many rows.
//!
//! A worker encodes what belongs to a row ([`Format::encode`]). Where each row has a file of its own, it is written at once into the
//! folder of its part; else its bytes wait in a file beside the journal until the part is complete, and are then written as one file.
//! No name is made of a key alone: the row's number comes first, and what follows is made portable.

#[cfg(feature = "parquet")]
mod parquet;
mod webdataset;
mod zarr;

use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use deepinside::file_name::portable;
use deepinside::files::npy;
use deepinside::{Error, Result};

use crate::Row;
use crate::durable::{self, io};
use crate::task::{Found, Task};

/// The quality of JPEG files.
const QUALITY: u8 = 90;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Rows as JSON alone.
    Jsonl,
    /// Pictures as PNG, and rows as JSON.
    Png,
    /// Pictures as JPEG, and rows as JSON.
    Jpeg,
    /// Maps or activations as `.npy`, and rows as JSON.
    Npy,
    /// Rows with their maps in Parquet files.
    Parquet,
    /// Rows as JSON with their maps as `.npy` in WebDataset shards.
    WebDataset,
    /// Maps or activations as one Zarr array, and rows as JSON.
    Zarr,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Jsonl, Self::Png, Self::Jpeg, Self::Npy, Self::Parquet, Self::WebDataset, Self::Zarr];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Npy => "npy",
            Self::Parquet => "parquet",
            Self::WebDataset => "webdataset",
            Self::Zarr => "zarr",
        }
    }

    /// Expects a task to have what this format writes.
    ///
    /// # Errors
    /// When it has not, or this program cannot write the format.
    pub fn expect(self, task: &dyn Task) -> Result<()> {
        let refused = |what: &str, instead: &str| {
            Err(Error::Option(format!("{}: the task makes no {what}; write {instead}", self.name())))
        };
        match self {
            Self::Png | Self::Jpeg if !task.has_picture() => refused("pictures", "jsonl, npy or parquet"),
            Self::Npy | Self::Zarr if !task.has_map() => refused("arrays", "jsonl or parquet"),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => Err(no_parquet()),
            _ => Ok(()),
        }
    }

    /// Whether it shows pictures.
    pub fn draws(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg)
    }

    /// Whether each row has a file of its own.
    pub fn has_files(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Npy | Self::Zarr)
    }

    /// What belongs to a row, as bytes; completes the row with what is known of them.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn encode(self, row: &mut Row, found: &Found) -> Result<Option<Vec<u8>>> {
        if let Some(map) = found.map.as_ref().filter(|_| !matches!(self, Self::Jsonl)) {
            row.shape = map.shape().iter().map(|&extent| extent as u32).collect();
        }
        Ok(match self {
            Self::Jsonl => None,
            Self::Png => found.picture.as_ref().map(|picture| picture.to_png()).transpose()?,
            Self::Jpeg => found.picture.as_ref().map(|picture| picture.to_jpeg(QUALITY)).transpose()?,
            Self::Npy | Self::WebDataset => match &found.map {
                None => None,
                Some(map) => {
                    let mut bytes = Vec::new();
                    npy::write_to(&mut bytes, map)?;
                    Some(bytes)
                }
            },
            Self::Parquet | Self::Zarr => {
                let map = found.map.as_ref();
                map.map(|map| map.data().iter().flat_map(|number| number.to_le_bytes()).collect())
            }
        })
    }

    /// The name of a row's own file within the results.
    pub fn file(self, part: u64, row: &Row) -> String {
        let (Row { key, shape, .. }, row) = (row, row.row);
        if self == Self::Zarr {
            return zarr::chunk(row, shape);
        }
        let ending = if self == Self::Jpeg { "jpg" } else { self.name() };
        let name = key.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        format!("{}/{row:08}-{}.{ending}", Self::folder(part), portable(stem))
    }

    /// The folder of a part whose rows have files of their own.
    pub fn folder(part: u64) -> String {
        format!("part-{part:05}")
    }

    /// The name of a part's file within the results.
    pub fn part(self, part: u64) -> String {
        match self {
            Self::Png | Self::Jpeg | Self::Npy => format!("{}/rows.jsonl", Self::folder(part)),
            Self::Jsonl | Self::Zarr => format!("part-{part:05}.jsonl"),
            Self::Parquet => format!("part-{part:05}.parquet"),
            Self::WebDataset => format!("part-{part:05}.tar"),
        }
    }

    /// What describes the results of all rows: the name of its file, and its content. None where there is no such file, or `row`, one
    /// of so many, has nothing that belongs to it.
    pub fn description(self, photographs: u64, row: &Row) -> Option<(&'static str, String)> {
        let is_described = self == Self::Zarr && row.file.is_some();
        is_described.then(|| (zarr::METADATA, zarr::metadata(photographs, &row.shape)))
    }

    /// The folders in which, or below which, unfinished files of these rows of a part may lie.
    pub fn unfinished_folders(self, part: u64, rows: Range<u64>) -> Vec<String> {
        match self {
            Self::Png | Self::Jpeg | Self::Npy => vec![Self::folder(part)],
            Self::Zarr => rows.map(|row| zarr::chunk(row, &[])).chain([zarr::FOLDER.to_owned()]).collect(),
            Self::Jsonl | Self::Parquet | Self::WebDataset => Vec::new(),
        }
    }

    /// Writes a part. `data` gives the bytes of each row in their order, where rows have no files of their own. How many seconds were spent
    /// on encoding, where a part is encoded as a whole.
    pub(crate) fn write(
        self,
        path: &Path,
        rows: &[&Row],
        data: &mut dyn FnMut(usize) -> Result<Option<Vec<u8>>>,
    ) -> Result<f64> {
        match self {
            Self::Jsonl | Self::Png | Self::Jpeg | Self::Npy | Self::Zarr => durable::write(path, |stream| {
                rows.iter().try_for_each(|row| writeln!(stream, "{}", json(row)?).map_err(io(path)))
            })
            .map(|()| 0.0),
            Self::WebDataset => webdataset::write(path, rows, data).map(|()| 0.0),
            #[cfg(feature = "parquet")]
            Self::Parquet => parquet::write(path, rows, data),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => Err(no_parquet()),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("there is no format '{text}'; there are {known}")
        })
    }
}

/// A row as JSON.
fn json(row: &Row) -> Result<String> {
    serde_json::to_string(row)
        .map_err(|error| Error::Option(format!("row {} cannot be written as JSON: {error}", row.row)))
}

/// What is said where the program was built without Parquet.
#[cfg(not(feature = "parquet"))]
pub(crate) fn no_parquet() -> Error {
    Error::Option(
        "this program was built without Parquet; build it with `cargo build --release --features parquet`"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_become_paths() {
        let file = |key: &str| Format::Png.file(3, &Row { row: 12, key: key.to_owned(), ..Row::default() });
        assert_eq!(file("a/cat.jpg"), "part-00003/00000012-cat.png");
        for key in ["../../etc/passwd", "/etc/passwd", "..", "a/..", "\\\\host\\passwd", "C:\\x\0.png", ""] {
            let file = file(key);
            assert!(file.starts_with("part-00003/00000012-") && !file.contains(".."), "{key}: {file}");
            assert_eq!(file.matches('/').count(), 1, "{key}: {file}");
            assert!(!file.contains(['\\', '\0']), "{key}: {file}");
        }
    }
}
