//! The typed intermediate representation of deepinside.
//!
//! Every file format ends here and every computation starts here: an importer turns its file into a [`Graph`], the
//! engine turns a [`Graph`] into a plan. Nothing of the source format is left in between:
//!
//! * padding is explicit, on both sides of every spatial axis;
//! * ceil-mode pooling is an output size, and what an average divides by is an attribute;
//! * in-place layers are distinct values in static single assignment form; the source's blob name means the last value
//!   of its chain, earlier ones are called `conv5@before:relu5`;
//! * axes are never negative, element counts never overflow, shapes are known and have been inferred.
//!
//! A [`Graph`] holds [`Value`]s (inputs, constants and what nodes produce) and [`Node`]s in topological order, each with
//! an [`Op`]. Passes ([`pass`]) are functions `Graph -> Graph` which keep the identity of every value, so that a
//! [`ValueId`] means the same before and after.
#![forbid(unsafe_code)]

mod batch;
mod budget;
mod builder;
mod constant;
mod cost;
mod display;
mod error;
mod fold;
mod graph;
mod interrupt;
pub mod locality;
pub mod op;
pub mod pass;
mod shape;
mod weights;

pub use budget::{Budget, OverBudget, Reservation};
pub use builder::GraphBuilder;
pub use constant::Constant;
pub use cost::{described, operations};
pub use error::{GraphError, Inconsistency};
pub use fold::fold;
pub use graph::{Graph, Node, NodeId, Origin, Value, ValueId};
pub use interrupt::{Interrupt, Interrupted};
pub use op::Op;
pub use shape::{MAXIMUM_ELEMENTS, MAXIMUM_RANK, Shape};
pub use weights::{DataType, Weights};
