//! The table of metrics, which say how far an attribution can be believed: one file each.

mod completeness;
mod deletion;
mod infidelity;
mod insertion;
mod max_sensitivity;
mod perturbation_curve;
mod pixel_flipping;
mod randomisation;
mod road;
mod sensitivity_n;
mod sparseness;
mod statistics;

use std::collections::BTreeMap;
use std::fmt;

use deepinside_files::Array;

pub(super) use self::statistics::rank_correlation;
use super::parameter::{Choices, Parameter, Values};
use super::{Method, Runner};
use crate::{Error, Result, Target, expect_finite};

/// A measure of an attribution.
pub trait Metric: fmt::Debug + Send + Sync {
    /// Measures `map`, an attribution of the target for the input: one number a pixel (`H × W`), or one a number of the input
    /// (`C × H × W`). Metrics that compare it with the attribution of another input or network make that by `method`.
    ///
    /// # Errors
    /// When shapes do not fit, or as a [`Runner`]'s passes.
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        method: &dyn Method,
    ) -> Result<Measure>;
}

/// What a metric found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measure {
    /// The number.
    pub value: f64,
    /// The target's numbers, or others, that it is made of.
    pub curve: Option<Vec<f64>>,
    /// Further numbers by name.
    pub details: BTreeMap<&'static str, Vec<f64>>,
}

impl Measure {
    fn of(value: f64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// One metric of the table.
#[derive(Debug)]
pub struct MetricEntry {
    /// What it is called in every door.
    pub name: &'static str,
    /// What it is called in a sentence.
    pub title: &'static str,
    /// What it measures, in one sentence, and whether more is better.
    pub summary: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// What can be chosen.
    pub parameters: &'static [Parameter],
    pub(crate) make: fn(&Values) -> Result<Box<dyn Metric>>,
}

impl MetricEntry {
    /// The metric with these choices.
    ///
    /// # Errors
    /// When a parameter is unknown or out of its range.
    pub fn make(&self, choices: &Choices) -> Result<Box<dyn Metric>> {
        Ok(Box::new(Finite((self.make)(&Values::of(self.name, self.parameters, choices)?)?)))
    }
}

/// A metric that refuses attributions with numbers that are not finite: sorted they come first or last, whatever they say.
#[derive(Debug)]
struct Finite(Box<dyn Metric>);

impl Metric for Finite {
    fn measure(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
        map: &Array,
        method: &dyn Method,
    ) -> Result<Measure> {
        expect_finite(|| "the numbers of the attribution".to_owned(), map.data())?;
        self.0.measure(runner, input, target, map, method)
    }
}

/// All metrics, in the order in which they are listed.
pub static METRICS: &[MetricEntry] = &[
    deletion::ENTRY,
    insertion::ENTRY,
    pixel_flipping::ENTRY,
    road::ENTRY,
    infidelity::ENTRY,
    sensitivity_n::ENTRY,
    max_sensitivity::ENTRY,
    randomisation::ENTRY,
    completeness::ENTRY,
    sparseness::ENTRY,
];

/// The metric of a name.
///
/// # Errors
/// When there is none; all are named.
pub fn metric(name: &str) -> Result<&'static MetricEntry> {
    METRICS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = METRICS.iter().map(|entry| entry.name).collect();
        Error::Option(format!("there is no metric '{name}'; there are {}", names.join(", ")))
    })
}

/// One number a pixel: the map, or the sum over its channels.
fn per_pixel(map: &Array, input: &Array) -> Result<Vec<f64>> {
    let pixels: usize = input.shape()[1..].iter().product();
    if !map.shape().ends_with(&input.shape()[1..]) || !map.data().len().is_multiple_of(pixels) {
        return Err(Error::Option(format!(
            "the attribution has one number for each pixel or number of the input, whose shape is {:?}, found {:?}",
            input.shape(),
            map.shape()
        )));
    }
    let mut sums = vec![0.0; pixels];
    for channel in map.data().chunks_exact(pixels) {
        sums.iter_mut().zip(channel).for_each(|(sum, &number)| *sum += f64::from(number));
    }
    Ok(sums)
}

/// One number for each number of the input.
fn per_number<'a>(map: &'a Array, input: &Array) -> Result<&'a [f32]> {
    if map.data().len() != input.data().len() {
        return Err(Error::Option(format!(
            "this metric needs an attribution of the input's shape {:?}, found {:?}",
            input.shape(),
            map.shape()
        )));
    }
    Ok(map.data())
}

/// Several arrays of the input's shape that were given one behind the other.
fn stacked<'a>(given: &'a Array, input: &Array, name: &str) -> Result<std::slice::ChunksExact<'a, f32>> {
    let size = input.data().len();
    if !given.data().len().is_multiple_of(size) || !given.shape().ends_with(input.shape()) {
        return Err(Error::Option(format!(
            "'{name}' is number × C × H × W for an input of shape {:?}, found {:?}",
            input.shape(),
            given.shape()
        )));
    }
    Ok(given.data().chunks_exact(size))
}
