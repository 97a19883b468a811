//! What can be wrong with a graph, said so that a person can mend it.

use thiserror::Error;

/// A disagreement between what something must be and what it is: the structured "why not" of shape inference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: expected {expected}, found {found}")]
pub struct Inconsistency {
    /// What disagrees, as "weights" or "number of inputs".
    pub what: String,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl Inconsistency {
    /// Says what disagrees, what was expected and what was found.
    pub fn new(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }
}

/// Why a graph could not be built or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A node's operands or attributes do not fit together.
    #[error("layer '{node}' ({operator}): {cause}")]
    Node {
        /// The node's name.
        node: String,
        /// The operator's name.
        operator: &'static str,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },
    /// A value has an impossible shape.
    #[error("value '{value}': {cause}")]
    Value {
        /// The value's name.
        value: String,
        /// What is wrong with it.
        #[source]
        cause: Inconsistency,
    },
    /// A name was asked for which no value has.
    #[error("there is no value named '{name}'")]
    NoSuchValue {
        /// The name asked for.
        name: String,
    },
    /// Two values were given the same name.
    #[error("two values are named '{name}'; names must be distinct")]
    DuplicateName {
        /// The name given twice.
        name: String,
    },
}
