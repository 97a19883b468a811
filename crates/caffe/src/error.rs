//! What can be wrong with a network's files, said so that a person can mend it.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::text::Location;

/// Why a Caffe network or its weights could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaffeError {
    /// The file could not be opened or mapped.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file was changed while it was read.
    #[error("{source}")]
    Changed {
        /// Which, and what to do.
        source: io::Error,
    },

    /// The file is of another kind than the one asked for.
    #[error("this is not {expected}: {found}; {advice}")]
    WrongFormat {
        /// What was asked for.
        expected: &'static str,
        /// What the file is or begins with.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },

    /// The text of a network description breaks the rules of its format or names a value that does not exist.
    #[error("line {}, column {}: {message}", location.line, location.column)]
    Syntax {
        /// Where in the text.
        location: Location,
        /// What was expected and what was found.
        message: String,
    },

    /// A number in the file, or the file itself, is larger than any real network's.
    #[error("{what}: {found} is more than the {limit} that are accepted")]
    TooLarge {
        /// What is too large, as "bytes of text".
        what: &'static str,
        /// How large it is, at least.
        found: u64,
        /// The largest that is accepted.
        limit: u64,
    },

    /// A layer contradicts itself or the layers around it.
    #[error("layer '{layer}' ({kind}, line {}): {message}", location.line)]
    Layer {
        /// The layer's name.
        layer: String,
        /// The layer's type, as written in files of today ("Convolution").
        kind: String,
        /// Where the layer starts in the text.
        location: Location,
        /// What is wrong, and what would be right.
        message: String,
    },

    /// The description as a whole is not that of a network.
    #[error("{message}")]
    Network {
        /// What is wrong, and what would be right.
        message: String,
    },

    /// The bytes of a weight or mean file are cut short or damaged.
    #[error("{message} at byte {offset} of {length}; the file may be damaged or an incomplete download")]
    Corrupt {
        /// What was expected and what was found.
        message: String,
        /// Where, counted from the start of the file.
        offset: u64,
        /// How many bytes the file has.
        length: u64,
    },

    /// The bytes are in order, but what they say about an array of weights is not.
    #[error("weights {index} of layer '{layer}': {message}")]
    Blob {
        /// The layer that the array belongs to.
        layer: String,
        /// Which of the layer's arrays, from 0.
        index: usize,
        /// What was expected and what was found.
        message: String,
    },

    /// A weight file in HDF5 form could not be read.
    #[error("cannot read these HDF5 weights: {message}")]
    Hdf5 {
        /// What was expected and what was found.
        message: String,
    },
}

/// Something that is probably not meant, but that does not keep the network from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line of the description that it is about, from 1; 0 if it is about no line.
    pub line: usize,
    /// One sentence.
    pub message: String,
}

/// The warnings of one file, of which only so many are kept that a hostile file cannot fill the memory or the screen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warnings {
    kept: Vec<Warning>,
    dropped: usize,
}

impl Warnings {
    const LIMIT: usize = 50;

    /// Adds one, about a line (from 1) or about none (0).
    pub(crate) fn push(&mut self, line: usize, message: impl Into<String>) {
        if self.kept.len() < Self::LIMIT {
            self.kept.push(Warning { line, message: message.into() });
        } else {
            self.dropped += 1;
        }
    }

    /// All that were kept, and a last one which counts the rest.
    pub(crate) fn finish(mut self) -> Vec<Warning> {
        if self.dropped > 0 {
            self.kept.push(Warning { line: 0, message: format!("and {} more warnings", self.dropped) });
        }
        self.kept
    }
}
