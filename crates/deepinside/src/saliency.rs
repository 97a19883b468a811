//! Class saliency maps (Simonyan, Vedaldi, Zisserman 2013, §3.1).
//!
//! To first order the class score is linear in the picture, `S_c(I) ≈ wᵀ I + b` with `w = ∂S_c/∂I`: the magnitude of `w`
//! tells which pixels need to be changed the least to change the score the most. For a colour picture the saliency of a
//! pixel is the largest magnitude over its channels, `M_ij = max_c |w_ijc|`.

use deepinside_files::Array;
use deepinside_vision::{Crop, Photograph};

use crate::attribution::{Pass, Runner, largest_magnitude};
use crate::classify::{Classification, Prediction, mean_scores, prediction};
use crate::{BackwardRule, Error, Model, Result, Target};

/// Which of a photograph's classes maps are made for, from which part of it, and how.
#[derive(Debug, Clone)]
pub struct SaliencyOptions {
    /// The classes.
    pub wanted: Wanted,
    /// The class whose score is subtracted: the maps are then of the margin between the two.
    pub minus: Option<usize>,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// The part of the photograph; the model's own when not given.
    pub crop: Option<Crop>,
    /// Whether the class is chosen by the mean of Caffe's ten crops, as the original project's `predict` chose it.
    pub ten_crop_prediction: bool,
    /// Whether what a mirrored crop shows stays mirrored, as the original project drew it. Otherwise it is turned back.
    pub stays_mirrored: bool,
}

impl Default for SaliencyOptions {
    /// The paper's map of the most probable class.
    fn default() -> Self {
        Self {
            wanted: Wanted::Top(1),
            minus: None,
            rule: BackwardRule::Gradient,
            crop: None,
            ten_crop_prediction: false,
            stays_mirrored: false,
        }
    }
}

impl SaliencyOptions {
    /// The original project's recipe: `predict` averages ten crops and leaves the tenth, the mirrored centre, in the
    /// network, so that is the crop whose gradient is shown.
    pub fn original() -> Self {
        let crop = Some(Crop::MirroredCentre);
        Self { crop, ten_crop_prediction: true, stays_mirrored: true, ..Self::default() }
    }
}

/// The classes whose maps are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// These.
    Classes(Vec<usize>),
    /// So many of the most probable ones, by what the model says of its own crop.
    Top(usize),
}

impl Wanted {
    /// The classes of a photograph.
    pub fn of(&self, model: &Model, classification: &Classification) -> Vec<usize> {
        match self {
            Self::Classes(classes) => classes.clone(),
            Self::Top(count) => {
                classification.top(model, *count).into_iter().map(|best| best.index).collect()
            }
        }
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
    /// Whether these three are mirrored, as the network read the photograph.
    pub is_mirrored: bool,
}

impl Saliency {
    /// The map in its photograph's frame, height × width, and the pixels that the crop shows, row-major; elsewhere the map is 0 and
    /// says nothing.
    ///
    /// # Errors
    /// When the crop does not fit into the photograph.
    pub fn in_photograph(&self, model: &Model, photograph: &Photograph) -> Result<(Array, Vec<bool>)> {
        let mut frame = model.frame(photograph, self.crop)?;
        frame.region.mirrored = self.is_mirrored;
        Ok((frame.place(&self.map)?, frame.seen()?))
    }
}

/// Computes the class saliency maps of one photograph, of all classes from one forward pass.
///
/// # Errors
/// When a class does not exist, the crop does not fit, numbers are not finite, or the runner was interrupted.
pub fn saliency(
    runner: &mut Runner,
    photograph: &Photograph,
    options: &SaliencyOptions,
) -> Result<Vec<Saliency>> {
    let model = runner.model().clone();
    let crop = options.crop.unwrap_or(model.crop);
    let mut input = model.input_of(photograph, crop)?;
    let pass = Pass::to_input(&model, options.rule);
    // So that what chooses the class and what explains it share a forward pass.
    runner.expect(&pass, &Target::class(0))?;
    let classification = if options.ten_crop_prediction {
        let mut scores = Vec::new();
        for crop in Crop::TEN {
            scores.push(runner.scores(model.input_of(photograph, crop)?.data())?);
        }
        let mean = mean_scores(&scores).ok_or_else(|| Error::Model("no crop was looked at".to_owned()))?;
        Classification::from_scores(mean)
    } else if crop == model.crop {
        Classification::from_scores(runner.scores(input.data())?)
    } else {
        runner.classify(photograph)?
    };
    let scores = runner.scores(input.data())?;
    let classes = options.wanted.of(&model, &classification);
    let targets = classes.iter().map(|&class| Target::of_classes(&model, class, options.minus));
    let targets: Vec<Target> = targets.collect::<Result<_>>()?;
    let mut gradients = Vec::with_capacity(targets.len());
    runner.each_target(
        &pass,
        &targets,
        1,
        &|_| input.data().to_vec(),
        &|passed| passed.input_gradient(),
        &mut |_, _, gradient| {
            gradients.push(gradient);
            Ok(())
        },
    )?;
    let is_chosen = matches!(options.wanted, Wanted::Top(_)) && !options.ten_crop_prediction;
    let other_choice = classification.other_choice(&model, &scores).filter(|_| is_chosen);
    let top = classification.top(&model, 5);
    let is_turned_back = crop.is_mirrored() && !options.stays_mirrored;
    if is_turned_back {
        [&mut input].into_iter().chain(&mut gradients).for_each(mirror);
    }
    let one = |(class, gradient): (usize, Array)| {
        Ok(Saliency {
            class: prediction(&model, &scores, class),
            top: top.clone(),
            other_choice: other_choice.clone(),
            crop,
            map: largest_magnitude(&gradient)?,
            input: input.clone(),
            gradient,
            is_mirrored: crop.is_mirrored() && !is_turned_back,
        })
    };
    classes.into_iter().zip(gradients).map(one).collect()
}

/// Reverses the columns of an array: what a mirrored crop shows, turned back.
pub fn mirror(array: &mut Array) {
    let width = array.shape().last().copied().unwrap_or(1).max(1);
    array.data_mut().chunks_exact_mut(width).for_each(<[f32]>::reverse);
}
