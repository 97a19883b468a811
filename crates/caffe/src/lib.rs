//! Reads Caffe networks (prototxt and caffemodel, every generation) into a deepinside graph.
//!
//! # The format
//!
//! A Caffe network is two files. The description (`.prototxt`) is a protocol buffer in text form: a list of layers, each
//! with a type, the names of the blobs it reads and writes, and settings. The weights (`.caffemodel`) are the same message
//! in binary form with the arrays filled in; only names and arrays are read from it, for the description is what counts.
//! Both exist in three generations, and both may come from programs that added fields of their own.
//!
//! # The way through
//!
//! ```text
//! .prototxt ──text──▶ NetParameter ──upgrade──▶ today's layers ──filter──▶ of this phase ──splits──▶ Network
//! .caffemodel ──binary──▶ WeightFile (arrays are slices of the mapped file)
//! ```
//!
//! Each step is a module and does what Caffe does at that point, so that a network means here what it means there. What
//! Caffe silently does (or dies of) is a [`Warning`] with its line, or a [`CaffeError`] that names layer, type and line.
//!
//! # Cost
//!
//! Descriptions are small (CaffeNet: 3 KB, a tenth of a millisecond). Weights are never copied or even touched: reading 244 MB
//! walks over a few dozen headers. Text is limited to [`MAX_TEXT_BYTES`], layers to [`MAX_LAYERS`], and every number in a file
//! is checked before anything is allocated by it.
//!
//! The schema is `proto/caffe.proto`, compiled by the build script without `protoc`.

#![forbid(unsafe_code)]

mod binary;
mod blob_view;
mod error;
mod filter;
mod import;
mod network;
pub mod proto;
mod splits;
mod text;
mod transform;
mod upgrade;

pub use binary::{
    LayerWeights, MeanImage, WeightBlob, WeightFile, read_mean, read_mean_bytes, read_weights,
    read_weights_bytes,
};
pub use blob_view::{BlobEntry, BlobGradient, BlobView};
pub use error::{CaffeError, Warning};
pub use filter::NetState;
pub use import::{
    ImportError, ImportOptions, Imported, LayerInfo, LayerPlace, MissingWeights, NamedInput, import,
};
pub use network::{Generation, Layer, Network, ReadOptions, read_network};
pub use text::{Location, MAX_LAYERS, MAX_TEXT_BYTES};
pub use transform::Transform;
