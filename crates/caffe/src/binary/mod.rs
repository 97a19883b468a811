//! Reads trained weights (`.caffemodel`, also its HDF5 form) and mean images (`.binaryproto`).
//!
//! A `.caffemodel` is the whole network as one binary message in which the arrays of weights lie as packed little-endian
//! floats, nearly all of the file. The reader walks the fields once, touches only their headers, and answers each array
//! as a slice of the mapped file: 244 MB of CaffeNet take well under a millisecond and no memory. Gradients that some
//! snapshots carry are stepped over. Only where a file stores an array in pieces, which the format allows and Caffe never
//! writes, are its values gathered into memory.
//!
//! Nothing is believed: every length is checked against the bytes there are, every shape against the number of values,
//! products against overflow, and the number of layers and arrays against a limit before anything is kept.

mod blob;
#[cfg(feature = "hdf5")]
mod hdf5;
mod mean;
mod network;
mod wire;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use mapped_file::MappedFile;

use crate::error::CaffeError;

pub use blob::WeightBlob;
pub use mean::{MeanImage, read_mean, read_mean_bytes};

/// The first bytes of every HDF5 file.
const HDF5_SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Most layers with or without weights, and most arrays of weights, that a file may have.
const MAX_LAYERS: usize = 100_000;

/// The weights of one layer.
#[derive(Debug, Clone)]
pub struct LayerWeights {
    /// The layer's name.
    pub name: String,
    /// The layer's type as written today ("Convolution"), whatever the generation of the file; empty if it says none
    /// (HDF5 files never do).
    pub kind: String,
    /// The layer's arrays in Caffe's order; none for layers without weights.
    pub blobs: Vec<WeightBlob>,
}

/// All weights of a file.
#[derive(Debug, Clone)]
pub struct WeightFile {
    /// The name of the network; empty if the file says none.
    pub name: String,
    /// The layers in the order of the file, with weights or without.
    pub layers: Vec<LayerWeights>,
    /// The mapping that the arrays are slices of, for giving back memory once they are packed. `None` for bytes that came
    /// from elsewhere and for HDF5 files, whose arrays are copies.
    pub file: Option<Arc<MappedFile>>,
}

/// Reads the weights in a file.
///
/// # Errors
/// When the file cannot be mapped, is no weight file, is cut short or damaged, or holds arrays whose shape does not fit
/// the number of their values.
pub fn read_weights(path: impl AsRef<Path>) -> Result<WeightFile, CaffeError> {
    let path = path.as_ref();
    let file = MappedFile::open(path).map_err(|source| CaffeError::Io { path: path.to_owned(), source })?;
    let bytes = file.bytes();
    let copied = bytes.starts_with(HDF5_SIGNATURE);
    let weights = read_weights_bytes(bytes);
    file.check_unchanged().map_err(|source| CaffeError::Changed { source })?;
    let mut weights = weights?;
    if !copied {
        weights.file = Some(file);
    }
    Ok(weights)
}

/// Reads the weights in bytes that are already there, without copying the arrays of a `.caffemodel`.
///
/// # Errors
/// As [`read_weights`], the mapping apart.
pub fn read_weights_bytes(bytes: Bytes) -> Result<WeightFile, CaffeError> {
    if bytes.is_empty() {
        return Err(wrong_format("the file is empty".to_owned()));
    }
    if bytes.starts_with(HDF5_SIGNATURE) {
        #[cfg(feature = "hdf5")]
        return hdf5::read(bytes);
        #[cfg(not(feature = "hdf5"))]
        return Err(CaffeError::WrongFormat {
            expected: "a .caffemodel",
            found: "it is an HDF5 file".to_owned(),
            advice: "build deepinside with `--features hdf5` to read it, or write binary weights in Python: \
                     caffe.Net(model, weights, caffe.TEST).save(path)",
        });
    }
    let head = bytes.slice(..bytes.len().min(64));
    let result = network::read(bytes);
    // Asked only of what does not decode: the head of a good file may well be printable.
    match result {
        Err(CaffeError::Corrupt { .. } | CaffeError::Network { .. }) => {
            if let Some(found) = other_format(&head) {
                return Err(wrong_format(found));
            }
            result
        }
        _ => result,
    }
}

fn wrong_format(found: String) -> CaffeError {
    CaffeError::WrongFormat {
        expected: "a .caffemodel",
        found,
        advice: "give the binary file of trained weights",
    }
}

/// What a file that is no weight file probably is, from its first bytes.
fn other_format(head: &[u8]) -> Option<String> {
    if head.starts_with(b"PK\x03\x04") {
        return Some("it is a ZIP archive (PyTorch and Keras save such)".to_owned());
    }
    if head.starts_with(b"\x1f\x8b") {
        return Some("it is compressed with gzip and must be unpacked first".to_owned());
    }
    let text = std::str::from_utf8(head).ok()?;
    text.chars().all(|character| !character.is_control() || character.is_whitespace()).then(|| {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        format!("it is text that begins with \"{}\"", line.chars().take(40).collect::<String>())
    })
}
