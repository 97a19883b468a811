//! Mean images: a `.binaryproto` is a single array in binary form.

use std::path::Path;

use bytes::Bytes;
use mapped_file::MappedFile;

use super::{blob, wire::Message};
use crate::error::CaffeError;

/// A mean image, or anything else that a `.binaryproto` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanImage {
    /// The lengths of the axes as the file has them, usually (1, channels, height, width).
    pub shape: Vec<usize>,
    /// The values, the last axis fastest. For an image: the channels in the order of the training data (Caffe's own
    /// tools: blue, green, red), in its range (usually 0 to 255).
    pub values: Vec<f32>,
}

/// Reads a mean file.
///
/// # Errors
/// When the file cannot be mapped, is cut short or damaged, or when its shape does not fit the number of its values.
pub fn read_mean(path: impl AsRef<Path>) -> Result<MeanImage, CaffeError> {
    let path = path.as_ref();
    let file = MappedFile::open(path).map_err(|source| CaffeError::Io { path: path.to_owned(), source })?;
    let mean = read_mean_bytes(file.bytes());
    file.check_unchanged().map_err(|source| CaffeError::Changed { source })?;
    mean
}

/// Reads a mean file from its bytes.
///
/// # Errors
/// As [`read_mean`], the mapping apart.
pub fn read_mean_bytes(bytes: Bytes) -> Result<MeanImage, CaffeError> {
    let length = bytes.len() as u64;
    let blob = blob::read(Message::of_file(bytes))?.map_err(|message| CaffeError::Corrupt {
        message,
        offset: 0,
        length,
    })?;
    if blob.is_empty() {
        return Err(CaffeError::WrongFormat {
            expected: "a mean image",
            found: "it holds no values".to_owned(),
            advice: "give a .binaryproto written by Caffe's compute_image_mean, or a .npy",
        });
    }
    Ok(MeanImage { shape: blob.shape.clone(), values: blob.values().collect() })
}
