//! The flags of `deepinside saliency`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use deepinside::attribution::USUAL_DEVIATION;
use deepinside::drawing::ColourMap;

use super::{GradientArguments, GradientRecipe, ModelArguments, Rule, RunArguments, View};

#[derive(Debug, Args)]
pub struct SaliencyArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required = true)]
    pub photographs: Vec<OsString>,
    /// Where the picture goes: a file, or for several photographs a folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Show the paper's map alone: the gradient of one pass, as large as the network's input.
    #[arg(long, conflicts_with_all = ["ten_crops", "smooth_grad", "smoothing"])]
    pub one_pass: bool,
    /// Also write the unscaled map (height × width) as .npy, of several the last: a file, or for several photographs a folder. NaN is
    /// where the network did not look.
    #[arg(long, value_name = "PATH")]
    pub raw: Option<PathBuf>,
    /// Also write the signed gradient as .npy, channels × height × width of the network's input: a file, or a folder. With
    /// --ten-crops, --smooth-grad or --smoothing crops × channels × height × width; of noisy copies the mean gradient.
    #[arg(long, value_name = "PATH")]
    pub raw_gradient: Option<PathBuf>,
    /// The class whose score is differentiated, by index, synset or name; by default the most probable one. May be given several
    /// times: one forward pass serves all, and results go into a folder.
    #[arg(short, long)]
    pub class: Vec<String>,
    /// Make maps of so many of the most probable classes, into a folder.
    #[arg(long, value_name = "N", conflicts_with = "class", value_parser = clap::value_parser!(u16).range(1..))]
    pub top: Option<u16>,
    /// Subtract the score of this class: which pixels speak for the one class and against the other.
    #[arg(long, value_name = "CLASS")]
    pub minus: Option<String>,
    /// What the picture shows.
    #[arg(long, value_enum, default_value_t = View::Figure)]
    pub view: View,
    /// The colours of the map: grey, hot, jet, viridis, inferno, blue-white-red.
    #[arg(long, visible_alias = "color-map", value_name = "NAME", default_value = "grey")]
    pub colour_map: ColourMap,
    /// Which quantile of the map's values above zero is shown brightest, so that single pixels do not darken it; 1 is the largest
    /// value. Default 0.99, and 1 for --recipe original.
    #[arg(long, value_name = "0…1")]
    pub quantile: Option<f32>,
    /// Average the maps of Caffe's ten crops, mirrored back and in their places: the paper's map, as large as the photograph.
    #[arg(long, conflicts_with_all = ["crop", "recipe"])]
    pub ten_crops: bool,
    /// Average the gradients of so many noisy copies (SmoothGrad); the map is as large as the photograph.
    #[arg(long, value_name = "N", conflicts_with = "recipe")]
    pub smooth_grad: Option<usize>,
    /// The deviation of their noise, as a share of the input's range.
    #[arg(long, default_value_t = USUAL_DEVIATION, value_name = "0…1", requires = "smooth_grad")]
    pub noise: f64,
    /// The random seed of their noise.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "smooth_grad")]
    pub seed: u64,
    /// Smooth the map with a Gaussian whose deviation is this share of the photograph's longer side; the map is as large as the
    /// photograph.
    #[arg(long, value_name = "SHARE", conflicts_with = "recipe")]
    pub smoothing: Option<f64>,
    #[command(flatten)]
    pub gradient: GradientArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// The maps of a saliency picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maps {
    /// The paper's and the readable one, side by side.
    OnePassAndReadable,
    /// One pass over one crop.
    OnePass,
    /// One in the photograph's frame, from several passes or smoothed.
    InPhotograph,
}

impl SaliencyArguments {
    /// Which maps are shown: both, unless a flag says how one is to be made.
    pub fn maps(&self) -> Maps {
        let GradientArguments { crop, rule, recipe } = &self.gradient;
        if self.ten_crops
            || self.smooth_grad.is_some()
            || self.smoothing.is_some_and(|smoothing| smoothing != 0.0)
        {
            Maps::InPhotograph
        } else if self.one_pass
            || self.smoothing.is_some()
            || crop.is_some()
            || *rule != Rule::Gradient
            || *recipe == GradientRecipe::Original
        {
            Maps::OnePass
        } else {
            Maps::OnePassAndReadable
        }
    }
}
