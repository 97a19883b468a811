//! Attributions: how much each part of a picture, or of a layer, contributes to a [`Target`].
//!
//! Data go one way: a target, a method from [`METHODS`], a [`Runner`], an [`Attribution`]. Every door finds methods with their
//! parameters, ranges, defaults and help in that table, and knows none by name.
//!
//! ```no_run
//! use std::sync::Arc;
//! use deepinside::attribution::{Choices, Runner, method};
//! use deepinside::{Model, Target, Threads};
//!
//! # fn main() -> deepinside::Result<()> {
//! let model = Arc::new(Model::open("resnet50.onnx")?);
//! let photograph = model.load_photograph("cat.jpg".as_ref())?;
//! let input = model.input_of(&photograph, model.crop)?;
//! let mut runner = Runner::new(Arc::clone(&model), Threads::new(0)?);
//! let integrated = method("integrated-gradients")?.make(&model, &Choices::default())?;
//! let attribution = integrated.attribute(&mut runner, &input, &Target::class(281))?;
//! println!("{:?}", attribution.values.shape());
//! # Ok(())
//! # }
//! ```

mod baseline;
mod cost;
mod enough;
mod linear_algebra;
mod masks;
pub mod methods;
pub mod metrics;
mod parameter;
mod passed;
mod patches;
mod presets;
pub mod report;
mod runner;
mod secants;

use std::fmt;

use deepinside_files::Array;
use deepinside_graph::ValueId;

pub use self::cost::Passes;
pub use self::enough::Samples;
pub use self::methods::{METHODS, USUAL_DEVIATION, method};
pub use self::parameter::{Choices, Default, Given, Kind, Parameter, Values};
pub use self::passed::Passed;
pub use self::presets::{PRESET, PRESETS, Preset, presets_of};
pub use self::runner::{Pass, Runner};
use crate::{Error, Model, Result, Target};

/// A way to attribute.
pub trait Method: fmt::Debug + Send + Sync {
    /// The kind of pass that the method makes of the input itself, if there is one: prepared first ([`Runner::expect`]), it also serves
    /// the choice of the target, and the input goes forward once.
    fn pass(&self, _model: &Model) -> Option<Pass> {
        None
    }

    /// How many passes it takes for an input, at most. What a request costs is estimated from that before the first of them.
    ///
    /// # Errors
    /// When the input or a parameter does not fit.
    fn passes(&self, _model: &Model, _input: &Array) -> Result<Passes> {
        Ok(Passes::new(1, 1))
    }

    /// How much each part of the input, or of a layer, contributes to the target. `input` is what the network reads, `C × H × W`.
    ///
    /// # Errors
    /// When the input does not fit the network, a parameter does not fit the input, or the runner was interrupted.
    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution>;

    /// The same for several layers, one attribution each; methods that look at no layer give one.
    ///
    /// # Errors
    /// As [`Method::attribute`].
    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        Ok(vec![self.attribute(runner, input, target)?])
    }
}

/// What a method found.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Signed where the method is; neither scaled nor smoothed. `C × H × W` for the input's numbers, `H × W` for its pixels, rows ×
    /// columns for a layer's positions.
    pub values: Array,
    /// The layer whose positions they are; none for the input.
    pub layer: Option<ValueId>,
    /// The standard error of each value, where it is a mean over random samples.
    pub standard_error: Option<Array>,
    /// How many random samples were taken, where it was asked when they are enough (the parameter `until`).
    pub samples: Option<Samples>,
    /// How far the values are from adding up to what they explain, where they should.
    pub completeness: Option<Completeness>,
    /// What must be known about them, in whole sentences.
    pub notes: Vec<String>,
}

/// Whether attributions add up to the change of the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completeness {
    /// The sum of all values.
    pub sum: f64,
    /// The target's number for the input minus that for the baseline.
    pub difference: f64,
}

impl Completeness {
    /// What the sum is off by.
    pub fn residual(&self) -> f64 {
        self.sum - self.difference
    }
}

