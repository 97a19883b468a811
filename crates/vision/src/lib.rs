//! Photographs to network inputs.
//!
//! ```text
//! file ──photograph──▶ Photograph ──crops, preprocess──▶ Array (N×C×H×W, what a network reads)
//! map of a crop ──frame, unseen──▶ map of the photograph ──graph_cut, regions──▶ outline and box
//! ```
//!
//! It reproduces what Caffe's Python interface did between 2014 and 2020 (`caffe.io.load_image`, `resize_image`,
//! `oversample`, `Transformer` and `Classifier`), in both the plain bilinear form of 2015 and the anti-aliased form that newer
//! scikit-image versions made of it, and what torchvision does with Pillow: a trained network only answers well when its input
//! is made the way its training pictures were.
//!
//! [`Photograph`] (height × width × channels, usually in `[0, 1]`) is never empty, and neither is
//! [`Array`](deepinside_files::Array).

#![forbid(unsafe_code)]

pub mod blur;
pub mod crops;
mod decode;
mod error;
pub mod expected_overlap;
mod float_tiff;
pub mod frame;
pub mod graph_cut;
mod guarded;
mod jpeg;
mod jpeg_structure;
pub mod photograph;
mod png_rows;
pub mod preprocess;
pub mod regions;
pub mod resize;
pub mod superpixels;
mod unread;
pub mod unseen;
mod vectorised;

pub use crops::Crop;
pub use error::{Error, Result};
pub use photograph::{Colour, GreyWeights, LoadOptions, Photograph};
pub use preprocess::{ChannelOrder, Mean, Transformer};
pub use resize::{Convention, Interpolation};
