//! Local response normalisation: `y = x · s^−β` with `s = k + α/n · Σ x²` over `n` neighbours.
//!
//! Every sum is taken anew rather than slid along: adding and subtracting in turn drifts, and the sums of a whole vector
//! of neighbouring channels are taken at once. The sums `s` are saved; backward, with the ratio `q = g · y / s`,
//!
//! `dx = g · s^−β − 2αβ/n · x · Σ q`, the sum over the neighbours that `x` was a neighbour of.

mod across;
mod power;
mod within;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::LocalResponseNormalization;

use super::axes::expect_same_order;
use super::{Kernel, Lowering, Operand};
use crate::Layout;

/// Makes the kernel.
pub(crate) fn lower(
    op: &LocalResponseNormalization,
    lowering: &Lowering<'_>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    for operand in [input, &lowering.results[0]] {
        expect_same_order(operand, &Operand { layout: Layout::ChannelsLast, ..operand.clone() })?;
    }
    let extents = Layout::ChannelsLast.extents(input.shape);
    Ok(match *op {
        LocalResponseNormalization::AcrossChannels { size, alpha, beta, k } => {
            Box::new(across::AcrossKernel::new(&extents, size, alpha, beta, k))
        }
        LocalResponseNormalization::WithinChannel { size, alpha, beta } => {
            Box::new(within::WithinKernel::new(&extents, size, alpha, beta)?)
        }
    })
}

#[cfg(test)]
mod tests;
