//! The flags of `class-model`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use deepinside::class_model::DEFAULT_RECIPE;

use super::{ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct ClassModelArguments {
    /// Classes, by index, synset or name. Several are made one after the other, or --batch at a time.
    #[arg(required_unless_present = "layer", conflicts_with = "layer")]
    pub classes: Vec<String>,
    /// Where the picture goes: a file, or for several pictures a folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Also write the image as the network reads it (channels × height × width) as .npy: a file, or a folder.
    #[arg(long, value_name = "PATH")]
    pub raw: Option<PathBuf>,
    /// Also write the ascent as an animation (.png, .gif or .webp): a file, or for several pictures a folder, for .png.
    #[arg(long, value_name = "PATH")]
    pub frames: Option<PathBuf>,
    /// After how many steps a frame is taken; by default so that there are about fifty.
    #[arg(long, value_name = "N", requires = "frames")]
    pub frame_every: Option<usize>,
    /// The random seed. Every picture of a run has it, copies count on from it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Start from this array (.npy, channels × height × width as the network reads them).
    #[arg(long, value_name = "FILE")]
    pub start: Option<PathBuf>,
    /// Make so many pictures of each, with seeds that count on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub copies: usize,
    /// Push the textures of the copies apart with this weight (in units of what is maximised); they share passes then.
    #[arg(long, value_name = "WEIGHT", requires = "copies")]
    pub diversity: Option<f64>,
    /// The value whose textures are to differ; by default the one that is maximised, or for classes the last with positions.
    #[arg(long, value_name = "NAME", requires = "diversity")]
    pub diversity_layer: Option<String>,
    /// How many pictures share passes: faster where large layers are fully connected.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub batch: usize,
    #[command(flatten)]
    pub objective: ObjectiveArguments,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct EvaluateClassModelsArguments {
    /// The second network: as --model; by default the built-in one, EfficientNet-Lite0.
    #[arg(long, value_name = "PATH")]
    pub judge: Option<PathBuf>,
    /// How many classes.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub count: usize,
    /// The random seed that draws the classes, as NumPy would, and starts the pictures.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u32,
    /// Also write every picture into this folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Also keep a line of JSON per picture, and take those that are there already: a run that was stopped goes on, one with more
    /// classes adds them.
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// What is maximised, where it is not the unnormalised score of a class.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objective")]
pub struct ObjectiveArguments {
    /// Maximise the probability of the class, or its logarithm, instead of its score. The paper says why not: probability also
    /// rises when all other classes fall.
    #[arg(long, value_enum, value_name = "KIND", conflicts_with_all = ["minus", "layer"])]
    pub probability: Option<ProbabilityChoice>,
    /// Maximise the score minus that of this class.
    #[arg(long, value_name = "CLASS", conflicts_with = "layer")]
    pub minus: Option<String>,
    /// Maximise a layer: half the mean square of its activations ("DeepDream"), unless one of the flags below picks a part. The
    /// name is that of a value, as `deepinside graph` lists them.
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// The mean of one channel of the layer.
    #[arg(long, value_name = "N", requires = "layer", group = "part")]
    pub channel: Option<usize>,
    /// One element of the layer, counted in C order, or as CHANNEL,ROW,COLUMN.
    #[arg(long, value_name = "POSITION", requires = "layer", group = "part", value_delimiter = ',')]
    pub neuron: Vec<usize>,
    /// The scalar product with a direction among the layer's channels (.npy, as many numbers as channels).
    #[arg(long, value_name = "FILE", requires = "layer", group = "part")]
    pub direction: Option<PathBuf>,
    /// Meet the activations that this photograph has in the layer (feature inversion, Mahendran and Vedaldi 2014).
    #[arg(long, value_name = "PHOTOGRAPH", requires = "layer", group = "part")]
    pub invert: Option<PathBuf>,
}

/// How a picture is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub struct RecipeArguments {
    /// A recipe: transfer (the pictures that other networks recognise best), lucid, yosinski, paper, original, or a .toml file
    /// that changes one of them.
    #[arg(long, default_value = DEFAULT_RECIPE, value_name = "NAME|FILE")]
    pub recipe: String,
    /// The number of steps.
    #[arg(long, value_name = "N")]
    pub iterations: Option<usize>,
    /// The step: what the gradient is multiplied with, or the optimiser's own learning rate. For plain ascent the gradient is
    /// measured in units of SqueezeNet v1.1's, unless `--set gradient_scale=1` takes it as it is.
    #[arg(long, value_name = "NUMBER")]
    pub learning_rate: Option<f64>,
    /// The λ of the penalty λ‖I‖², in the same unit. The paper's recipe ties its step to it.
    #[arg(long, value_name = "NUMBER")]
    pub lambda: Option<f64>,
    /// The weight of the total variation.
    #[arg(long, value_name = "NUMBER")]
    pub total_variation: Option<f64>,
    /// By how many pixels the picture is moved at random before every step, at most.
    #[arg(long, value_name = "PIXELS")]
    pub jitter: Option<f64>,
    /// At how many sizes the picture is worked out, from coarse to fine.
    #[arg(long, value_name = "N")]
    pub octaves: Option<usize>,
    /// Change any number of the recipe (docs/methods/class-model.md lists them). May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// Which probability is maximised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbabilityChoice {
    /// The probability itself.
    Plain,
    /// Its logarithm.
    Logarithm,
}
