//! The flags of `deepinside report` and `evaluate faithfulness`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use deepinside::vision::Crop;

use super::evaluation::{GroundTruthArguments, ReportArguments};
use super::{ModelArguments, RunArguments};

/// Which methods are compared, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Methods")]
pub struct ComparedArguments {
    /// A method with its parameters, NAME or NAME:PARAMETER=VALUE,PARAMETER=VALUE. May be given several times; by default gradient,
    /// smooth-grad, integrated-gradients, guided, grad-cam, layer-cam, score-cam, occlusion, rise and kernel-shap.
    #[arg(long = "method", value_name = "NAME")]
    pub methods: Vec<String>,
    /// In how many steps pixels are deleted and inserted.
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,
    /// Measure the unnormalised score and not the probability of the class.
    #[arg(long)]
    pub of_score: bool,
}

#[derive(Debug, Args)]
pub struct CardArguments {
    /// The photograph.
    #[arg(required_unless_present = "array", conflicts_with = "array")]
    pub photograph: Option<OsString>,
    /// Instead of a photograph, an array as the network reads it (.npy, C × H × W or 1 × C × H × W).
    #[arg(long, value_name = "FILE")]
    pub array: Option<PathBuf>,
    /// What is explained, as for `explain`; by default the most probable class.
    #[arg(short, long, value_name = "TARGET")]
    pub target: Option<String>,
    /// The part of the photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP", conflicts_with = "array")]
    pub crop: Option<Crop>,
    #[command(flatten)]
    pub compared: ComparedArguments,
    /// At how many depths of the network weights are randomised; 0 leaves that out.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub depths: u32,
    /// Write the report as one HTML file that needs no other.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the report as Markdown.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct EvaluateFaithfulnessArguments {
    #[command(flatten)]
    pub ground_truth: GroundTruthArguments,
    #[command(flatten)]
    pub compared: ComparedArguments,
    /// Take so many of the pictures only, spread evenly over all.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    #[command(flatten)]
    pub report: ReportArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
