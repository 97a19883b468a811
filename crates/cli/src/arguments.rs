//! The flags, as clap reads them.

mod atlas;
mod batch;
mod check;
mod class_model;
mod compare;
mod evaluation;
mod exemplars;
mod explain;
mod graph;
mod layers;
mod localisation;
mod metric;
mod model;
mod publish;
mod replay;
mod report;
mod saliency;
mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use deepinside::drawing::normalise::Scaling;
use deepinside::vision::{ChannelOrder, Crop, Interpolation};
use deepinside::{
    BackwardRule, FurtherInput, InputSettings, MeanSetting, Precision, ScaleSetting, Settings, Size,
};

pub use self::atlas::AtlasArguments;
pub use self::batch::{
    BatchActivationsArguments, BatchClassifyArguments, BatchCommand, BatchExplainArguments,
    BatchLocaliseArguments, BatchMergeArguments, JobArguments,
};
pub use self::check::CheckArguments;
pub use self::class_model::{
    ClassModelArguments, EvaluateClassModelsArguments, ObjectiveArguments, ProbabilityChoice, RecipeArguments,
};
pub use self::compare::{CompareArguments, UnitArguments};
pub use self::evaluation::{
    EvaluateClassificationArguments, EvaluateCommand, EvaluateLocalisationArguments, GroundTruthArguments,
    ReportArguments,
};
pub use self::exemplars::{ExemplarsArguments, ExemplarsCommand, FindExemplarsArguments};
pub use self::explain::{ExplainArguments, described, listed, method_help};
pub use self::graph::{GraphArguments, GraphFormat};
pub use self::layers::LayersArguments;
pub use self::localisation::{CamChoice, KeepChoice, LocaliseArguments, MethodArguments};
pub use self::metric::MetricArguments;
pub use self::model::ModelCommand;
pub use self::publish::PublishArguments;
pub use self::replay::ReplayArguments;
pub use self::report::{CardArguments, ComparedArguments, EvaluateFaithfulnessArguments};
pub use self::saliency::{Maps, SaliencyArguments};
pub use self::serve::{ListenAddress, ServeArguments};

/// Lists examples below a command's help.
macro_rules! examples {
    ($($example:literal),+ $(,)?) => {
        concat!("Examples:", $("\n  ", $example),+)
    };
}

/// Look inside trained ConvNets: class models, class saliency maps, activations and gradients of every layer.
#[derive(Debug, Parser)]
#[command(name = "deepinside", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// The command line. A number below zero is a flag's value, which the command may refuse by name, and no unknown flag.
pub fn program() -> clap::Command {
    fn with_negative_numbers(command: clap::Command) -> clap::Command {
        let allow = |argument: clap::Arg| {
            let is_flag_with_value = !argument.is_positional() && argument.get_action().takes_values();
            if is_flag_with_value { argument.allow_negative_numbers(true) } else { argument }
        };
        command.mut_args(allow).mut_subcommands(with_negative_numbers)
    }
    with_negative_numbers(Arguments::command())
}

