//! The input times the gradient: what each number contributes where the network were linear (Shrikumar and others 2016).

use deepinside_files::Array;

use super::gradient::Backward;
use crate::attribution::{Attribution, Entry, Method, Runner};
use crate::{BackwardRule, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "input-x-gradient",
    aliases: &["gradient-x-input", "gradient-times-input"],
    title: "input × gradient",
    summary: "The gradient times the input, as the network reads it.",
    source: "Shrikumar, Greenside, Shcherbina, Kundaje 2016, Not Just a Black Box",
    parameters: &[],
    layers: false,
    make: |_, _| Ok(Box::new(InputXGradient)),
};

#[derive(Debug)]
struct InputXGradient;

impl Method for InputXGradient {
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let mut attribution = Backward { rule: BackwardRule::Gradient }.attribute(runner, input, target)?;
        let gradient = attribution.values.data_mut();
        gradient.iter_mut().zip(input.data()).for_each(|(gradient, number)| *gradient *= number);
        Ok(attribution)
    }
}
