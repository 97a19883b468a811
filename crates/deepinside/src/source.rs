//! From files to a graph.

use std::collections::BTreeMap;
use std::path::Path;

use deepinside_caffe::{CaffeError, ImportError, ImportOptions, Imported, Location, ReadOptions};

use crate::error::Place;
use crate::{Error, Result};

/// The largest network description that is read, in bytes.
const LARGEST_DESCRIPTION: u64 = deepinside_caffe::MAX_TEXT_BYTES as u64;

/// Reads a Caffe network description and, if named, its weights.
///
/// `splits` adds Caffe's Split layers. `input_shapes` overrides shapes of inputs by name.
pub(crate) fn open_caffe(
    network: &Path,
    weights: Option<&Path>,
    splits: bool,
    input_shapes: BTreeMap<String, Vec<usize>>,
) -> Result<Imported> {
    let bytes = read_limited(network, LARGEST_DESCRIPTION)?;
    let read = ReadOptions { insert_splits: splits, ..ReadOptions::default() };
    let description = deepinside_caffe::read_network(&bytes, &read).map_err(|error| {
        let location = match &error {
            CaffeError::Syntax { location, .. } | CaffeError::Layer { location, .. } => Some(*location),
            _ => None,
        };
        described(network, &String::from_utf8_lossy(&bytes), location, error.to_string())
    })?;
    let weights = match weights {
        Some(path) => Some(
            deepinside_caffe::read_weights(path)
                .map_err(|cause| Error::Weights { path: path.to_owned(), cause: Box::new(cause) })?,
        ),
        None => None,
    };
    let import = ImportOptions { input_shapes };
    let mut imported = deepinside_caffe::import(&description, weights.as_ref(), &import)
        .map_err(|error| described(network, &description.source, place_of(&error), error.to_string()))?;
    imported.warnings.splice(0..0, description.warnings);
    Ok(imported)
}

/// Reads a whole file that must not be larger than `limit` bytes.
fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::Model(format!("{}: a network description is a file", path.display())));
    }
    if metadata.len() > limit {
        return Err(Error::Model(format!(
            "{}: a network description has at most {limit} bytes, this file has {}; are description and weights confused?",
            path.display(),
            metadata.len()
        )));
    }
    std::fs::read(path).map_err(io)
}

fn described(path: &Path, text: &str, location: Option<Location>, message: String) -> Error {
    let place = location.filter(|location| location.line > 0).map(|location| Place {
        line: location.line,
        offset: location.offset,
        length: location.length,
        text: text.into(),
    });
    Error::Description { path: path.to_owned(), place: place.map(Box::new), message }
}

/// The layer that an import failed at.
fn place_of(error: &ImportError) -> Option<Location> {
    error.place().map(|place| place.location)
}