/// The same with the help that these words ask for: that of `explain` describes the method that they name.
pub fn program_for(words: &[OsString]) -> clap::Command {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match method_help(&words) {
        Some(help) => program().mut_subcommand("explain", |explain| explain.before_help(help)),
        None => program(),
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Name what a photograph shows.
    #[command(after_help = examples!("deepinside classify -m deploy.prototxt --weights squeezenet.caffemodel cat.jpg dog.jpg"))]
    Classify(ClassifyArguments),
    /// Show which pixels of a photograph the score of a class depends on (Simonyan et al. 2013, §3.1): the paper's map of one pass,
    /// and one that is easier to read. --one-pass, --crop, --rule, --recipe, --ten-crops, --smooth-grad and --smoothing say how one
    /// map is made, which is then shown alone.
    #[command(after_help = examples!(
        "deepinside saliency -m models/squeezenet cat.jpg -o cat-saliency.png",
        "deepinside saliency cat.jpg --one-pass --raw cat.npy",
        "deepinside saliency -m models/caffenet cat.jpg --class tabby --recipe original --raw cat.npy",
        "deepinside saliency cat.jpg --ten-crops --smoothing 0.02 --view overlay -o cat-overlay.png",
        "deepinside saliency cat.jpg --ten-crops --top 5 -o cat-maps/",
        "deepinside saliency cat.jpg --class tabby --minus 'Egyptian cat' -o tabby-not-egyptian.png",
        "deepinside saliency -m models/caffenet 'photos/*.jpg' --view overlay -o maps/"
    ))]
    Saliency(SaliencyArguments),
    /// Explain what a network computes, by any method: gradients, class activation maps, integrated gradients, occlusion, …
    #[command(after_help = examples!(
        "deepinside explain cat.jpg --method integrated-gradients -o cat-integrated.png",
        "deepinside explain cat.jpg --method grad-cam --layer fire8/concat --target 'tabby - tiger cat' -m squeezenet-1.1",
        "deepinside explain -m network.onnx --array x.npy --target 'map[15,:,:]' --method smooth-grad --set samples=50 --raw map.npy",
        "deepinside explain --list",
        "deepinside explain --method integrated-gradients --help"
    ))]
    Explain(ExplainArguments),
    /// Measure how far an attribution can be believed.
    #[command(after_help = examples!(
        "deepinside metric deletion -m resnet50.onnx --array x.npy --attribution map.npy --target 'p(281)' --json",
        "deepinside metric randomisation --array x.npy --target 281 --method guided"
    ))]
    Metric(MetricArguments),
    /// Compare methods on one photograph: each one's picture, how far it can be believed, and a verdict in a sentence.
    #[command(after_help = examples!(
        "deepinside report cat.jpg -o cat-report.html",
        "deepinside report cat.jpg --method grad-cam --method rise:samples=500 --target tabby --json"
    ))]
    Report(CardArguments),
    /// Find the object: its outline and box, from saliency alone (Simonyan et al. 2013, §3.2).
    #[command(visible_alias = "localize", after_help = examples!(
        "deepinside localise cat.jpg -o cat-localised.png",
        "deepinside localise -m models/squeezenet cat.jpg --method paper --class tabby --mask cat-mask.png --json",
        "deepinside localise 'photos/*.jpg' --top 5 -o boxes/ --coco boxes.json --voc boxes/"
    ))]
    Localise(LocaliseArguments),
    /// Look at a whole data set: explain, localise or classify every photograph, or write activations. A job that is stopped, however
    /// that happens, goes on where it was, and several machines may share one.
    #[command(subcommand, after_help = examples!(
        "deepinside batch explain photos/ --out maps/ --format png",
        "deepinside batch explain labels.csv --target-column label --method integrated-gradients --out maps/ --format webdataset",
        "deepinside batch classify 'shards/*.tar' --target-column cls --out classes/",
        "deepinside batch explain photos/ --shard 0/4 --rows-per-file 100 --out maps-0/",
        "deepinside batch merge maps-0/ maps-1/ maps-2/ maps-3/ --out maps/"
    ))]
    Batch(BatchCommand),
    /// Find the photographs of a data set that excite each unit of a network most.
    #[command(after_help = examples!(
        "deepinside exemplars photos/ --all --top 16 --out exemplars/",
        "deepinside exemplars photos/ --layer fire9/concat --shard 0/2 --out part-0/ -m models/squeezenet",
        "deepinside exemplars merge part-0/ part-1/ --out exemplars/"
    ))]
    Exemplars(ExemplarsArguments),
    /// Make a static site of a network: every unit with its picture and the photographs that excite it most, every class with its model,
    /// its photographs and what it is taken for. It opens from a disk, and a run that was stopped goes on.
    #[command(after_help = examples!(
        "deepinside publish --out site/",
        "deepinside publish photos/ --exemplars exemplars/ --stages 3 --recipe lucid --iterations 128 --out site/",
        "deepinside publish labels.csv --target-column label --layer fire9/concat --classes 0-99 --out site/ -m models/squeezenet",
        "deepinside publish --all --dry-run --out site/"
    ))]
    Publish(PublishArguments),
    /// Measure how well a method does on pictures whose answers are known.
    #[command(subcommand, after_help = examples!(
        "deepinside evaluate localisation -m models/squeezenet --ground-truth boxes.json --method paper --json",
        "deepinside evaluate localisation --ground-truth VOC2012/Annotations --versus grad-cam --html report.html",
        "deepinside evaluate classification --ground-truth instances.json --pictures val2017 --crop ten --details classes.jsonl"
    ))]
    Evaluate(EvaluateCommand),
    /// Make the picture that maximises a class score (Simonyan et al. 2013, §2), or any other unit of the network.
    #[command(after_help = examples!(
        "deepinside class-model goose -o goose.png",
        "deepinside class-model goose ostrich -m models/squeezenet --recipe paper -o birds/",
        "deepinside class-model 281 --recipe lucid --set rotation=20 --frames growing.gif -o tabby.png",
        "deepinside class-model -m models/caffenet 281 --recipe original --iterations 20 --seed 7 -o tabby.png",
        "deepinside class-model -m models/squeezenet --layer fire5/concat --channel 12 --copies 4 --diversity 10 -o unit/"
    ))]
    ClassModel(ClassModelArguments),
    /// Make a sheet of the class models of many classes; goes on where an earlier attempt stopped.
    #[command(after_help = examples!(
        "deepinside atlas --recipe lucid -o atlas.png",
        "deepinside atlas -m models/squeezenet --classes 0-99,goose --folder birds/ -o birds.png"
    ))]
    Atlas(AtlasArguments),
    /// Show the activations and gradients of every layer for a photograph (Simonyan et al. 2013, §4).
    #[command(after_help = examples!(
        "deepinside layers -m models/caffenet cat.jpg -o cat-layers/",
        "deepinside layers -m models/caffenet cat.jpg --class tabby --rule guided -o cat-guided/"
    ))]
    Layers(LayersArguments),
    /// Show any unit's gradient beside DeconvNet and guided backpropagation, and where they differ (Simonyan et al. 2013, §4).
    #[command(after_help = examples!(
        "deepinside compare cat.jpg -o cat-compared.png",
        "deepinside compare cat.jpg -m models/squeezenet --layer fire4/concat --channel 12 -o unit.png --raw unit/",
        "deepinside compare cat.jpg -m models/caffenet --table"
    ))]
    Compare(CompareArguments),
    /// Write every number of a network as .npy files, named and shaped as Caffe's Python interface shows them.
    #[command(after_help = examples!(
        "deepinside trace --model net.prototxt --weights net.caffemodel --input data=in.npy --seed fc8:281=1.0 --out trace/"
    ))]
    Trace(TraceArguments),
    /// Make the results of a recorded run again, in a new folder, and compare.
    #[command(after_help = examples!(
        "deepinside saliency cat.jpg -o cat-saliency.png --record run.json",
        "deepinside replay run.json",
        "deepinside replay run.json --into again/",
        "deepinside replay run.json --in-place"
    ))]
    Replay(ReplayArguments),
    /// Say what is known and what is assumed about a model.
    #[command(after_help = examples!("deepinside info -m deploy.prototxt --weights squeezenet.caffemodel"))]
    Info(InfoArguments),
    /// Check that the gradients of a network can be trusted: by finite differences, operator by operator and as a whole, alone and
    /// among other pictures, and run after run.
    #[command(after_help = examples!(
        "deepinside check -m my-network.onnx",
        "deepinside check -m deploy.prototxt --weights my.caffemodel cat.jpg --table",
        "deepinside check -m my-network.onnx --json"
    ))]
    Check(CheckArguments),
    /// Show the network: its layers as a table with what they compute, or as a drawing.
    #[command(after_help = examples!(
        "deepinside graph -m resnet50.onnx",
        "deepinside graph -m resnet50.onnx --format svg -o resnet50.svg",
        "deepinside graph --format dot | dot -Tpdf -o network.pdf"
    ))]
    Graph(GraphArguments),
    /// Known networks: list them, fetch them, check them, and give names to your own.
    #[command(subcommand, after_help = examples!(
        "deepinside model list",
        "deepinside model pull squeezenet-1.1",
        "deepinside saliency cat.jpg -m squeezenet-1.1",
        "deepinside model add ~/networks/birds.onnx"
    ))]
    Model(ModelCommand),
    /// Measure how fast a network runs here, forward and backward to the picture.
    #[command(after_help = examples!(
        "deepinside bench",
        "deepinside bench -m benches/networks/caffenet.prototxt --random-weights 1 --profile",
        "deepinside bench -m resnet50.onnx --batch 16 --threads 2 --json"
    ))]
    Bench(BenchArguments),
    /// Open a local page in the browser that shows all of this, live.
    #[command(after_help = examples!(
        "deepinside serve --open",
        "deepinside serve -m resnet50.onnx -m models/caffenet",
        "deepinside serve --address 0.0.0.0:8080"
    ))]
    Serve(ServeArguments),
    /// Print completions for a shell.
    #[command(after_help = examples!("deepinside completions bash > ~/.local/share/bash-completion/completions/deepinside"))]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder.
    Manual {
        /// The folder; it is made if it does not exist.
        folder: PathBuf,
    },
}

