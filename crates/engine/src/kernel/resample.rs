//! Weighted sums of positions of an axis: interpolation, and the taking of positions as a special case.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Resample, Take};

use super::axes::expect_same_order;
use super::taps::Taps;
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};

/// Makes the kernel of an interpolation.
pub(crate) fn lower(op: &Resample, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    kernel(op.axis, Taps::new(op.taps.iter().map(Vec::as_slice)), lowering)
}

/// Makes the kernel of a taking.
pub(crate) fn lower_take(op: &Take, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let taps: Vec<_> = op.positions.iter().map(|&position| [(position, 1.0)]).collect();
    kernel(op.axis, Taps::new(taps.iter().map(<[_; 1]>::as_slice)), lowering)
}

fn kernel(axis: usize, forward: Taps, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    expect_same_order(&Operand { layout: input.layout, ..result.clone() }, result)?;
    let backward = forward.adjoint(input.shape.extents()[axis]);
    Ok(Box::new(ResampleKernel {
        axis: input.axis(axis),
        input: input.extents(),
        result: input.layout.extents(result.shape),
        forward,
        backward,
    }))
}

struct ResampleKernel {
    /// The axis in memory order.
    axis: usize,
    /// The extents of operand and result in memory order.
    input: Vec<usize>,
    result: Vec<usize>,
    forward: Taps,
    backward: Taps,
}

impl Kernel for ResampleKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.forward.apply(&self.input, self.axis, context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.backward.apply(&self.result, self.axis, context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    fn reference(shape: &[usize], axis: usize, taps: &[Vec<(usize, f32)>], x: &[f64]) -> Vec<f64> {
        let mut extents = shape.to_vec();
        extents[axis] = taps.len();
        let number = |position: Vec<usize>| {
            taps[position[axis]]
                .iter()
                .map(|&(at, weight)| {
                    let mut own = position.clone();
                    own[axis] = at;
                    f64::from(weight) * x[index_of(shape, &own)]
                })
                .sum()
        };
        positions(&extents).into_iter().map(number).collect()
    }

    #[test]
    fn positions_are_taken_as_often_as_they_are_named() {
        let table: [(&[usize], usize, &[usize]); 6] = [
            (&[4], 0, &[3, 0, 0, 2]),
            (&[3, 4], 1, &[1]),
            (&[2, 3, 4, 5], 1, &[2, 2, 0]),
            (&[2, 3, 4, 5], 3, &[4, 3, 2, 1, 0, 1, 2]),
            (&[2, 3, 4, 5], 2, &[]),
            (&[1, 3, 1, 5], 2, &[0, 0]),
        ];
        let operators: Vec<Take> =
            table.iter().map(|&(_, axis, list)| Take { axis, positions: list.to_vec() }).collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, axis, list), op)| {
            let taps: Vec<_> = list.iter().map(|&position| vec![(position, 1.0)]).collect();
            Case::new(
                format!("{shape:?} {axis} {list:?}"),
                op,
                |lowering| lower_take(op, lowering),
                vec![Array::noise(shape, 54)],
                move |x| vec![reference(shape, axis, &taps, &x[0])],
            )
        });
        check(cases.collect());
    }

    #[test]
    fn weighted_sums_of_positions() {
        let taps =
            vec![vec![(0, 0.75), (1, 0.25)], vec![(1, 1.0)], vec![], vec![(2, -0.5), (0, 1.0), (1, 0.5)]];
        let table: [(&[usize], usize); 4] =
            [(&[3], 0), (&[2, 3, 4], 1), (&[2, 2, 3, 4], 2), (&[2, 2, 4, 3], 3)];
        let operators: Vec<Resample> =
            table.iter().map(|&(_, axis)| Resample { axis, taps: taps.clone() }).collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, axis), op)| {
            let taps = taps.clone();
            Case::new(
                format!("{shape:?} {axis}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(shape, 55)],
                move |x| vec![reference(shape, axis, &taps, &x[0])],
            )
        });
        check(cases.collect());
    }
}
