//! From the file's nodes to the operators of the graph: one file for each family of operators.

mod activation;
mod arithmetic;
mod attention;
mod axes;
mod bitwise;
mod computed_filters;
mod constant;
mod control;
mod convolution;
mod einsum;
mod failure;
mod fully_connected;
mod fused_attention;
mod importer;
mod indexed;
mod join;
mod legacy;
mod masks;
mod node;
mod normalisation;
mod operators;
mod order;
mod packed_weights;
mod padding;
mod pooling;
mod quantisation;
mod readers;
mod recurrent;
mod reduction;
mod resize;
mod rotary;
mod sampling;
mod selection;
mod shape;
mod softmax;
mod window;

use std::collections::BTreeMap;

use deepinside_graph::{Constant, Graph, Interrupt, ValueId};

pub use operators::supported_operators;
pub(crate) use readers::each_read;

use crate::{Model, OnnxError};

/// What the file leaves open.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The shapes of inputs, by name; they override what the file says.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Numbers of inputs, by name: what they are given is known before the network runs.
    pub known_inputs: BTreeMap<String, Constant>,
    /// Let all inputs but the first be weights that the file does not hold, and zero: a file that was exported without weights
    /// lists them so.
    pub without_weights: bool,
    /// Stops the import.
    pub interrupt: Interrupt,
}

/// A network read from a file.
#[derive(Debug)]
pub struct Imported {
    /// The network.
    pub graph: Graph,
    /// The tensors that the network computes, by the file's names, in the order of the file: inputs first.
    pub tensors: Vec<(String, ValueId)>,
    /// What was left out or assumed, as sentences.
    pub warnings: Vec<String>,
}

/// Turns a model into a graph. Extents that neither the options nor the file say are 1 for the first axis of an input.
///
/// # Errors
/// When other extents are open, an operator is not supported, nodes do not fit together, what is computed on the way
/// takes more than a file of that size may (see [`Budget`](deepinside_graph::Budget)), or the interrupt was set.
pub fn import(model: &Model, options: &ImportOptions) -> Result<Imported, OnnxError> {
    let imported = importer::import(model, options);
    // Whatever was read of a file that changed is neither right nor wrong about it.
    model.check_unchanged()?;
    imported
}
