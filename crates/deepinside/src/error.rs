//! What can go wrong, by cause.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deepinside_engine::EngineError;
use deepinside_graph::{GraphError, Interrupted, OverBudget};
use deepinside_onnx::OnnxError;
use thiserror::Error;

/// Why something could not be done; its text says what, where, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A network description could not be read, or its layers do not fit together.
    #[error("{}: {message}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// Where in the file, where that is known.
        place: Option<Box<Place>>,
        /// What is wrong; names layer, type and line where it is about a layer.
        message: String,
    },
    /// A weight file or a mean file could not be read.
    #[error("{}: {cause}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Box<deepinside_caffe::CaffeError>,
    },
    /// An ONNX file could not be read, or its nodes do not fit together.
    #[error("{}: {cause}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Box<deepinside_onnx::OnnxError>,
    },
    /// The network is inconsistent.
    #[error(transparent)]
    Graph(Box<GraphError>),
    /// The network could not be planned or run.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// A photograph or an array could not be read or written.
    #[error(transparent)]
    Vision(deepinside_vision::Error),
    /// `model.toml` cannot be understood.
    #[error("{}: {message}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where known.
        message: String,
    },
    /// The model was not given in a form that can be opened.
    #[error("{0}")]
    Model(String),
    /// The network reads something beside the picture, and nothing gives it.
    #[error(
        "the network also reads input '{name}' ({shape}), which a photograph cannot fill; give it with --input {name}=FILE.npy, or one \
         number for all of it with --input {name}=0"
    )]
    FurtherInput {
        /// The input's name.
        name: String,
        /// Its shape, as text.
        shape: String,
    },
    /// No class has that name.
    #[error("no class is called '{asked}'{}", suggestions(.nearest))]
    UnknownClass {
        /// What was asked for.
        asked: String,
        /// The names nearest to it.
        nearest: Vec<String>,
    },
    /// Several classes match the name equally well.
    #[error("'{asked}' could be {}; give the index or the full name", .matches.join(" or "))]
    AmbiguousClass {
        /// What was asked for.
        asked: String,
        /// The classes that match, as "index name".
        matches: Vec<String>,
    },
    /// The network has no such class.
    #[error("class {index} does not exist: the network has {classes} classes, 0 to {}", classes.saturating_sub(1))]
    ClassOutOfRange {
        /// The index asked for.
        index: usize,
        /// How many there are.
        classes: usize,
    },
    /// A network computes far more than its weights and its picture explain.
    #[error(
        "the network computes {:.0} billion operations for a picture, {layer} most of them, from {weights} weights in its files, where at most {:.0} \
         billion are expected; if you know why, give a limit of memory (--memory-limit), and this one is left out",
        *.needed as f64 / 1e9,
        *.most as f64 / 1e9
    )]
    TooMuchWork {
        /// How many operations it computes.
        needed: u64,
        /// How many are expected at most.
        most: u64,
        /// How many weights its files hold.
        weights: u64,
        /// The layer that computes most of them.
        layer: String,
    },
    /// The computation was asked to stop, see [`Interrupt`](crate::Interrupt).
    #[error("the computation was stopped before it was finished")]
    Interrupted,
    /// The computation would not be done by the time it has, as the first of its passes show.
    #[error(
        "{passes} passes through the network at {:.0} ms each take about {:.0} s, and {:.0} s are left; ask for less (fewer samples, steps or masks), \
         or use the command line, which has no such limit",
        1e3 * .each.as_secs_f64(),
        .each.as_secs_f64() * *.passes as f64,
        .left.as_secs_f64()
    )]
    TooLong {
        /// How many passes there would be.
        passes: usize,
        /// How long one takes.
        each: Duration,
        /// How much time is left.
        left: Duration,
    },
    /// A network gave numbers that are NaN or infinite, and so no result.
    #[error(
        "{what}: {} of {of} are not finite ({nan} NaN, {infinite} infinite){}",
        nan + infinite,
        .origin.as_ref().map(|origin| format!("; {origin}")).unwrap_or_default()
    )]
    NotFinite {
        /// What they are, in the plural.
        what: String,
        /// How many are NaN.
        nan: usize,
        /// How many are infinite.
        infinite: usize,
        /// How many numbers there are.
        of: usize,
        /// Where in the network they begin, where that is known.
        origin: Option<String>,
    },
    /// Two options contradict each other or an option is out of its range.
    #[error("{0}")]
    Option(String),
}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<deepinside_vision::Error> for Error {
    fn from(error: deepinside_vision::Error) -> Self {
        match error {
            deepinside_vision::Error::Stopped => Self::Interrupted,
            error => Self::Vision(error),
        }
    }
}

impl From<deepinside_files::Error> for Error {
    fn from(error: deepinside_files::Error) -> Self {
        Self::Vision(error.into())
    }
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Interrupted(interrupted) => interrupted.into(),
            error => Self::Engine(Box::new(error)),
        }
    }
}

impl Error {
    /// Whether the network would take more than it may, whatever it is shown.
    pub fn is_of_cost(&self) -> bool {
        let limits = |error: &EngineError| {
            matches!(
                error,
                EngineError::MemoryLimit { .. }
                    | EngineError::WeightsLimit { .. }
                    | EngineError::MadeUpWeights { .. }
                    | EngineError::OutOfMemory { .. }
                    | EngineError::Unsupported { .. }
            )
        };
        match self {
            Self::TooMuchWork { .. } => true,
            Self::Engine(error) => limits(error),
            _ => false,
        }
    }

    /// What went wrong with an ONNX file.
    pub(crate) fn onnx(path: &Path, cause: OnnxError) -> Self {
        match cause {
            OnnxError::Budget { cause: OverBudget::Interrupted(_), .. } => Self::Interrupted,
            cause => Self::Onnx { path: path.to_owned(), cause: Box::new(cause) },
        }
    }
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The offset in bytes from the start of the text.
    pub offset: usize,
    /// The length in bytes.
    pub length: usize,
    /// The text of the whole file.
    pub text: std::sync::Arc<str>,
}

/// The result of anything that can go wrong here.
pub type Result<T> = std::result::Result<T, Error>;

fn suggestions(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(", ")) }
}
