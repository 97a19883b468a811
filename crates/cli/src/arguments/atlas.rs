//! The flags of `atlas`.

use std::path::PathBuf;

use clap::Args;

use super::{ModelArguments, RecipeArguments, RunArguments};

#[derive(Debug, Args)]
pub struct AtlasArguments {
    /// The classes: indices, ranges of them, synsets or names, separated by commas (0-99,151,goose). All by default.
    #[arg(long, value_name = "LIST")]
    pub classes: Option<String>,
    /// Where the sheet goes.
    #[arg(short, long, value_name = "FILE", default_value = "atlas.png")]
    pub output: PathBuf,
    /// The folder for the pictures themselves, one per class, from which an interrupted atlas goes on; by default that of the sheet's
    /// name with -tiles.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The random seed. Every picture has it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// How many pictures share passes: faster where large layers are fully connected.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub batch: usize,
    /// How many pictures stand side by side; by default as many as make the sheet about 4:3.
    #[arg(long, value_name = "N")]
    pub columns: Option<usize>,
    /// The side of a picture on the sheet in pixels, at least 16.
    #[arg(long, default_value_t = 160, value_name = "PIXELS")]
    pub cell_size: usize,
    #[command(flatten)]
    pub recipe: RecipeArguments,
    #[command(flatten)]
    pub model: ModelArguments,
    #[command(flatten)]
    pub run: RunArguments,
}
