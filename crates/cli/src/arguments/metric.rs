//! The flags of `deepinside metric`.

use std::path::PathBuf;

use clap::Args;
use deepinside::attribution::metrics::METRICS;

use super::{ModelArguments, RunArguments};

#[derive(Debug, Args)]
pub struct MetricArguments {
    #[arg(help = names())]
    pub name: String,
    /// The input as the network reads it (.npy, C × H × W or 1 × C × H × W), whose height and width the network takes.
    #[arg(long, value_name = "FILE")]
    pub array: PathBuf,
    /// The attribution that is measured (.npy, H × W or C × H × W); made by --method where it is not given.
    #[arg(long, value_name = "FILE")]
    pub attribution: Option<PathBuf>,
    /// What the attribution explains, as for `explain`: 281 measures the score, p(281) the probability.
    #[arg(short, long, value_name = "TARGET")]
    pub target: String,
    /// A parameter of the metric, NAME=VALUE; arrays are .npy files. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The method that made the attribution, for metrics that make another one: max-sensitivity and randomisation.
    #[arg(long, value_name = "NAME", default_value = "gradient")]
    pub method: String,
    /// A parameter of the method, NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    pub method_set: Vec<String>,
    /// A layer that the method looks at.
    #[arg(long, value_name = "NAME")]
    pub layer: Vec<String>,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// The metrics of the library's table.
fn names() -> String {
    METRICS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}
