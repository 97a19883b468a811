//! Nodes that pass something through, and branches.

use deepinside_graph::op::{Identity, Unary};

use super::failure::{Failure, inconsistent, unsupported};
use super::importer::Importer;
use super::node::Node;
use crate::tensor::Kind;

pub(super) fn import_identity<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    if let Some(data_type) = node.input(0).and_then(|name| importer.data_type(name)) {
        importer.note_data_type(node, data_type);
    }
    importer.finish(node, Identity, &[operand])
}

/// Outside of training nothing is dropped, and the mask is all true.
pub(super) fn import_dropout<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let _ = (node.float("ratio")?, node.int("seed")?);
    if node.version < 7 {
        // Files of that time leave it at its default, training, whatever they were made for.
        let _ = node.flag("is_test")?;
    }
    if let Some(training) = importer.known(node, 2, "the switch for training")?
        && training.numbers().iter().any(|&number| number != 0.0)
    {
        return unsupported("it is exported for training; export the network for inference");
    }
    if node.output(1).is_some() {
        let always = Unary::Threshold { threshold: f32::NEG_INFINITY };
        importer.finish_output(node, 1, always, std::slice::from_ref(&operand), Kind::Boolean)?;
    }
    importer.finish(node, Identity, &[operand])
}

/// A branch whose condition is known: exporters write it around squeezes of axes that may not be there.
pub(super) fn import_if<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let Some(condition) = importer.operand(node, 0)?.scalar() else {
        return unsupported("the condition must be constant, but depends on an input of the network");
    };
    let branches = [node.graph("then_branch")?, node.graph("else_branch")?];
    let Some(branch) = branches[usize::from(condition == 0.0)] else {
        return inconsistent("branches", "a graph for either case", "none");
    };
    importer.branch(branch)?;
    if branch.output.len() != node.outputs() {
        return inconsistent("results of the branch", node.outputs(), branch.output.len());
    }
    for (index, output) in branch.output.iter().enumerate() {
        let operand = importer.named(node, &output.name)?;
        let kind = operand.kind;
        importer.finish_output(node, index, Identity, &[operand], kind)?;
    }
    Ok(())
}
