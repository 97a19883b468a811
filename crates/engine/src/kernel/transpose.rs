//! Another order of the axes.
//!
//! Operand and result may lie in different layouts: an exchange of axes that the layouts undo is a straight copy.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Transpose;

use super::axes::{Spread, steps};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};
use crate::Layout;

/// Makes the kernel.
pub(crate) fn lower(op: &Transpose, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    let (input_extents, result_extents) = (input.extents(), result.extents());
    let (input_steps, result_steps) = (steps(&input_extents), steps(&result_extents));
    let (mut along_result, mut along_input) = (vec![0; result_extents.len()], vec![0; result_extents.len()]);
    for (axis, &own) in op.permutation.iter().enumerate() {
        along_result[result.axis(axis)] = input_steps[input.axis(own)];
        along_input[input.axis(own)] = result_steps[result.axis(axis)];
    }
    Ok(Box::new(TransposeKernel {
        forward: Spread::new(&result_extents, &along_result),
        backward: Spread::new(&input_extents, &along_input),
    }))
}

/// The layout for the result that leaves the elements in the operand's order, if there is one.
pub(crate) fn free_layout(op: &Transpose, input: Layout) -> Option<Layout> {
    let rank = op.permutation.len();
    [Layout::Plain, Layout::ChannelsLast].into_iter().find(|result| {
        (0..rank).all(|axis| result.axis(axis, rank) == input.axis(op.permutation[axis], rank))
    })
}

struct TransposeKernel {
    /// How the operand is read along the result.
    forward: Spread,
    /// How the result's gradient is read along the operand.
    backward: Spread,
}

/// Writes a target from an array that is read in another order.
fn gather(spread: &Spread, source: &[f32], target: &mut [f32]) {
    for_each_piece(
        target,
        GRAIN,
        #[inline(always)]
        |start, piece| {
            spread.zip(
                start,
                piece,
                source,
                #[inline(always)]
                |target, x| *target = x,
            );
        },
    );
}

impl Kernel for TransposeKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        gather(&self.forward, context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            gather(&self.backward, context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, mismatch, positions};
    use super::*;
    use crate::BackwardRule;

    fn reference(shape: &[usize], permutation: &[usize], x: &[f64]) -> Vec<f64> {
        let extents: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
        let number = |position: Vec<usize>| {
            let mut own = vec![0; shape.len()];
            for (at, &axis) in position.iter().zip(permutation) {
                own[axis] = *at;
            }
            x[index_of(shape, &own)]
        };
        positions(&extents).into_iter().map(number).collect()
    }

    #[test]
    fn axes_are_exchanged() {
        let table: [(&[usize], &[usize]); 8] = [
            (&[], &[]),
            (&[4], &[0]),
            (&[3, 4], &[1, 0]),
            (&[2, 3, 4], &[2, 0, 1]),
            (&[2, 3, 4, 5], &[0, 2, 3, 1]),
            (&[2, 3, 4, 5], &[0, 3, 1, 2]),
            (&[2, 3, 4, 5], &[3, 1, 0, 2]),
            (&[2, 1, 3, 2, 3, 2], &[0, 1, 4, 2, 5, 3]),
        ];
        let operators: Vec<Transpose> =
            table.iter().map(|(_, axes)| Transpose { permutation: axes.to_vec() }).collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, permutation), op)| {
            Case::new(
                format!("{shape:?} {op}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(shape, 52)],
                move |x| vec![reference(shape, permutation, &x[0])],
            )
        });
        check(cases.collect());
    }

    #[test]
    fn layouts_that_undo_the_exchange_are_found_and_right() {
        let op = Transpose { permutation: vec![0, 2, 3, 1] };
        assert_eq!(free_layout(&op, Layout::ChannelsLast), Some(Layout::Plain));
        assert_eq!(free_layout(&op, Layout::Plain), None);
        let back = Transpose { permutation: vec![0, 3, 1, 2] };
        assert_eq!(free_layout(&back, Layout::Plain), Some(Layout::ChannelsLast));
        let shape = [2, 3, 4, 5];
        for (op, from, to) in [
            (&op, Layout::ChannelsLast, Layout::Plain),
            (&back, Layout::Plain, Layout::ChannelsLast),
            (&op, Layout::Plain, Layout::ChannelsLast),
        ] {
            let x = Array::noise(&shape, 53);
            let doubles: Vec<f64> = x.numbers.iter().map(|&x| f64::from(x)).collect();
            let expected = reference(&shape, &op.permutation, &doubles);
            let case = Case::new("", op, |lowering| lower(op, lowering), vec![x], |_| vec![]);
            let seed: Vec<f32> = expected.iter().map(|&x| x as f32).collect();
            let found = case.run_mixed(&[from], to, BackwardRule::Gradient, &[seed]);
            assert_eq!(mismatch(&found.results[0], &expected, 0.0), None);
            // What comes back is the operand, since what went in is the result.
            assert_eq!(mismatch(&found.gradients[0], &doubles, 0.0), None);
        }
    }
}
