//! The flags of `evaluate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::class_model::EvaluateClassModelsArguments;
use super::report::EvaluateFaithfulnessArguments;
use super::{CropChoice, MethodArguments, ModelArguments, RunArguments};

#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// How often a box is right: intersection over union with a true one at least ½ (ILSVRC), and MaxBoxAcc.
    #[command(visible_alias = "localization")]
    Localisation(EvaluateLocalisationArguments),
    /// How often the map's maximum lies in a true box, exactly and within 15 pixels (the pointing game).
    Pointing(EvaluateLocalisationArguments),
    /// How often the class is right: top-1 and top-5.
    Classification(EvaluateClassificationArguments),
    /// Which method's maps tell most about the network: deletion and insertion over many pictures, beside maps that know nothing of it.
    Faithfulness(EvaluateFaithfulnessArguments),
    /// How often a second network names the class of a class model: a network's own opinion of what it made means nothing.
    ClassModels(EvaluateClassModelsArguments),
}

/// Which pictures, and what is known of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ground truth")]
pub struct GroundTruthArguments {
    /// What is known: a JSON array of {"file", "width", "height", "class_index", "boxes": [[left, top, right, bottom], …]}; a COCO
    /// file; or a folder of XML files as ImageNet and PASCAL VOC have them. The latter two's classes are found by synset or name.
    #[arg(long, value_name = "PATH")]
    pub ground_truth: PathBuf,
    /// The folder of the pictures, where they do not lie beside it.
    #[arg(long, value_name = "FOLDER")]
    pub pictures: Option<PathBuf>,
}

/// Where the figures go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct ReportArguments {
    /// Keep the result of every picture in this file, one JSON object a line. A run with the same settings goes on where an earlier
    /// one was stopped.
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// Also write the figures as comma-separated values.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Also write the figures as a Markdown table.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct EvaluateLocalisationArguments {
    #[command(flatten)]
    pub ground_truth: GroundTruthArguments,
    /// Compare with another named method on the same pictures: the difference of the errors with its interval.
    #[arg(long, value_name = "NAME")]
    pub versus: Option<String>,
    /// Also write a report with the best and the worst pictures, one HTML file that needs no other.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub report: ReportArguments,
    #[command(flatten)]
    pub method: MethodArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Debug, Args)]
pub struct EvaluateClassificationArguments {
    #[command(flatten)]
    pub ground_truth: GroundTruthArguments,
    /// The part of the photograph: centre, whole, top-left, …, or "ten" for the mean of Caffe's ten crops.
    #[arg(long, value_name = "CROP")]
    pub crop: Option<CropChoice>,
    /// Also write a report: which classes are taken for which, and the worst photographs with what speaks for the wrong class and
    /// against the right one. One HTML file that needs no other.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub report: ReportArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
