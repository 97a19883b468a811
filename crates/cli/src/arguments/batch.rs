//! The flags of `deepinside batch`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use deepinside::drawing::ColourMap;
use deepinside::vision::Crop;
use deepinside_jobs::batch::Shard;
use deepinside_jobs::output::Format;

use super::{MethodArguments, ModelArguments};

#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// Explain photographs by any method of `explain`.
    Explain(BatchExplainArguments),
    /// Find the objects of photographs.
    #[command(visible_alias = "localize")]
    Localise(BatchLocaliseArguments),
    /// Name what photographs show.
    Classify(BatchClassifyArguments),
    /// Write what a layer computes of photographs.
    Activations(BatchActivationsArguments),
    /// Put the results of all shards of a job into one folder.
    Merge(BatchMergeArguments),
}

/// Which photographs, and where the results go.
#[derive(Debug, Args)]
pub struct JobArguments {
    /// Photographs, folders, patterns, lists (.txt with a path a line, .csv, .tsv), WebDataset shards (.tar), Parquet files, or - for a
    /// list from standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<OsString>,
    /// The folder of the results. A job that was stopped goes on there when it is given again.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// How results are written: jsonl (rows alone), png or jpeg (a picture for each row), npy (an array for each row), zarr (one
    /// array of all rows), parquet or webdataset (rows with their arrays).
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: Format,
    /// How many rows the results have in each of their files or folders; shards have whole ones.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rows_per_file: u64,
    /// Only this of several shards, INDEX/COUNT with the index from 0: as 0/4, 1/4, 2/4, 3/4.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub shard: Option<Shard>,
    /// At most so many photographs, the first ones.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// With --limit: not the first ones but a random choice, which depends on their names and this seed alone.
    #[arg(long, value_name = "SEED", requires = "limit")]
    pub sample: Option<u64>,
    /// Stop at the first photograph without a result. Otherwise its row has the reason.
    #[arg(long)]
    pub fail_fast: bool,
    /// The column of a table with the photographs.
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// The column of a table, or the ending of a shard's members (cls), that says what each photograph is explained for.
    #[arg(long, value_name = "NAME")]
    pub target_column: Option<String>,
    /// The folder that relative paths of lists start at; by default the current one.
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// How many photographs are looked at at the same time; as many as there are cores by default. It never changes a result.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    pub threads: usize,
    /// Print what came out as one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BatchExplainArguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// How: a name that `explain --list` shows.
    #[arg(long, value_name = "NAME", default_value = "gradient")]
    pub method: String,
    /// A parameter of the method, NAME=VALUE; arrays are .npy files. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The layer that the method looks at.
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// What is explained, as for `explain`; by default the most probable class of each photograph.
    #[arg(short, long, value_name = "TARGET")]
    pub target: Option<String>,
    /// The part of a photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
    /// The colours of pictures: grey, hot, jet, viridis, inferno, blue-white-red.
    #[arg(long, value_name = "NAME", default_value = "inferno", alias = "color-map")]
    pub colour_map: ColourMap,
    /// How many classes a row names.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub top: usize,
    #[command(flatten)]
    pub model: ModelArguments,
}

#[derive(Debug, Args)]
pub struct BatchLocaliseArguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// How many classes are localised where no column names one.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    #[command(flatten)]
    pub method: MethodArguments,
    #[command(flatten)]
    pub model: ModelArguments,
}

#[derive(Debug, Args)]
pub struct BatchClassifyArguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// How many classes a row names.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub top: usize,
    /// The part of a photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
    #[command(flatten)]
    pub model: ModelArguments,
}

#[derive(Debug, Args)]
pub struct BatchActivationsArguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// The layer, by the name of its value.
    #[arg(long, value_name = "NAME")]
    pub layer: String,
    /// How many classes a row names.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub top: usize,
    /// The part of a photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
    #[command(flatten)]
    pub model: ModelArguments,
}

#[derive(Debug, Args)]
pub struct BatchMergeArguments {
    /// The folders of all shards.
    #[arg(required = true, value_name = "FOLDER")]
    pub shards: Vec<PathBuf>,
    /// The folder of the whole job's results, which must be empty or not exist.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: PathBuf,
}
