//! ONNX networks → [`Graph`](deepinside_graph::Graph).
//!
//! A [`Model`] is the decoded file; its weights stay in the mapped file until the engine packs them. [`import`] binds the
//! extents that the file leaves open, computes everything that does not depend on an input (shapes, dequantised weights),
//! and writes the rest in the operators of the graph. Tensor names are kept to the letter; a tensor that an ONNX
//! operator needs in between, and which the file does not name, is called `result@step`.
//!
//! Operator sets 1 to 25 are read; later ones as 25, with a warning. Numbers are computed in single precision, whatever
//! the file's type.
//!
//! ```no_run
//! # fn main() -> Result<(), deepinside_onnx::OnnxError> {
//! let model = deepinside_onnx::Model::open("resnet50.onnx".as_ref())?;
//! let imported = deepinside_onnx::import(&model, &deepinside_onnx::ImportOptions::default())?;
//! println!("{}", imported.graph);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod class_names;
mod composite;
mod detection;
mod error;
mod external;
mod import;
mod inline;
mod limits;
mod model;
mod proto;
mod tensor;

pub use error::{NodePlace, OnnxError};
pub use import::{ImportOptions, Imported, import, supported_operators};
pub use model::{Elements, InputDescription, Model};
