//! The gradient of the target with respect to the input (Simonyan, Vedaldi, Zisserman 2013, §3.1, equation 4).

use deepinside_files::Array;

use crate::attribution::{Attribution, Entry, Method, Pass, Runner};
use crate::{BackwardRule, Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "gradient",
    aliases: &["saliency", "vanilla-gradient"],
    title: "gradient",
    summary: "How fast the target changes with each number of the input.",
    source: "Simonyan, Vedaldi, Zisserman 2013, Deep Inside Convolutional Networks, §3.1",
    parameters: &[],
    layers: false,
    make: |_, _| Ok(Box::new(Backward { rule: BackwardRule::Gradient })),
};

/// One backward pass to the input by a rule.
#[derive(Debug)]
pub(super) struct Backward {
    pub rule: BackwardRule,
}

impl Method for Backward {
    fn pass(&self, model: &Model) -> Option<Pass> {
        Some(Pass::to_input(model, self.rule))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        Ok(Attribution::of_input(runner.gradient(self.rule, target, input.data())?))
    }
}
