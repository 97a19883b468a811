//! Forward, and backward to the input, through a frozen ConvNet.
//!
//! The weights of a trained network never change here, so nothing that training needs is computed or kept: the backward
//! pass of an operator is a vector–Jacobian product *to its operands only*.
//!
//! A [`Plan`] is a network prepared once: kernels chosen and weights packed, memory laid out by lifetime. Any number of
//! [`Session`]s run it. Which values stay observable is said when the plan is made ([`PlanOptions`]); nothing that was
//! asked for is fused away, everything else may be.
//!
//! Results have the same bits for every number of threads: work is split over outputs and never over a sum.

mod aligned;
mod error;
mod gemm;
mod heap;
mod kernel;
mod lane;
mod layout;
mod layouter;
mod lower;
mod memory;
mod plan;
mod roofline;
mod rule;
mod run;
mod schedule;
mod session;
mod simd;
mod stage;
mod target;
mod threads;

pub use error::EngineError;
pub use heap::give_back_memory;
pub(crate) use layout::Layout;
pub use plan::{MOST_MADE_UP_WEIGHTS, Plan, PlanOptions, Precision};
pub use roofline::Roofline;
pub use rule::BackwardRule;
pub use session::{Session, StepTime};
pub use simd::Instructions;
pub use target::Target;
pub use threads::Threads;
