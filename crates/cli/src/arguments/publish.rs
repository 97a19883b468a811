//! The flags of `deepinside publish`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{ModelArguments, RecipeArguments};

#[derive(Debug, Args)]
pub struct PublishArguments {
    /// Photographs that say what excites units and what classes are taken for: folders, patterns, lists, WebDataset shards or Parquet
    /// files, as for `batch`. Without one, the site shows what the network alone says.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<OsString>,
    /// The folder of the site. A run that was stopped goes on there when it is given again.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// A layer, by the name of its value. May be given several times.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "stages"])]
    pub layer: Vec<String>,
    /// All layers: thousands of pictures in most networks.
    #[arg(long, conflicts_with = "stages")]
    pub all: bool,
    /// The last layer of each of so many stages, from the network's end; a stage computes maps of one size.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub stages: usize,
    /// How many units of each layer have a picture, the first ones; all by default.
    #[arg(long, value_name = "N")]
    pub units: Option<usize>,
    /// The classes that have a page: indices, ranges of them, synsets or names, separated by commas (0-99,151,goose), or none. All by
    /// default.
    #[arg(long, value_name = "LIST")]
    pub classes: Option<String>,
    /// Exemplars that `deepinside exemplars` found of the same photographs, instead of finding them here.
    #[arg(long, value_name = "FOLDER", requires = "inputs")]
    pub exemplars: Option<PathBuf>,
    /// How many photographs are shown of each unit and of each class.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub top: u16,
    /// The random seed. Every picture has it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// At most so many photographs, the first ones.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// With --limit: a random choice, which depends on the photographs' names and this seed alone.
    #[arg(long, value_name = "SEED", requires = "limit")]
    pub sample: Option<u64>,
    /// The column of a table with the photographs.
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// The column of a table, or the ending of a shard's members (cls), that says what each photograph shows.
    #[arg(long, value_name = "NAME")]
    pub target_column: Option<String>,
    /// The folder that relative paths of lists start at; by default the current one.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Say how much there is to do, how long that takes and how large the site is, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How many pictures are made at the same time; as many as there are cores by default. It never changes a result.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    pub threads: usize,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub model: ModelArguments,
}
