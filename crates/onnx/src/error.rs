//! Why an ONNX file cannot be read or computed.

use std::path::PathBuf;

use deepinside_graph::{GraphError, Inconsistency, OverBudget};
use thiserror::Error;

/// Which node an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlace {
    /// The node's name; where it has none, that of its first result.
    pub node: String,
    /// Its operator, with the domain where that is not ONNX's own.
    pub operator: String,
}

impl std::fmt::Display for NodePlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "node '{}' ({})", self.node, self.operator)
    }
}

/// Why an ONNX file cannot be read or computed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file was changed while it was read.
    #[error("{source}")]
    Changed {
        /// Which, and what to do.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model.
    #[error("this is no ONNX model, or a damaged one: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The model uses an operator set that is not read.
    #[error(
        "the model uses operator set {found} of ONNX; {oldest} and later are read; convert it with onnx.version_converter"
    )]
    OperatorSet {
        /// Its version.
        found: i64,
        /// The oldest version read.
        oldest: i64,
    },
    /// A tensor of the file contradicts itself.
    #[error("tensor '{tensor}': {cause}")]
    Tensor {
        /// The tensor's name.
        tensor: String,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },
    /// The data of a tensor lie in another file, which cannot be used.
    #[error("tensor '{tensor}': its data lie in '{location}', {what}")]
    ExternalData {
        /// The tensor's name.
        tensor: String,
        /// The other file, as the model names it.
        location: String,
        /// Why it cannot be used.
        what: String,
    },
    /// An operator that cannot be computed.
    #[error("{place}: operator {operator} (domain '{domain}', operator set {version}) is not supported{}", did_you_mean(.nearest))]
    UnsupportedOperator {
        /// The node.
        place: Box<NodePlace>,
        /// The operator.
        operator: String,
        /// Its domain; ONNX's own is "ai.onnx".
        domain: String,
        /// The version of the domain's operator set.
        version: i64,
        /// The supported operator with the most similar name, if one is similar.
        nearest: Option<String>,
    },
    /// A supported operator that asks for something which is not supported.
    #[error("{place}: {what}")]
    Unsupported {
        /// The node.
        place: Box<NodePlace>,
        /// What is not supported, and why or what to do.
        what: String,
    },
    /// Attributes or operands of a node do not fit.
    #[error("{place}: {cause}")]
    Node {
        /// The node.
        place: Box<NodePlace>,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },
    /// The graph refused what a node adds to it.
    #[error("{place}: {cause}")]
    Graph {
        /// The node.
        place: Box<NodePlace>,
        /// What the graph says.
        #[source]
        cause: GraphError,
    },
    /// What is computed while the file is read takes more than a file of its size may, or the import was asked to stop.
    #[error("{place}: {cause}")]
    Budget {
        /// The node or tensor.
        place: String,
        /// Which limit was reached.
        #[source]
        cause: OverBudget,
    },
    /// A node reads a tensor that nothing makes.
    #[error("{place}: its input '{tensor}' is made by no node, input or initialiser")]
    UndefinedTensor {
        /// The node.
        place: Box<NodePlace>,
        /// The tensor.
        tensor: String,
    },
    /// Nodes read each other's results in a circle.
    #[error("{}; a network must be without cycles", circle(.nodes))]
    Cycle {
        /// The nodes, each of which reads a result of the next one, and the last one of the first.
        nodes: Vec<NodePlace>,
    },
    /// Two things make a tensor of the same name.
    #[error("the tensor '{tensor}' is made twice; names must be distinct")]
    DuplicateTensor {
        /// The name.
        tensor: String,
    },
    /// An input of the network cannot be used.
    #[error("input '{input}': {cause}")]
    Input {
        /// The input's name.
        input: String,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },
    /// An input was given a shape that the network does not have.
    #[error("the network has no input '{input}'; its inputs are {}", .inputs.join(", "))]
    UnknownInput {
        /// The name.
        input: String,
        /// The names of its inputs.
        inputs: Vec<String>,
    },
    /// A result of the network is made by nothing, or known without running it.
    #[error("output '{output}': {what}")]
    Output {
        /// The output's name.
        output: String,
        /// Why not.
        what: &'static str,
    },
}

fn circle(nodes: &[NodePlace]) -> String {
    // Of a long circle some are enough to find it.
    const SHOWN: usize = 4;
    let shown: Vec<String> = nodes.iter().take(SHOWN).map(NodePlace::to_string).collect();
    match nodes {
        [_] => format!("{} reads its own result", shown.concat()),
        _ => {
            let more = if nodes.len() > SHOWN {
                format!(" and {} more", nodes.len() - SHOWN)
            } else {
                String::new()
            };
            format!("{}{more} read each other's results in a circle", shown.join(", "))
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
