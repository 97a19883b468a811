//! Joining along an axis.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Concat;

use super::axes::{around, expect_same_order};
use super::strips::{cut, join};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(op: &Concat, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let result = &lowering.results[0];
    let widths = lowering.operands.iter().map(|operand| {
        // The whole decides: a part with few channels may have the same order in either layout where the whole has not.
        expect_same_order(&super::Operand { layout: result.layout, ..operand.clone() }, operand)?;
        let (_, own, inner) = around(&result.layout.extents(operand.shape), result.axis(op.axis));
        Ok(own * inner)
    });
    Ok(Box::new(ConcatKernel { widths: widths.collect::<Result<_, Inconsistency>>()? }))
}

struct ConcatKernel {
    /// How many elements of each operand lie side by side in the result.
    widths: Vec<usize>,
}

impl Kernel for ConcatKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        join(context.operands, &self.widths, context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let row = self.widths.iter().sum();
        let mut first = 0;
        for (target, &width) in context.operand_gradients.iter_mut().zip(&self.widths) {
            if let Some(target) = target {
                cut(context.result_gradients[0], row, first, width, target);
            }
            first += width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    #[test]
    fn operands_are_joined_along_every_axis() {
        let table: [(usize, &[&[usize]]); 9] = [
            (0, &[&[3], &[4], &[1]]),
            (1, &[&[2, 3], &[2, 4]]),
            (0, &[&[2, 3, 4], &[1, 3, 4]]),
            (0, &[&[1, 3, 2, 2], &[2, 3, 2, 2]]),
            (1, &[&[2, 3, 2, 2], &[2, 1, 2, 2], &[2, 2, 2, 2]]),
            (2, &[&[2, 3, 1, 2], &[2, 3, 3, 2]]),
            (3, &[&[2, 3, 2, 4], &[2, 3, 2, 1], &[2, 3, 2, 0]]),
            (1, &[&[2, 3, 2, 2]]),
            (1, &[&[2, 8, 60, 50], &[2, 5, 60, 50]]),
        ];
        let operators: Vec<Concat> = table.iter().map(|&(axis, _)| Concat { axis }).collect();
        let cases = table.iter().zip(&operators).map(|(&(axis, shapes), op)| {
            let operands = shapes.iter().zip(20..).map(|(shape, seed)| Array::noise(shape, seed)).collect();
            let case = Case::new(
                format!("axis {axis} {shapes:?}"),
                op,
                |lowering| lower(op, lowering),
                operands,
                move |operands| {
                    let mut result_extents = shapes[0].to_vec();
                    result_extents[axis] = shapes.iter().map(|shape| shape[axis]).sum();
                    let result = positions(&result_extents).into_iter().map(|mut position| {
                        let mut part = 0;
                        while position[axis] >= shapes[part][axis] {
                            position[axis] -= shapes[part][axis];
                            part += 1;
                        }
                        operands[part][index_of(shapes[part], &position)]
                    });
                    vec![result.collect()]
                },
            );
            if shapes[0].contains(&60) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