/// Which model, and how photographs become its input.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArguments {
    /// A network (.onnx, or .prototxt with --weights), a folder with a model.toml, or a name that `deepinside model list`
    /// knows. By default "built-in": EfficientNet-Lite0, trained on ImageNet.
    #[arg(short, long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// The weights (.caffemodel).
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The class names: a file with one a line or in JSON, or "ilsvrc2012".
    #[arg(long, value_name = "FILE")]
    pub labels: Option<String>,
    /// The value that holds the class scores, where it cannot be found by itself.
    #[arg(long, value_name = "NAME")]
    pub score: Option<String>,
    /// The mean: numbers in the network's channel order (104,117,123), or a .npy or .binaryproto file.
    #[arg(long, value_name = "MEAN")]
    pub mean: Option<MeanSetting>,
    /// Resize photographs before a crop is cut: the shorter side (256), or HEIGHTxWIDTH.
    #[arg(long, value_name = "SIZE")]
    pub resize: Option<Size>,
    /// Change the size of the network's input (227, or HEIGHTxWIDTH).
    #[arg(long, value_name = "SIZE")]
    pub input_size: Option<Size>,
    /// The order of the network's channels: bgr, rgb or grey.
    #[arg(long, value_name = "ORDER", value_parser = deepinside::parse_channel_order)]
    pub channel_order: Option<ChannelOrder>,
    /// What [0, 1] is multiplied by before the mean is subtracted.
    #[arg(long, value_name = "NUMBER")]
    pub raw_scale: Option<f32>,
    /// What the difference is multiplied by: one number, or one per channel (4.37,4.46,4.44).
    #[arg(long, value_name = "NUMBERS")]
    pub scale: Option<ScaleSetting>,
    /// How photographs are resized: pillow-bilinear or pillow-bicubic as torchvision does, anti-aliased as Caffe does today,
    /// or bilinear as Caffe did in 2015.
    #[arg(long, value_name = "MODE")]
    pub interpolation: Option<Interpolation>,
    /// The numbers of an input beside the picture: a .npy file, or one number for all of it (sigma=0.5). May be given several times.
    #[arg(long = "input", value_name = "NAME=FILE.npy", value_parser = further_input)]
    pub inputs: Vec<(String, FurtherInput)>,
    /// Let a model.toml name files outside of its own folder.
    #[arg(long)]
    pub outside_files: bool,
    /// The most memory for the numbers of one run, in MiB, weights not counted. Where keeping what the backward pass reads
    /// would take more, parts of the forward pass are computed again: slower, with the same bits. Without it, the numbers and operations of
    /// a run are bounded in proportion to the network's weights and picture.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory_limit: Option<u32>,
    /// Give the network random weights of this seed, calibrated so that as many units are silent as in trained networks: for
    /// timing, and for seeing what of a map is not due to what the network has learnt. A .prototxt then needs no --weights, and
    /// an .onnx file may list its weights as inputs.
    #[arg(long, value_name = "SEED")]
    pub random_weights: Option<u64>,
}

