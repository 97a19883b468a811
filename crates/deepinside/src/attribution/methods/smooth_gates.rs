//! Smooth gates: see [`BackwardRule::Smooth`].

use super::gradient::Backward;
use crate::BackwardRule;
use crate::attribution::Entry;

pub(super) const ENTRY: Entry = Entry {
    name: "smooth-gates",
    aliases: &[],
    title: "smooth gates",
    summary: "The gradient, but rectifiers pass back a share that grows smoothly with their argument; the derivative of no score.",
    source: "after Wang, Tong, He 2023, Rethinking the Backward Propagation for Adversarial Transferability",
    parameters: &[],
    layers: false,
    make: |_, _| Ok(Box::new(Backward { rule: BackwardRule::Smooth })),
};
