//! The flags of `deepinside layers`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{GradientArguments, MapScaling, ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct LayersArguments {
    /// Photographs; patterns such as 'photos/*.jpg' are expanded.
    #[arg(required = true)]
    pub photographs: Vec<OsString>,
    /// The folder for the pictures: one per layer, and two contact sheets.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Also write activations and gradients as .npy into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub raw: Option<PathBuf>,
    /// The class whose score is differentiated, by index, synset or name; by default the most probable one.
    #[arg(short, long)]
    pub class: Option<String>,
    /// How the maps of a layer, all together, become brightness.
    #[arg(long, visible_alias = "normalize", value_enum, default_value_t = MapScaling::Range)]
    pub normalise: MapScaling,
    /// What `deepinside exemplars` found: also writes for each layer a sheet of the units that the photograph excites most, in comparison
    /// with the data set, beside the photographs that excite them most.
    #[arg(long, value_name = "FOLDER", requires = "exemplar_photographs")]
    pub exemplars: Option<PathBuf>,
    /// The photographs that --exemplars are of, as they were given to `deepinside exemplars`. May be given several times.
    #[arg(long = "photographs", value_name = "INPUT", requires = "exemplars")]
    pub exemplar_photographs: Vec<OsString>,
    /// With --exemplars: how many units of each layer.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "exemplars", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub units: u16,
    /// With --exemplars: the method of the picture, by a name of `explain --list`, whose map of the unit stands beside what it sees; the
    /// gradient by default.
    #[arg(long, value_name = "NAME", requires = "exemplars")]
    pub method: Option<String>,
    /// With --method: a parameter, NAME=VALUE; arrays are .npy files. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", requires = "method")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub gradient: GradientArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