impl Attribution {
    /// Values of the input, and nothing else.
    pub fn of_input(values: Array) -> Self {
        Self {
            values,
            layer: None,
            standard_error: None,
            samples: None,
            completeness: None,
            notes: Vec::new(),
        }
    }

    /// One number a pixel or position: the largest magnitude over channels, as in Simonyan, Vedaldi, Zisserman 2013, §3.1, where
    /// there are channels; else the values.
    ///
    /// # Errors
    /// When the values have more than three axes.
    pub fn map(&self) -> Result<Array> {
        match self.values.shape().len() {
            2 => Ok(self.values.clone()),
            _ => largest_magnitude(&self.values),
        }
    }
}

/// The largest magnitude over the channels of a `C × H × W` gradient: `H × W`.
///
/// # Errors
/// When the array does not have three axes.
pub fn largest_magnitude(gradient: &Array) -> Result<Array> {
    let &[_, height, width] = gradient.shape() else {
        return Err(Error::Option(format!("a gradient has three axes, found shape {:?}", gradient.shape())));
    };
    let mut map = vec![0.0f32; height * width];
    for channel in gradient.data().chunks_exact((height * width).max(1)) {
        for (largest, number) in map.iter_mut().zip(channel) {
            let magnitude = number.abs();
            // NaN is kept: a map must not hide that something is wrong. A choice instead of a branch keeps this vectorised.
            *largest = if magnitude.is_nan() | (magnitude > *largest) { magnitude } else { *largest };
        }
    }
    Ok(Array::new([height, width], map)?)
}

/// One method of the table.
#[derive(Debug)]
pub struct Entry {
    /// What it is called in every door.
    pub name: &'static str,
    /// What else it is called.
    pub aliases: &'static [&'static str],
    /// What it is called in a sentence.
    pub title: &'static str,
    /// What it computes, in one sentence.
    pub summary: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// What can be chosen.
    pub parameters: &'static [Parameter],
    /// Whether it looks at layers that can be chosen.
    pub layers: bool,
    /// Makes it.
    pub(crate) make: fn(&Model, &Values) -> Result<Box<dyn Method>>,
}

impl Entry {
    /// The method with these choices.
    ///
    /// # Errors
    /// When a parameter is unknown or out of its range, or the network has no such layer.
    pub fn make(&self, model: &Model, choices: &Choices) -> Result<Box<dyn Method>> {
        let (choices, preset) = presets::expand(self, choices)?;
        let method = (self.make)(model, &Values::resolve(self, model, &choices)?)?;
        Ok(Box::new(Noted { method, preset }))
    }
}

/// A method that says which preset it follows, and where it found nothing: a map of zeros must not pass for an answer.
#[derive(Debug)]
struct Noted {
    method: Box<dyn Method>,
    preset: Option<String>,
}

impl Method for Noted {
    fn passes(&self, model: &Model, input: &Array) -> Result<Passes> {
        self.method.passes(model, input)
    }

    fn pass(&self, model: &Model) -> Option<Pass> {
        self.method.pass(model)
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        Ok(self.noted(self.method.attribute(runner, input, target)?))
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        let found = self.method.attribute_layers(runner, input, target)?;
        Ok(found.into_iter().map(|found| self.noted(found)).collect())
    }
}

impl Noted {
    fn noted(&self, mut found: Attribution) -> Attribution {
        if found.notes.is_empty() && found.values.data().iter().all(|&number| number == 0.0) {
            found.notes.push(
                "the attribution is zero everywhere: this method finds nothing that changes the target"
                    .to_owned(),
            );
        }
        found.notes.extend(found.samples.map(|samples| samples.sentence()));
        found.notes.extend(self.preset.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_largest_magnitude_over_channels_and_keeps_nan() {
        let gradient = Array::new([2, 1, 3], vec![1.0, -2.0, f32::NAN, -3.0, 0.5, 1.0]).unwrap();
        let map = largest_magnitude(&gradient).unwrap();
        assert_eq!(map.shape(), [1, 3]);
        assert_eq!(map.data()[..2], [3.0, 2.0]);
        assert!(map.data()[2].is_nan());
    }
}
