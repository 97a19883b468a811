//! Why a node cannot be imported, before it is said which node.

use deepinside_graph::{GraphError, Inconsistency, OverBudget};

use crate::{NodePlace, OnnxError};

/// Why a node cannot be imported.
#[derive(Debug)]
pub(super) enum Failure {
    /// It asks for something which is not supported.
    Unsupported(String),
    /// Attributes or operands do not fit.
    Inconsistent(Inconsistency),
    /// The graph refused it.
    Graph(GraphError),
    /// Its constants are too large, or the import was asked to stop.
    OverBudget(OverBudget),
    /// It is about another node or a tensor, and complete.
    Whole(Box<OnnxError>),
}

impl Failure {
    /// The same with the node's name.
    pub fn at(self, place: NodePlace) -> OnnxError {
        let place = Box::new(place);
        match self {
            Self::Unsupported(what) => OnnxError::Unsupported { place, what },
            Self::Inconsistent(cause) => OnnxError::Node { place, cause },
            // The graph's error names the operator that it knows; the file's is what the reader looks for.
            Self::Graph(GraphError::Node { cause, .. }) => OnnxError::Node { place, cause },
            Self::Graph(GraphError::DuplicateName { name }) => OnnxError::DuplicateTensor { tensor: name },
            Self::Graph(cause) => OnnxError::Graph { place, cause },
            Self::OverBudget(cause) => OnnxError::Budget { place: place.to_string(), cause },
            Self::Whole(error) => *error,
        }
    }
}

/// Something that is not supported.
pub(super) fn unsupported<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Unsupported(what.into()))
}

/// Something that does not fit.
pub(super) fn inconsistent<T>(
    what: impl Into<String>,
    expected: impl ToString,
    found: impl ToString,
) -> Result<T, Failure> {
    Err(Failure::Inconsistent(Inconsistency::new(what, expected, found)))
}

impl From<Inconsistency> for Failure {
    fn from(cause: Inconsistency) -> Self {
        Self::Inconsistent(cause)
    }
}

impl From<GraphError> for Failure {
    fn from(cause: GraphError) -> Self {
        Self::Graph(cause)
    }
}

impl From<OverBudget> for Failure {
    fn from(cause: OverBudget) -> Self {
        Self::OverBudget(cause)
    }
}

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Self {
        Self::Whole(Box::new(error))
    }
}
