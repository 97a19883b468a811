//! The flags of `deepinside check`.

use std::path::PathBuf;

use clap::Args;

use super::{ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The photograph at which gradients are checked; a made-up picture by default.
    pub photograph: Option<PathBuf>,
    /// Also list every operator with how far its gradient is from finite differences.
    #[arg(long)]
    pub table: bool,
    /// The random seed that draws the directions of the finite differences.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
