//! Whole networks, turned into graphs.

mod aliases;
mod blobs;
mod common;
mod errors;
mod hostile;
mod layers;
mod names;
mod weights;
