//! The flags of `deepinside graph`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct GraphArguments {
    /// What is written.
    #[arg(long, value_enum, default_value_t = GraphFormat::Table)]
    pub format: GraphFormat,
    /// The file; standard output by default.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// How a network is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A line for each layer.
    Table,
    /// A drawing.
    Svg,
    /// A description for Graphviz.
    Dot,
}
