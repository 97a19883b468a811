//! Arrays to pictures.
//!
//! ```text
//! Array ──normalise, grid──▶ Array in [0,1] ──colour_map, overlay──▶ Picture ──figure, contact_sheet──▶ Picture ──write_png──▶ file
//! ```
//!
//! The pictures say honestly what they show: every scaling to the display range reports its range, constant maps and values
//! that are not finite. [`Picture`] (8-bit RGB, ready to be written) is never empty. Errors are those of
//! [`vision`](deepinside_vision::Error), whose photographs are drawn on.

#![forbid(unsafe_code)]

pub mod animation;
pub mod annotate;
pub mod class_model;
pub mod colour_map;
pub mod contact_sheet;
pub mod figure;
mod fitting;
pub mod grid;
pub mod hatching;
pub mod normalise;
pub mod overlay;
pub mod picture;
mod text;

pub use colour_map::ColourMap;
pub use picture::Picture;