impl ModelArguments {
    /// The flags as settings, which win over a model.toml. What they leave open is as in the original project, or as today.
    pub fn settings(&self, original: bool) -> Settings {
        Settings {
            original,
            weights: self.weights.clone(),
            labels: self.labels.clone(),
            score: self.score.clone(),
            further_inputs: self.inputs.clone(),
            outside_files: self.outside_files,
            memory_limit: self.memory_limit.map(|mebibytes| (mebibytes as usize) << 20),
            random_weights: self.random_weights,
            input: InputSettings {
                size: self.input_size,
                resize: self.resize,
                crop: None,
                channel_order: self.channel_order,
                raw_scale: self.raw_scale,
                mean: self.mean.clone(),
                scale: self.scale.clone(),
                interpolation: self.interpolation,
            },
            ..Settings::default()
        }
    }
}

/// Reads `NAME=FILE.npy` or `NAME=NUMBER`.
fn further_input(text: &str) -> Result<(String, FurtherInput), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("expected NAME=FILE.npy or NAME=NUMBER, found '{text}'"))?;
    Ok((name.to_owned(), value.parse()?))
}

/// How a command runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct RunArguments {
    /// The number of threads; all cores by default. It never changes a result.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    pub threads: usize,
    /// Print one JSON object per result to standard output.
    #[arg(long)]
    pub json: bool,
    /// Also write what was run to this file: versions, every option, hashes of all inputs and outputs. `deepinside replay` makes
    /// the same results again.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// What is differentiated, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gradient")]
pub struct GradientArguments {
    /// The part of the photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
    /// What rectifiers do on the way back.
    #[arg(long, value_enum, default_value_t = Rule::Gradient)]
    pub rule: Rule,
    /// "original" reproduces the original project: photographs are resized to 256×256 as in 2015, the mirrored centre crop is
    /// shown (the class is chosen by ten crops), and layers show the gradients that Caffe leaves under each blob's name.
    #[arg(long, value_enum, default_value_t = GradientRecipe::Plain)]
    pub recipe: GradientRecipe,
}

