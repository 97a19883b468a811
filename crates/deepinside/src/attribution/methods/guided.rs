//! Guided backpropagation: see [`BackwardRule::Guided`].

use super::gradient::Backward;
use crate::BackwardRule;
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "guided",
    aliases: &["guided-backprop"],
    title: "guided backpropagation",
    summary: "The gradient, but rectifiers pass back only what is positive where their argument was positive.",
    source: "Springenberg, Dosovitskiy, Brox, Riedmiller 2014, Striving for Simplicity",
    parameters: &[],
    layers: false,
    make: |_, _| Ok(Box::new(Backward { rule: BackwardRule::Guided })),
};
