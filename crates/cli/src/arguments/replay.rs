//! The flags of `replay`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// The record of a run, as --record wrote it.
    pub recorded: PathBuf,
    /// Write the results into this folder and leave those of the first run alone.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    /// Print the comparison as one JSON object.
    #[arg(long)]
    pub json: bool,
}
