//! Class saliency maps (Simonyan, Vedaldi, Zisserman 2013, §3.1).
//!
//! To first order the class score is linear in the picture, `S_c(I) ≈ wᵀ I + b` with `w = ∂S_c/∂I`: the magnitude of `w`
//! tells which pixels need to be changed the least to change the score the most. For a colour picture the saliency of a
//! pixel is the largest magnitude over its channels, `M_ij = max_c |w_ijc|`.

use deepinside_vision::overlay::into_photograph_frame;
use deepinside_vision::unseen::seen_in;
use deepinside_vision::{Array, Crop, Photograph};

use crate::classify::{Classification, Prediction, mean_scores, prediction};
use crate::{Error, Model, Result, ScoreRunner};

/// Which of a photograph's classes a map is made for, and from which part of it.
#[derive(Debug, Clone, Default)]
pub struct SaliencyOptions {
    /// The class; the most probable one of the model's own crop when not given.
    pub class: Option<usize>,
    /// The class whose score is subtracted: the map is then of the margin between the two.
    pub minus: Option<usize>,
    /// The part of the photograph; the model's own when not given.
    pub crop: Option<Crop>,
    /// Whether the class is chosen by the mean of Caffe's ten crops, as the original project's `predict` chose it.
    pub ten_crop_prediction: bool,
}

impl SaliencyOptions {
    /// The original project's recipe: `predict` averages ten crops and leaves the tenth, the mirrored centre, in the
    /// network, so that is the crop whose gradient is shown.
    pub fn original(class: Option<usize>) -> Self {
        Self { class, minus: None, crop: Some(Crop::MirroredCentre), ten_crop_prediction: true }
    }
}

/// A class saliency map with what it was made from.
#[derive(Debug, Clone)]
pub struct Saliency {
    /// The class, with its score for this crop.
    pub class: Prediction,
    /// The most probable classes, by the model's own crop.
    pub top: Vec<Prediction>,
    /// What this crop says, where the class was not named and this crop would have chosen another.
    pub other_choice: Option<Prediction>,
    /// The part of the photograph.
    pub crop: Crop,
    /// What the network read, `C × H × W`.
    pub input: Array,
    /// The gradient of the class score with respect to it, `C × H × W`.
    pub gradient: Array,
    /// The saliency map, `H × W`, not scaled.
    pub map: Array,
}

impl Saliency {
    /// The map in its photograph's frame, height × width, and the pixels that the crop shows, row-major; elsewhere the map is 0 and
    /// says nothing.
    ///
    /// # Errors
    /// When the crop does not fit into the photograph.
    pub fn in_photograph(&self, model: &Model, photograph: &Photograph) -> Result<(Array, Vec<bool>)> {
        let region = model.region(photograph, self.crop)?;
        let (height, width) = (photograph.height(), photograph.width());
        let map = into_photograph_frame(&self.map, region, height, width, 0.0)?;
        Ok((map, seen_in(&[region], height, width)?))
    }
}

/// The classes whose maps are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// These.
    Classes(Vec<usize>),
    /// So many of the most probable ones.
    Top(usize),
}

/// Computes the class saliency map of one photograph. The runner must have been made with a backward rule.
///
/// # Errors
/// When the class does not exist or the crop does not fit.
pub fn saliency(
    model: &Model,
    runner: &mut ScoreRunner,
    photograph: &Photograph,
    options: &SaliencyOptions,
) -> Result<Saliency> {
    let wanted = options.class.map_or(Wanted::Top(1), |class| Wanted::Classes(vec![class]));
    let first = saliencies(model, runner, photograph, options, &wanted)?.into_iter().next();
    first.ok_or_else(|| Error::Model(format!("'{}' has no class", model.name)))
}

/// Computes the maps of several classes of one photograph from one forward pass; the class in the options is not looked at.
///
/// # Errors
/// As [`saliency`].
pub fn saliencies(
    model: &Model,
    runner: &mut ScoreRunner,
    photograph: &Photograph,
    options: &SaliencyOptions,
    wanted: &Wanted,
) -> Result<Vec<Saliency>> {
    let crop = options.crop.unwrap_or(model.crop);
    let first = |array: Array| -> Result<Array> {
        let extents = array.shape()[1..].to_vec();
        Ok(Array::new(extents.clone(), array.data()[..extents.iter().product()].to_vec())?)
    };
    let input = first(model.inputs(photograph, &[crop])?)?;
    let classification = if options.ten_crop_prediction {
        let mut scores = Vec::new();
        for crop in Crop::TEN {
            scores.push(runner.forward(model.inputs(photograph, &[crop])?.data())?);
        }
        let mean = mean_scores(&scores).ok_or_else(|| Error::Model("no crop was looked at".to_owned()))?;
        Classification::from_scores(mean)
    } else if crop == model.crop {
        Classification::from_scores(runner.scores(input.data())?)
    } else {
        Classification::of(model, photograph, |own| runner.scores(own))?
    };
    let scores = runner.scores(input.data())?;
    let classes = wanted.among(&classification.top(model, usize::MAX));
    let is_chosen = matches!(wanted, Wanted::Top(_)) && !options.ten_crop_prediction;
    let other_choice = classification.other_choice(model, &scores).filter(|_| is_chosen);
    if let Some(&index) = classes.iter().chain(&options.minus).find(|&&class| class >= model.score.classes) {
        return Err(Error::ClassOutOfRange { index, classes: model.score.classes });
    }
    let top = classification.top(model, 5);
    let one = |class: usize| {
        let gradient = match options.minus {
            Some(minus) => runner.gradient_of_difference(class, minus)?,
            None => runner.gradient(class)?,
        };
        Ok(Saliency {
            class: prediction(model, &scores, class),
            top: top.clone(),
            other_choice: other_choice.clone(),
            crop,
            map: largest_magnitude(&gradient)?,
            input: input.clone(),
            gradient,
        })
    };
    classes.into_iter().map(one).collect()
}

impl Wanted {
    /// The classes, where all are ranked.
    pub fn among(&self, ranked: &[Prediction]) -> Vec<usize> {
        match self {
            Self::Classes(classes) => classes.clone(),
            Self::Top(count) => ranked.iter().take(*count).map(|prediction| prediction.index).collect(),
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
