//! The flags of `deepinside exemplars`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use deepinside::vision::Crop;
use deepinside_jobs::batch::Shard;

use super::{BatchMergeArguments, ModelArguments};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExemplarsArguments {
    #[command(subcommand)]
    pub command: Option<ExemplarsCommand>,
    #[command(flatten)]
    pub find: FindExemplarsArguments,
}

#[derive(Debug, Subcommand)]
pub enum ExemplarsCommand {
    /// Put the exemplars of all shards into one folder.
    Merge(BatchMergeArguments),
}

#[derive(Debug, Args)]
pub struct FindExemplarsArguments {
    /// Photographs, folders, patterns, lists, WebDataset shards or Parquet files, as for `batch`.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<OsString>,
    /// The folder of the results. A run that was stopped goes on there when it is given again.
    #[arg(short, long, value_name = "FOLDER", required = true)]
    pub out: Option<PathBuf>,
    /// A layer, by the name of its value. May be given several times.
    #[arg(long, value_name = "NAME", required_unless_present = "all")]
    pub layer: Vec<String>,
    /// All layers.
    #[arg(long, conflicts_with = "layer")]
    pub all: bool,
    /// How many photographs are kept for each unit.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub top: u16,
    /// The part of a photograph: centre, mirrored-centre, whole, top-left, …
    #[arg(long, value_name = "CROP")]
    pub crop: Option<Crop>,
    /// Only this of several shards, INDEX/COUNT with the index from 0.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub shard: Option<Shard>,
    /// At most so many photographs, the first ones.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// With --limit: a random choice, which depends on the photographs' names and this seed alone.
    #[arg(long, value_name = "SEED", requires = "limit")]
    pub sample: Option<u64>,
    /// How many photographs are looked at at the same time; as many as there are cores by default. It never changes a result.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    pub threads: usize,
    #[command(flatten)]
    pub model: ModelArguments,
}
