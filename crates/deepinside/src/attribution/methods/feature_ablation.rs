//! Feature ablation: how much the target falls where one segment is replaced by the baseline.

use deepinside_files::Array;

use crate::attribution::baseline::{BASELINE, baseline};
use crate::attribution::masks::{SEGMENTS, SUPERPIXELS, Segments};
use crate::attribution::parameter::Values;
use crate::attribution::patches::numbers_of_boxes;
use crate::attribution::{Attribution, Entry, Method, Passes, Runner};
use crate::{Model, Result, Target};

pub(super) const ENTRY: Entry = Entry {
    name: "feature-ablation",
    aliases: &[],
    title: "feature ablation",
    summary: "How much the target falls where one segment of the input is hidden.",
    source: "as Captum's FeatureAblation; Zeiler and Fergus 2013, §4.2, with segments for windows",
    parameters: &[SEGMENTS, SUPERPIXELS, BASELINE],
    layers: false,
    make: |_, values| Ok(Box::new(FeatureAblation { values: values.clone() })),
};

#[derive(Debug)]
struct FeatureAblation {
    values: Values,
}

impl Method for FeatureAblation {
    fn passes(&self, model: &Model, input: &Array) -> Result<Passes> {
        Ok(Passes::of_changes(Segments::of(&self.values, model, input)?.count() + 1))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        let segments = Segments::of(&self.values, runner.model(), input)?;
        let baseline = baseline(&self.values, input)?;
        let without = |hidden: usize| segments.apply(input, &baseline, |segment| segment != hidden);
        let (whole, numbers) = numbers_of_boxes(runner, input, target, &segments.boxes(), &without)?;
        let falls: Vec<f64> = numbers.iter().map(|number| whole - number).collect();
        Ok(Attribution::of_input(Array::new(&input.shape()[1..], segments.spread(&falls))?))
    }
}