/// How exactly kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PrecisionChoice {
    /// As exactly as single precision sums allow.
    Exact,
    /// Faster: weights of fully connected layers in half precision, whose results are off by 2e-4 to 4e-4.
    Fast,
}

impl From<PrecisionChoice> for Precision {
    fn from(choice: PrecisionChoice) -> Self {
        match choice {
            PrecisionChoice::Exact => Self::Exact,
            PrecisionChoice::Fast => Self::Fast,
        }
    }
}

#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Pictures at a time.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub batch: usize,
    /// The pictures as the network reads them (.npy, batch × C × H × W); without it, a made-up one.
    #[arg(long, value_name = "FILE")]
    pub array: Option<PathBuf>,
    /// How exactly kernels compute.
    #[arg(long, value_enum, default_value_t = PrecisionChoice::Exact)]
    pub precision: PrecisionChoice,
    /// For how long passes are repeated.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub seconds: f64,
    /// Measure every kernel too, beside what this machine can do at most.
    #[arg(long)]
    pub profile: bool,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct ClassifyArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required = true)]
    pub photographs: Vec<OsString>,
    /// How many classes to name.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub top: usize,
    /// The part of the photograph: centre, whole, top-left, …, or "ten" for the mean of Caffe's ten crops.
    #[arg(long, value_name = "CROP")]
    pub crop: Option<CropChoice>,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct TraceArguments {
    /// The network (.onnx or .prototxt), or a folder with a model.toml.
    #[arg(short, long, value_name = "PATH")]
    pub model: PathBuf,
    /// The weights (.caffemodel).
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// An input: NAME=FILE.npy. Give one for each input of the network that no layer fills.
    #[arg(long = "input", value_name = "NAME=FILE")]
    pub inputs: Vec<String>,
    /// A top gradient: NAME=FILE.npy, or NAME:POSITION=NUMBER for one element. May be given several times.
    #[arg(long = "seed", value_name = "SEED")]
    pub seeds: Vec<String>,
    /// The folder for data_NAME.npy and diff_NAME.npy; it is made if it does not exist.
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// How exactly kernels compute.
    #[arg(long, value_enum, default_value_t = PrecisionChoice::Exact)]
    pub precision: PrecisionChoice,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct InfoArguments {
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// What a saliency picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// The photograph or its crop and the maps side by side, with axes, titles and scales.
    Figure,
    /// The map alone, of two the readable one: a pixel for each of its numbers.
    Map,
    /// The map over the photograph, of two the readable one.
    Overlay,
}

/// How numbers become brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MapScaling {
    /// The smallest number black, the largest white, as the original project does.
    Range,
    /// Zero and what is below black, the largest number white.
    Max,
    /// Zero and what is below black, the 99 % quantile of what is above zero and what is above white.
    Quantile,
    /// Zero white, blue below and red above, up to the largest magnitude.
    Signed,
}

impl From<MapScaling> for Scaling {
    fn from(scaling: MapScaling) -> Self {
        match scaling {
            MapScaling::Range => Self::MinimumMaximum,
            MapScaling::Max => Self::Maximum,
            MapScaling::Quantile => Self::Quantile(0.99),
            MapScaling::Signed => Self::Signed,
        }
    }
}

/// What rectifiers do on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// The true gradient.
    Gradient,
    /// DeconvNet (Zeiler and Fergus 2013).
    Deconvnet,
    /// Guided backpropagation (Springenberg et al. 2014).
    Guided,
    /// Smooth gates: units that are nearly active take part.
    Smooth,
}

impl From<Rule> for BackwardRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Gradient => Self::Gradient,
            Rule::Deconvnet => Self::DeconvNet,
            Rule::Guided => Self::Guided,
            Rule::Smooth => Self::Smooth,
        }
    }
}

/// How a saliency map or layer pictures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GradientRecipe {
    /// One crop, the centre unless another is named.
    Plain,
    /// As the original project's scripts.
    Original,
}

/// One crop, or the mean of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropChoice {
    /// This crop.
    One(Crop),
    /// Caffe's ten.
    Ten,
}

impl std::str::FromStr for CropChoice {
    type Err = deepinside::vision::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("ten") { Ok(Self::Ten) } else { text.parse().map(Self::One) }
    }
}

#[cfg(test)]
mod tests;
