//! Kernels: what the engine runs for each operator, forward and backward to the operands.
//!
//! A kernel is made once, when a plan is made: it knows its extents, has its weights packed, and allocates nothing
//! afterwards. One file holds one operator, both directions; the file's `lower` function is its only door.
//!
//! The contract, which `plan.rs` relies on:
//!
//! * slices are in *memory order* ([`Layout`]) and have exactly the extents told at lowering;
//! * [`Kernel::forward`] overwrites every element of every result;
//! * [`Kernel::backward`] overwrites every element of every operand gradient that is asked for, or adds to it where it can and is
//!   told to (elsewhere the plan adds up where a value has several readers), and gradients of all results are given, zeros
//!   where nothing flows back;
//! * work is split over outputs, never over a sum, and the split does not depend on the number of threads, so that the
//!   bits are the same however many there are.

pub(crate) mod activation;
pub(crate) mod axes;
pub(crate) mod batch_normalization;
pub(crate) mod binary;
mod broadcast;
pub(crate) mod chain;
pub(crate) mod channel_maxima;
mod col2im;
pub(crate) mod concat;
pub(crate) mod convert;
pub(crate) mod convolution;
pub(crate) mod copy;
pub(crate) mod cumulative_sum;
pub(crate) mod deconvolution;
mod depthwise;
pub(crate) mod eltwise;
mod gather;
pub(crate) mod gather_places;
mod geometry;
pub(crate) mod grid_sample;
pub(crate) mod im2col;
pub(crate) mod inner_product;
pub(crate) mod local_response_normalization;
pub(crate) mod log_softmax;
pub(crate) mod matrix_product;
pub(crate) mod mean_variance_normalization;
mod merge_groups;
pub(crate) mod move_rows;
pub(crate) mod pad;
pub(crate) mod panels;
pub(crate) mod parallel;
pub(crate) mod parametric_relu;
pub(crate) mod pool;
pub(crate) mod rectifier;
pub(crate) mod reduce;
mod region;
pub(crate) mod resample;
mod rows;
pub(crate) mod scatter;
pub(crate) mod select;
mod simd;
mod slab;
pub(crate) mod slice;
mod smooth;
pub(crate) mod softmax;
pub(crate) mod split;
mod strips;
mod sum;
mod taps;
#[cfg(test)]
mod testing;
pub(crate) mod tile;
pub(crate) mod top_k;
pub(crate) mod transpose;
pub(crate) mod unary;
mod winograd;

use deepinside_graph::{Inconsistency, Shape, Weights};

use crate::simd::Instructions;
use crate::{BackwardRule, Layout, Precision};

/// A prepared operator.
pub(crate) trait Kernel: Send + Sync {
    /// What the backward pass reads of the forward pass.
    fn needs(&self) -> Needs;

    /// What the forward pass hands to the backward pass besides values.
    fn saved(&self) -> Saved {
        Saved::default()
    }

    /// The numbers of working memory that a pass needs in either direction.
    fn workspace(&self) -> usize {
        0
    }

    /// Whether the backward pass can add to what the gradient of an operand holds already.
    fn accumulates(&self, _operand: usize) -> bool {
        false
    }

    /// Computes the results.
    fn forward(&self, context: Forward<'_, '_>);

    /// Computes the gradients of the operands from those of the results: a vector–Jacobian product.
    fn backward(&self, context: Backward<'_, '_>);
}

/// What a backward pass reads of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// The operands.
    pub operands: bool,
    /// The results.
    pub results: bool,
}

/// Sizes of what a forward pass hands to the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    /// The number of numbers.
    pub numbers: usize,
    /// The number of positions.
    pub positions: usize,
}

/// What a forward pass reads and writes.
pub(crate) struct Forward<'context, 'data> {
    /// The operands that are not constants taken at lowering, in the operator's order.
    pub operands: &'context [&'data [f32]],
    /// The results.
    pub results: &'context mut [&'data mut [f32]],
    /// Numbers for the backward pass.
    pub numbers: &'data mut [f32],
    /// Positions for the backward pass.
    pub positions: &'data mut [u32],
    /// Working memory, with anything in it.
    pub workspace: &'data mut [f32],
}

/// What a backward pass reads and writes.
pub(crate) struct Backward<'context, 'data> {
    /// What rectifiers do.
    pub rule: BackwardRule,
    /// The operands of the forward pass; empty slices where [`Needs`] does not ask for them.
    pub operands: &'context [&'data [f32]],
    /// The results of the forward pass; empty slices where [`Needs`] does not ask for them.
    pub results: &'context [&'data [f32]],
    /// The gradients of the results.
    pub result_gradients: &'context [&'data [f32]],
    /// Where the gradients of the operands go; `None` where none is wanted.
    pub operand_gradients: &'context mut [Option<&'data mut [f32]>],
    /// Which of them are added to what is there, and not written over it; only where [`Kernel::accumulates`].
    pub accumulates: &'context [bool],
    /// What the forward pass handed over.
    pub numbers: &'data [f32],
    /// What the forward pass handed over.
    pub positions: &'data [u32],
    /// Working memory, with anything in it.
    pub workspace: &'data mut [f32],
}

/// An operand or a result as a kernel sees it while it is made.
#[derive(Debug, Clone)]
pub(crate) struct Operand<'graph> {
    /// The shape, in the source's order of axes.
    pub shape: &'graph Shape,
    /// How it lies in memory.
    pub layout: Layout,
    /// The numbers, where they are constant. The kernels of convolutions, fully connected layers, batch normalisation and
    /// parametric rectifiers take their weights here; all others read constants like any operand.
    pub weights: Option<&'graph Weights>,
}

impl Operand<'_> {
    /// The extents in memory order.
    pub fn extents(&self) -> Vec<usize> {
        self.layout.extents(self.shape)
    }

    /// The position in memory order of an axis of the shape.
    pub fn axis(&self, axis: usize) -> usize {
        self.layout.axis(axis, self.shape.rank())
    }
}

/// The operands and results of the node for which a kernel is made.
#[derive(Debug)]
pub(crate) struct Lowering<'graph> {
    /// All operands in the operator's order, constants included.
    pub operands: Vec<Operand<'graph>>,
    /// All results.
    pub results: Vec<Operand<'graph>>,
    /// The instruction set that inner loops are compiled for.
    pub instructions: Instructions,
    /// How exactly it computes.
    pub precision: Precision,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// Whether a backward pass may follow; where none does, nothing has to be saved for it.
    pub backward: bool,
}

/// Checks that all operands and results lie plainly.
pub(crate) fn expect_plain(lowering: &Lowering<'_>) -> Result<(), Inconsistency> {
    for value in lowering.operands.iter().chain(&lowering.results) {
        if !value.layout.equivalent(Layout::Plain, value.shape) {
            return Err(Inconsistency::new("layout", "Plain", format!("{:?}", value.layout)));
        }
    }
    Ok(())
}
