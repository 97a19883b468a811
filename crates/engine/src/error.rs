//! What can be wrong with a plan or a run.

use deepinside_graph::{GraphError, Inconsistency, Interrupted, Shape};
use thiserror::Error;

/// Why a network could not be planned or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No kernel can compute a node.
    #[error("layer '{node}' ({operator}) cannot be computed: {cause}")]
    Unsupported {
        /// The node's name.
        node: String,
        /// The operator's name.
        operator: &'static str,
        /// What is not supported.
        #[source]
        cause: Inconsistency,
    },
    /// The plan needs more memory than was allowed.
    #[error(
        "the network needs {needed} MB besides its weights, the limit is {limit} MB; use smaller pictures or a smaller batch, or raise the limit (--memory-limit)"
    )]
    MemoryLimit {
        /// Megabytes needed.
        needed: usize,
        /// Megabytes allowed.
        limit: usize,
    },
    /// The network's weights need more memory than was allowed.
    #[error(
        "the network's weights take {needed} MB once they are prepared, the limit is {limit} MB; raise the limit"
    )]
    WeightsLimit {
        /// Megabytes needed.
        needed: usize,
        /// Megabytes allowed.
        limit: usize,
    },
    /// Weights that no file holds are too many.
    #[error(
        "the network fills {found} weights with one number or at random, at most {most} are; is its file without weights?"
    )]
    MadeUpWeights {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The machine has no more memory.
    #[error(
        "there is no memory for the {needed} MB that the network takes; use smaller pictures or a smaller batch"
    )]
    OutOfMemory {
        /// Megabytes needed.
        needed: usize,
    },
    /// A file of weights was changed before its weights were packed.
    #[error("{0}")]
    Changed(std::io::Error),
    /// The computation was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An array does not have the shape of its value.
    #[error("'{value}' takes {expected} numbers (shape {shape}), found {found}")]
    Length {
        /// The value's name.
        value: String,
        /// Its shape.
        shape: Shape,
        /// How many numbers that is.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A value was asked for which the plan was not told to keep.
    #[error("the {what} of '{value}' was not asked for when the plan was made")]
    NotObserved {
        /// "activation", "maxima", "gradient" or "backward pass".
        what: &'static str,
        /// The value's name.
        value: String,
    },
    /// An input was not given.
    #[error("the network also reads input '{value}' (shape {shape}); give it too")]
    MissingInput {
        /// The input's name.
        value: String,
        /// Its shape.
        shape: Shape,
    },
    /// A target lies outside of its value.
    #[error("target of '{value}': {cause}")]
    Target {
        /// The value's name.
        value: String,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },
    /// A backward pass was asked for before any forward pass.
    #[error("a backward pass needs a forward pass before it")]
    NoForward,
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {cause}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        cause: String,
    },
    /// The graph is inconsistent.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
