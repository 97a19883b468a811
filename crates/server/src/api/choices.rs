//! What requests choose from: crops, rules, and classes.

use deepinside::BackwardRule;
use deepinside::classify::Prediction;
use deepinside::vision::Crop;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Answer, Problem};

/// A part of a photograph, or the mean over Caffe's ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CropChoice {
    /// The middle of the resized photograph.
    Centre,
    /// The whole photograph, its proportions given up.
    Whole,
    /// The top left corner.
    TopLeft,
    /// The top right corner.
    TopRight,
    /// The bottom left corner.
    BottomLeft,
    /// The bottom right corner.
    BottomRight,
    /// The middle, mirrored left to right.
    MirroredCentre,
    /// The top left corner, mirrored.
    MirroredTopLeft,
    /// The top right corner, mirrored.
    MirroredTopRight,
    /// The bottom left corner, mirrored.
    MirroredBottomLeft,
    /// The bottom right corner, mirrored.
    MirroredBottomRight,
    /// The mean over Caffe's ten crops.
    Ten,
}

impl CropChoice {
    /// The crops.
    pub fn crops(self) -> Vec<Crop> {
        vec![match self {
            Self::Ten => return Crop::TEN.to_vec(),
            Self::Centre => Crop::Centre,
            Self::Whole => Crop::Whole,
            Self::TopLeft => Crop::TopLeft,
            Self::TopRight => Crop::TopRight,
            Self::BottomLeft => Crop::BottomLeft,
            Self::BottomRight => Crop::BottomRight,
            Self::MirroredCentre => Crop::MirroredCentre,
            Self::MirroredTopLeft => Crop::MirroredTopLeft,
            Self::MirroredTopRight => Crop::MirroredTopRight,
            Self::MirroredBottomLeft => Crop::MirroredBottomLeft,
            Self::MirroredBottomRight => Crop::MirroredBottomRight,
        }]
    }
}

/// What rectifiers do on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleChoice {
    /// The true gradient.
    #[default]
    Gradient,
    /// DeconvNet (Zeiler and Fergus 2013).
    Deconvnet,
    /// Guided backpropagation (Springenberg and others 2014).
    Guided,
    /// Smooth gates: units that are nearly active take part.
    Smooth,
}

impl RuleChoice {
    /// What the command line calls it; none for what it does without being told.
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Gradient => None,
            Self::Deconvnet => Some("deconvnet"),
            Self::Guided => Some("guided"),
            Self::Smooth => Some("smooth"),
        }
    }
}

impl From<RuleChoice> for BackwardRule {
    fn from(rule: RuleChoice) -> Self {
        match rule {
            RuleChoice::Gradient => Self::Gradient,
            RuleChoice::Deconvnet => Self::DeconvNet,
            RuleChoice::Guided => Self::Guided,
            RuleChoice::Smooth => Self::Smooth,
        }
    }
}

/// A class with what the network thinks of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"index": 285, "synset": "n02124075", "name": "Egyptian cat", "score": 8.4, "probability": 0.61}))]
pub struct ClassScore {
    /// The class.
    pub index: usize,
    /// Its WordNet synset, where the names state one.
    pub synset: Option<String>,
    /// Its name.
    pub name: String,
    /// The unnormalised score.
    pub score: f32,
    /// The probability.
    pub probability: f32,
}

impl From<Prediction> for ClassScore {
    fn from(prediction: Prediction) -> Self {
        let Prediction { index, synset, name, score, probability } = prediction;
        Self { index, synset, name, score, probability }
    }
}

/// Checks that a number lies in its range; says the same as the document.
///
/// # Errors
/// When it does not.
pub fn expect_within<N: PartialOrd + std::fmt::Display + Copy>(
    name: &str,
    number: N,
    least: N,
    most: N,
) -> Answer<()> {
    // NaN is in no range.
    if number >= least && number <= most {
        Ok(())
    } else {
        Err(Problem::unfit(format!("{name}: {least} to {most} is expected, found {number}")))
    }
}
