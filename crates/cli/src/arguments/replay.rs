//! The flags of `replay`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// The record of a run, as --record wrote it.
    pub recorded: PathBuf,
    /// Write the results into this folder, which is new or empty; by default a new one, replay-1 or the next that is free.
    #[arg(long, value_name = "FOLDER", conflicts_with = "in_place")]
    pub into: Option<PathBuf>,
    /// Replace the results of the first run where they differ; only files that still are as the record says are replaced.
    #[arg(long)]
    pub in_place: bool,
    /// Print the comparison as one JSON object.
    #[arg(long)]
    pub json: bool,
}
