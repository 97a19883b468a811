//! DeconvNet: see [`BackwardRule::DeconvNet`].

use super::gradient::Backward;
use crate::BackwardRule;
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "deconvnet",
    aliases: &["deconvolution"],
    title: "DeconvNet",
    summary: "The gradient, but rectifiers pass back only what is positive.",
    source: "Zeiler and Fergus 2013, Visualizing and Understanding Convolutional Networks",
    parameters: &[],
    layers: false,
    make: |_, _| Ok(Box::new(Backward { rule: BackwardRule::DeconvNet })),
};
