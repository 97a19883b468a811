//! Everything that can go wrong in this crate, by cause.
//!
//! Each message is one sentence that names the file or the value, what was expected, what was found and, where it
//! is not obvious, what to do about it. `origin` is the path of a file, or a name given to bytes in memory.

use std::path::PathBuf;

use crate::bytes::readable;

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A file could not be written; nothing was left under its name.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file that was to be made.
        path: PathBuf,
        /// What the operating system or the encoder said.
        source: std::io::Error,
    },

    /// A stream given by the caller did not take the bytes.
    #[error("cannot write the array: {source}")]
    WriteStream {
        /// What the stream said.
        source: std::io::Error,
    },

    /// A file is longer than this crate is willing to read into memory.
    #[error("{origin} has {} and at most {} are read: make the file smaller", readable(*bytes), readable(*limit))]
    FileTooLong {
        /// The file.
        origin: String,
        /// Its length in bytes.
        bytes: u64,
        /// The longest that is read, in bytes.
        limit: u64,
    },

    /// The bytes are not a NumPy array file, or its header is broken.
    #[error("{origin} is not a readable NumPy .npy file: {reason}")]
    NotNpy {
        /// The file.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The NumPy file holds elements that are not real numbers of a known width.
    #[error(
        "{origin} holds elements of NumPy type {dtype}, which cannot be read: save it as float32, \
         for example with array.astype('float32')"
    )]
    NpyElementType {
        /// The file.
        origin: String,
        /// NumPy's own description of the type.
        dtype: String,
    },

    /// The NumPy file ends before its last element.
    #[error("{origin} is truncated: shape {shape:?} needs {expected} bytes of data and the file has {found}")]
    NpyTruncated {
        /// The file.
        origin: String,
        /// The shape that its header states.
        shape: Vec<u64>,
        /// The bytes which that shape takes.
        expected: u64,
        /// The bytes that follow the header.
        found: u64,
    },

    /// The NumPy file states more elements than are accepted.
    #[error("{origin} states shape {shape:?}, which is more than the {limit} elements that are read")]
    NpyTooLarge {
        /// The file.
        origin: String,
        /// The shape that its header states.
        shape: Vec<u64>,
        /// The largest number of elements that is read.
        limit: u64,
    },

    /// A file with an array of no elements where numbers were expected.
    #[error("{origin} holds an array of shape {shape:?}, which has no elements")]
    NpyEmpty {
        /// The file.
        origin: String,
        /// The shape that its header states.
        shape: Vec<u64>,
    },

    /// The number of values is not the product of the extents.
    #[error("shape {shape:?} takes {expected} values and {found} were given")]
    ElementCount {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The product of its extents (saturated when it overflows).
        expected: usize,
        /// The number of values given.
        found: usize,
    },

    /// An extent is zero: arrays, photographs and pictures always hold something.
    #[error("{what} of shape {shape:?} would be empty: every extent must be at least 1")]
    Empty {
        /// What was to be made.
        what: &'static str,
        /// The extents asked for.
        shape: Vec<usize>,
    },

    /// An array has a shape that the operation has no meaning for.
    #[error("{what} takes an array of shape {expected}, found {found:?}")]
    Shape {
        /// The operation.
        what: &'static str,
        /// The accepted shapes, in words.
        expected: &'static str,
        /// The shape that was given.
        found: Vec<usize>,
    },
}
