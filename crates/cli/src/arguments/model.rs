//! The commands of `deepinside model`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the known networks, and which of them are on this machine.
    List {
        /// Print one JSON object per network.
        #[arg(long)]
        json: bool,
    },
    /// Say where a network is published, its licence, and what its pictures must look like.
    Info {
        /// Its name.
        name: String,
    },
    /// Fetch a network; goes on where an earlier attempt stopped, and checks what arrives.
    Pull {
        /// Its name.
        name: String,
    },
    /// Give a name to a network of your own, for -m. Nothing is copied.
    Add {
        /// A network (.onnx or .prototxt), a model.toml, or a folder with one.
        path: PathBuf,
        /// The name; by default that of the file or folder.
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete the files of a network, or forget the name of one of your own, whose files stay.
    Remove {
        /// Its name.
        name: String,
    },
    /// Compare the files on this machine with what was published.
    Verify {
        /// The networks; all that are here by default.
        names: Vec<String>,
    },
}
