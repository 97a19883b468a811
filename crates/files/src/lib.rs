//! Arrays of floats, and the files that hold them.
//!
//! [`Array`] is what every crate above passes around: a shape and a vector, in C order. [`npy`] reads and writes NumPy's
//! files, whatever element type, byte order and axis order they have; [`whole_file`] makes files that appear whole or not
//! at all, and reads files to a limit.

#![forbid(unsafe_code)]

mod array;
pub mod bytes;
mod error;
pub mod npy;
mod npy_element;
mod npy_header;
pub mod whole_file;

pub use array::Array;
pub use error::{Error, Result};
