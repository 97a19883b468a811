//! Why a record is not run again.

use std::path::PathBuf;

use thiserror::Error;

/// Why a record is not run again, by cause.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file holds something else.
    #[error("{} is no record of a run, as --record writes it: {cause}", path.display())]
    NoRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A path in the record is not as `--record` writes it.
    #[error("the record lists {}, which {cause}; nothing was run", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// An option names a file to write that the record does not list.
    #[error("the record's option '{option}' writes {}, which is not among its outputs; nothing was run", path.display())]
    Writes {
        /// The option.
        option: String,
        /// The file or folder that it names.
        path: PathBuf,
    },
    /// An option names a file to read that the record does not list.
    #[error("the record's option '{option}' reads {}, which is not among its inputs; nothing was run", path.display())]
    Reads {
        /// The option.
        option: String,
        /// The file or folder that it names.
        path: PathBuf,
    },
    /// Nothing is known of what an option does with files.
    #[error(
        "the record's option '{option}' cannot be run again: it is not known which files it reads or writes; nothing was run"
    )]
    Unknown {
        /// The option.
        option: String,
    },
    /// Inputs are not what they were.
    #[error("not the recorded inputs: {}", .causes.join("; "))]
    Inputs {
        /// What is wrong with each.
        causes: Vec<String>,
    },
    /// The run reads a file that the record does not list.
    #[error("the run reads {}, which is not among the record's inputs", .0.display())]
    UnlistedInput(PathBuf),
    /// The run writes a file that the record does not list.
    #[error("the run writes {}, which is not among the record's outputs", .0.display())]
    UnlistedOutput(PathBuf),
    /// Outputs cannot be replaced in their places.
    #[error(
        "only files that are still as the record says are replaced, and these are not: {}; \
         without --in-place the results go into a new folder",
        .causes.join("; ")
    )]
    Replaced {
        /// What is wrong with each.
        causes: Vec<String>,
    },
}

impl From<RecordError> for deepinside::Error {
    fn from(error: RecordError) -> Self {
        Self::Option(error.to_string())
    }
}
