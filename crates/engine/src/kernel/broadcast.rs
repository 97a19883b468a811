//! Reading operands that are broadcast to a result, and summing up their gradients: what all elementwise operators of
//! several operands share.

use deepinside_graph::Inconsistency;

use super::axes::{Spread, steps};
use super::parallel::{GRAIN, for_each_piece};
use super::sum::{BLOCK, SumAxis, Summation};
use super::{Lowering, Operand};

/// The most elements of the result that are worked on at once where operands need scratch: it stays in the fastest cache.
pub(crate) const SCRATCH: usize = 512;

/// An operand, which may have any layout, and fewer and smaller axes than the result.
pub(crate) struct Term {
    /// How it is read along the result.
    pub spread: Spread,
    /// How its gradient is summed up; none where it has one element per element of the result, in the same order.
    sum: Option<Summation>,
}

/// The operands of an operator, as they are read along its only result.
pub(crate) fn terms(lowering: &Lowering<'_>) -> Result<Vec<Term>, Inconsistency> {
    let result = &lowering.results[0];
    let extents = result.extents();
    let term = |operand: &Operand<'_>| {
        let along = steps_along(operand, result)?;
        let spread = Spread::new(&extents, &along);
        let sum = (!spread.is_dense()).then(|| {
            let axes = extents
                .iter()
                .zip(steps(&extents))
                .zip(&along)
                .map(|((&extent, step), &own)| SumAxis { extent, step, kept: (own > 0).then_some(own) });
            Summation::new(&axes.collect::<Vec<_>>())
        });
        Ok(Term { spread, sum })
    };
    lowering.operands.iter().map(term).collect()
}

impl Term {
    /// Copies what is read along the result's elements from `start` on.
    #[inline(always)]
    pub fn copy(&self, start: usize, values: &[f32], target: &mut [f32]) {
        self.spread.zip(
            start,
            target,
            values,
            #[inline(always)]
            |target, x| *target = x,
        );
    }

    /// Writes the operand's gradient: the sum over the places where each of its elements is read. `local(start, target)`
    /// writes what would flow back along the result's elements from `start` on were nothing repeated; it gets at most
    /// [`SCRATCH`] elements.
    #[inline(always)]
    pub fn backward(&self, target: &mut [f32], local: impl Fn(usize, &mut [f32]) + Sync) {
        match &self.sum {
            None => for_each_piece(
                target,
                GRAIN,
                #[inline(always)]
                |start, piece| {
                    for (block, target) in piece.chunks_mut(SCRATCH).enumerate() {
                        local(start + block * SCRATCH, target);
                    }
                },
            ),
            Some(sum) => sum.run(
                target,
                1.0,
                #[inline(always)]
                |start, terms| {
                    let mut single = [0.0; BLOCK];
                    let single = &mut single[..terms.len()];
                    local(start, single);
                    for (term, &single) in terms.iter_mut().zip(single.iter()) {
                        *term = f64::from(single);
                    }
                },
            ),
        }
    }
}

/// The operand's step along each axis of the result in memory order; 0 along axes where it is repeated.
fn steps_along(operand: &Operand<'_>, result: &Operand<'_>) -> Result<Vec<usize>, Inconsistency> {
    let (rank, own_rank) = (result.shape.rank(), operand.shape.rank());
    let own_steps = steps(&operand.extents());
    let mut along = vec![0; rank];
    for axis in 0..rank {
        let Some(own_axis) = (axis + own_rank).checked_sub(rank) else { continue };
        let (own, extent) = (operand.shape.extents()[own_axis], result.shape.extents()[axis]);
        if own == extent && own != 1 {
            along[result.axis(axis)] = own_steps[operand.axis(own_axis)];
        } else if own != 1 {
            return Err(Inconsistency::new(
                "operands",
                format!("shapes that fit {}", result.shape),
                operand.shape,
            ));
        }
    }
    Ok(along)
}
