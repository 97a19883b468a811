//! The flags of `localise`, and of every command that localises.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use deepinside::attribution::USUAL_DEVIATION;

use super::{CropChoice, ModelArguments, Rule, RunArguments};

/// How an object is found.
#[derive(Debug, Args)]
#[command(next_help_heading = "Method")]
pub struct MethodArguments {
    /// A named method: default, paper, paper-literal, energy, mean, value, guided-energy, layer-cam, grad-cam, grad-cam-mean.
    /// The flags below change it.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub method: String,
    /// What rectifiers do on the way back; of several rules' maps (gradient,guided) the geometric mean is taken.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "RULES")]
    pub rules: Vec<Rule>,
    /// The class activation map that is multiplied in, or stands alone where the method has no rules.
    #[arg(long, value_enum, value_name = "MAP")]
    pub cam: Option<CamChoice>,
    /// The layers of the class activation map, by the names of their values; by default the last one before the score for
    /// Grad-CAM, and the last one of each resolution for LayerCAM.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub layer: Vec<String>,
    /// The crops whose maps are averaged: whole, ten, or one crop's name.
    #[arg(long, value_name = "CROPS")]
    pub crops: Option<CropChoice>,
    /// Average the gradients of so many noisy copies (SmoothGrad).
    #[arg(long, value_name = "N")]
    pub smooth_grad: Option<usize>,
    /// The deviation of their noise, as a share of the input's range.
    #[arg(long, default_value_t = USUAL_DEVIATION, value_name = "0…1", requires = "smooth_grad")]
    pub noise: f64,
    /// The random seed of their noise.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "smooth_grad")]
    pub seed: u64,
    /// The deviation of the Gaussian that smooths the map, as a share of the photograph's longer side.
    #[arg(long, value_name = "SHARE")]
    pub smoothing: Option<f64>,
    /// Choose pixels by their value: those that reach this share of the range.
    #[arg(long, value_name = "0…1", group = "pixels")]
    pub value: Option<f64>,
    /// Choose the pixels that hold this share of the map's sum.
    #[arg(long, value_name = "0…1", group = "pixels")]
    pub energy: Option<f64>,
    /// Choose pixels that reach this multiple of the mean.
    #[arg(long, value_name = "MULTIPLE", group = "pixels")]
    pub mean_multiple: Option<f64>,
    /// Choose the box with the largest expected overlap, where a pixel that reaches this multiple of the mean surely belongs to
    /// the object.
    #[arg(long, value_name = "MULTIPLE", group = "pixels")]
    pub overlap: Option<f64>,
    /// Choose pixels by a graph cut, as the method "paper" does, with the flags below.
    #[arg(long, group = "pixels")]
    pub cut: bool,
    /// Graph cut: pixels above this quantile of the map are foreground.
    #[arg(long, value_name = "0…1")]
    pub foreground_quantile: Option<f64>,
    /// Graph cut: pixels below this quantile are background.
    #[arg(long, value_name = "0…1")]
    pub background_quantile: Option<f64>,
    /// Graph cut: how often the colour models are learnt again from the labels.
    #[arg(long, value_name = "N")]
    pub refinements: Option<usize>,
    /// Graph cut: whether the marked pixels keep their label.
    #[arg(long, value_name = "BOOL")]
    pub clamped: Option<bool>,
    /// Graph cut: what a border between equal colours costs.
    #[arg(long, value_name = "NUMBER")]
    pub smoothness: Option<f64>,
    /// Graph cut: how strongly the map itself speaks for a pixel, in nats per factor e.
    #[arg(long, value_name = "NUMBER")]
    pub saliency_weight: Option<f64>,
    /// Graph cut: where the map speaks for neither side, as a multiple of its mean.
    #[arg(long, value_name = "MULTIPLE")]
    pub neutral: Option<f64>,
    /// Which of the chosen pixels count.
    #[arg(long, value_enum)]
    pub keep: Option<KeepChoice>,
    /// Only connected regions count whose summed saliency is at least this share of the strongest one's.
    #[arg(long, value_name = "0…1", conflicts_with = "keep")]
    pub strong: Option<f64>,
}

/// A class activation map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CamChoice {
    /// None.
    None,
    /// Channels weighed by the mean of their gradient (Selvaraju et al. 2017).
    GradCam,
    /// Channels weighed by their positive gradient at each position (Jiang et al. 2021).
    LayerCam,
}

/// Which of the chosen pixels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepChoice {
    /// The largest connected region.
    Largest,
    /// All.
    All,
}

#[derive(Debug, Args)]
pub struct LocaliseArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required = true)]
    pub photographs: Vec<OsString>,
    /// Where the picture goes: a file, or for several photographs a folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Also write the best class's pixels, white on black, as .png: a file, or for several photographs a folder.
    #[arg(long, value_name = "PATH")]
    pub mask: Option<PathBuf>,
    /// Also write the best class's map (height × width of the photograph) as .npy: a file, or a folder.
    #[arg(long, value_name = "PATH")]
    pub raw: Option<PathBuf>,
    /// Also write what was known before a graph cut (the paper's figure 3: object blue, background cyan, unknown red) as .png: a
    /// file, or a folder.
    #[arg(long, value_name = "PATH")]
    pub markers: Option<PathBuf>,
    /// Also write all boxes and the best class's pixels into one COCO file (JSON).
    #[arg(long, value_name = "FILE")]
    pub coco: Option<PathBuf>,
    /// Also write the boxes of each photograph as PASCAL VOC's XML into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub voc: Option<PathBuf>,
    /// The class to find, by index, synset or name; by default the most probable ones.
    #[arg(short, long)]
    pub class: Option<String>,
    /// How many of the most probable classes get a box.
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "class")]
    pub top: usize,
    #[command(flatten)]
    pub method: MethodArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
