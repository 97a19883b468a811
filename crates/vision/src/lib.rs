//! Photographs to network inputs and arrays to pictures.
//!
//! ```text
//! file ──photograph──▶ Photograph ──crops, preprocess──▶ Array (N×C×H×W, what a network reads)
//! Array ──normalise, grid──▶ Array in [0,1] ──colour_map, overlay──▶ Picture ──figure, write_png──▶ file
//! ```
//!
//! The left half reproduces what Caffe's Python interface did between 2014 and 2020 (`caffe.io.load_image`,
//! `resize_image`, `oversample`, `Transformer` and `Classifier`), in both the plain bilinear form of 2015 and the
//! anti-aliased form that newer scikit-image versions made of it: a trained network only answers well when its
//! input is made the way its training pictures were. The right half makes pictures which say honestly what they
//! show: every scaling to the display range reports its range, constant maps and values that are not finite.
//!
//! Three plain types carry everything, and none of them is ever empty:
//! [`Array`] (any rank, C order, `f32`), [`Photograph`] (height × width × channels, usually in `[0, 1]`) and
//! [`Picture`] (8-bit RGB, ready to be written).

#![forbid(unsafe_code)]

pub mod animation;
pub mod annotate;
pub mod array;
pub mod blur;
pub mod bytes;
pub mod class_model;
pub mod colour_map;
pub mod contact_sheet;
pub mod crops;
mod decode;
mod error;
pub mod expected_overlap;
pub mod figure;
mod fitting;
mod float_tiff;
pub mod graph_cut;
pub mod grid;
mod guarded;
mod jpeg;
mod jpeg_structure;
pub mod normalise;
pub mod npy;
pub mod overlay;
pub mod photograph;
pub mod picture;
mod png_rows;
pub mod preprocess;
pub mod regions;
pub mod resize;
pub mod superpixels;
mod text;
pub mod unseen;
mod vectorised;
pub mod whole_file;

pub use array::Array;
pub use colour_map::ColourMap;
pub use crops::Crop;
pub use error::{Error, Result};
pub use photograph::{Colour, GreyWeights, LoadOptions, Photograph};
pub use picture::Picture;
pub use preprocess::{ChannelOrder, Mean, Transformer};
pub use resize::{Convention, Interpolation};
