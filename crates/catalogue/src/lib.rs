//! Known networks: where they are published, what their pictures must look like, and fetching them.
//!
//! The [`Catalogue`] is a file inside the program. A [`Store`] is the folder on this machine where networks are kept: one
//! folder for each, which holds the files and a `model.toml` and so is a model folder like any other.
#![forbid(unsafe_code)]

mod archive;
mod catalogue;
mod checksum;
mod download;
mod error;
mod store;

pub use catalogue::{Catalogue, FileEntry, Member, NetworkEntry};
pub use checksum::Checksum;
pub use download::Progress;
pub use error::CatalogueError;
pub use store::{Found, Removed, State, Store};
