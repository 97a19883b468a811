//! Repeating along an axis; the gradient is the sum over the repeats.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Tile;

use super::axes::{around, expect_same_order};
use super::parallel::{GRAIN, for_each_piece};
use super::sum::{SumAxis, Summation};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};

/// Makes the kernel.
pub(crate) fn lower(op: &Tile, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    expect_same_order(&Operand { layout: result.layout, ..input.clone() }, input)?;
    let (outer, extent, inner) = around(&result.layout.extents(input.shape), result.axis(op.axis));
    let block = extent * inner;
    let axes = [
        SumAxis { extent: outer, step: op.repeats * block, kept: Some(block) },
        SumAxis { extent: op.repeats, step: block, kept: None },
        SumAxis { extent: block, step: 1, kept: Some(1) },
    ];
    Ok(Box::new(TileKernel { block, repeats: op.repeats, sum: Summation::new(&axes) }))
}

struct TileKernel {
    /// How many elements are repeated as one.
    block: usize,
    repeats: usize,
    sum: Summation,
}

impl Kernel for TileKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, block) = (context.operands[0], self.block.max(1));
        let blocks = (GRAIN / block).max(1);
        for_each_piece(context.results[0], blocks * block, |start, piece| {
            for (index, target) in piece.chunks_mut(block).enumerate() {
                let source = (start / block + index) / self.repeats;
                target.copy_from_slice(&x[source * block..][..block]);
            }
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let g = context.result_gradients[0];
        self.sum.run(
            target,
            1.0,
            #[inline(always)]
            |start, terms| {
                for (term, &g) in terms.iter_mut().zip(&g[start..]) {
                    *term = f64::from(g);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    #[test]
    fn the_operand_is_repeated_along_every_axis() {
        let table: [(usize, usize, &[usize]); 8] = [
            (0, 3, &[4]),
            (0, 2, &[2, 3]),
            (1, 3, &[2, 3, 4]),
            (1, 2, &[2, 3, 4, 5]),
            (2, 4, &[2, 3, 4, 5]),
            (3, 2, &[2, 3, 1, 1]),
            (1, 1, &[2, 3, 4, 5]),
            (2, 3, &[2, 5, 50, 70]),
        ];
        let operators: Vec<Tile> = table.iter().map(|&(axis, repeats, _)| Tile { axis, repeats }).collect();
        let cases = table.iter().zip(&operators).map(|(&(axis, repeats, shape), op)| {
            let operands = vec![Array::noise(shape, 32)];
            let case = Case::new(
                format!("{op} of {shape:?}"),
                op,
                |lowering| lower(op, lowering),
                operands,
                move |x| {
                    let mut extents = shape.to_vec();
                    extents[axis] *= repeats;
                    let result = positions(&extents).into_iter().map(|mut position| {
                        position[axis] %= shape[axis];
                        x[0][index_of(shape, &position)]
                    });
                    vec![result.collect()]
                },
            );
            if shape.contains(&50) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
