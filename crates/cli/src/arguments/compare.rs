//! The flags of `compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use deepinside::vision::Crop;

use super::{ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required = true)]
    pub photographs: Vec<OsString>,
    /// Where the figure goes: a file, or for several photographs a folder.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Also write the signed gradients (channels × height × width, not scaled) as .npy into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub raw: Option<PathBuf>,
    /// Print how far the rules differ at every operator between the picture and the unit; a figure is then drawn only where
    /// --output names one.
    #[arg(long)]
    pub table: bool,
    /// Which quantile of the magnitudes is shown brightest, so that single pixels do not darken a picture; 1 is the largest.
    #[arg(long, value_name = "0…1", default_value_t = 0.99)]
    pub quantile: f32,
    #[command(flatten)]
    pub unit: UnitArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// Which unit is looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Unit")]
pub struct UnitArguments {
    /// The class whose score is the unit, by index, synset or name; by default the most probable one.
    #[arg(short, long, conflicts_with = "layer")]
    pub class: Option<String>,
    /// A value of the network instead, as `deepinside graph` lists them.
    #[arg(long, value_name = "NAME", requires = "channel")]
    pub layer: Option<String>,
    /// The channel of that value.
    #[arg(long, value_name = "N", requires = "layer")]
    pub channel: Option<usize>,
    /// The position in that channel, as ROW,COLUMN; by default the most active one.
    #[arg(long, value_name = "ROW,COLUMN", requires = "layer", value_delimiter = ',')]
    pub position: Vec<usize>,
    /// The part of the photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
}
