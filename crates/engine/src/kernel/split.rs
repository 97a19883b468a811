//! Cutting along an axis.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Split;

use super::axes::{around, expect_same_order};
use super::strips::{cut, join};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};

/// Makes the kernel.
pub(crate) fn lower(op: &Split, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    for result in &lowering.results {
        expect_same_order(&Operand { layout: input.layout, ..result.clone() }, result)?;
    }
    let (_, _, inner) = around(&input.extents(), input.axis(op.axis));
    Ok(Box::new(SplitKernel { widths: op.sizes.iter().map(|size| size * inner).collect() }))
}

struct SplitKernel {
    /// How many elements of each result lie side by side in the operand.
    widths: Vec<usize>,
}

impl Kernel for SplitKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let row = self.widths.iter().sum();
        let mut first = 0;
        for (target, &width) in context.results.iter_mut().zip(&self.widths) {
            cut(context.operands[0], row, first, width, target);
            first += width;
        }
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            join(context.result_gradients, &self.widths, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    #[test]
    fn the_operand_is_cut_along_every_axis() {
        let table: [(usize, &[usize], &[usize]); 8] = [
            (0, &[3, 4], &[7]),
            (1, &[1, 2, 3], &[2, 6]),
            (0, &[1, 1], &[2, 3, 4]),
            (1, &[2, 1], &[2, 3, 4]),
            (1, &[2, 3], &[2, 5, 2, 3]),
            (2, &[1, 1, 2], &[2, 3, 4, 2]),
            (3, &[2, 0, 2], &[2, 3, 2, 4]),
            (1, &[8, 5], &[2, 13, 60, 50]),
        ];
        let operators: Vec<Split> =
            table.iter().map(|&(axis, sizes, _)| Split { axis, sizes: sizes.to_vec() }).collect();
        let cases = table.iter().zip(&operators).map(|(&(axis, sizes, shape), op)| {
            let operands = vec![Array::noise(shape, 30)];
            let case = Case::new(
                format!("{op} {shape:?}"),
                op,
                |lowering| lower(op, lowering),
                operands,
                move |operands| {
                    let mut first = 0;
                    let parts = sizes.iter().map(|&size| {
                        let mut extents = shape.to_vec();
                        extents[axis] = size;
                        let part = positions(&extents).into_iter().map(|mut position| {
                            position[axis] += first;
                            operands[0][index_of(shape, &position)]
                        });
                        let part = part.collect();
                        first += size;
                        part
                    });
                    parts.collect()
                },
            );
            if shape.contains(&60) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
