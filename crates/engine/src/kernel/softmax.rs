//! Softmax along any axis: `y = exp(x − max) / Σ exp(x − max)`, backward `dx = y · (g − Σ g·y)`.
//!
//! Sums are taken in double precision: with a thousand classes the rounding of a sum in single precision would show.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Softmax;

use super::axes::{around, expect_same_order};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(op: &Softmax, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    expect_same_order(input, &lowering.results[0])?;
    let (_, extent, inner) = around(&input.extents(), input.axis(op.axis));
    Ok(Box::new(SoftmaxKernel { extent, inner }))
}

struct SoftmaxKernel {
    /// How many elements sum to one.
    extent: usize,
    /// How far apart they lie.
    inner: usize,
}

impl SoftmaxKernel {
    /// The elements in which the axis runs from end to end, as many of them as make a piece of work.
    fn piece(&self) -> (usize, usize) {
        let whole = (self.extent * self.inner).max(1);
        (whole, whole * (GRAIN / whole).max(1))
    }
}

impl Kernel for SoftmaxKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: true }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        let (whole, piece) = self.piece();
        for_each_piece(
            context.results[0],
            piece,
            #[inline(always)]
            |start, piece| {
                piece.copy_from_slice(&x[start..start + piece.len()]);
                for whole in piece.chunks_mut(whole) {
                    for lane in 0..self.inner {
                        let axis = || (lane..self.extent * self.inner).step_by(self.inner);
                        let largest = axis().fold(f32::NEG_INFINITY, |largest, at| largest.max(whole[at]));
                        let mut sum = 0.0;
                        for at in axis() {
                            whole[at] = (whole[at] - largest).exp();
                            sum += f64::from(whole[at]);
                        }
                        for at in axis() {
                            whole[at] = (f64::from(whole[at]) / sum) as f32;
                        }
                    }
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (y, g) = (context.results[0], context.result_gradients[0]);
        let (whole, piece) = self.piece();
        for_each_piece(
            target,
            piece,
            #[inline(always)]
            |start, piece| {
                for (index, target) in piece.chunks_mut(whole).enumerate() {
                    let first = start + index * whole;
                    let (y, g) = (&y[first..first + whole], &g[first..first + whole]);
                    for lane in 0..self.inner {
                        let axis = || (lane..whole).step_by(self.inner);
                        let sum: f64 = axis().map(|at| f64::from(g[at]) * f64::from(y[at])).sum();
                        for at in axis() {
                            target[at] = (f64::from(y[at]) * (f64::from(g[at]) - sum)) as f32;
                        }
                    }
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
    fn exponentials_are_normalised_along_every_axis() {
        let table: [(usize, &[usize], f32); 9] = [
            (0, &[7], 1.0),
            (1, &[3, 7], 5.0),
            (0, &[3, 7], 1.0),
            (1, &[2, 5, 3, 2], 1.0),
            (2, &[2, 5, 3, 2], 1.0),
            (3, &[2, 5, 3, 2], 1.0),
            (1, &[2, 5, 3], 100.0),
            (1, &[1, 1, 3], 1.0),
            (1, &[2, 21, 40, 30], 3.0),
        ];
        let operators: Vec<Softmax> = table.iter().map(|&(axis, ..)| Softmax { axis }).collect();
        let cases = table.iter().zip(&operators).map(|(&(axis, shape, scale), op)| {
            let operands = vec![Array::noise(shape, 37).map(|x| scale * x)];
            let case = Case::new(
                format!("{op} of {shape:?}"),
                op,
                |lowering| lower(op, lowering),
                operands,
                move |x| {
                    let at = |position: &[usize]| x[0][index_of(shape, position)];
                    let line = |position: &[usize]| -> Vec<f64> {
                        let mut position = position.to_vec();
                        let along = (0..shape[axis]).map(|index| {
                            position[axis] = index;
                            at(&position)
                        });
                        along.collect()
                    };
                    let value = |position: Vec<usize>| {
                        let own = at(&position);
                        1.0 / line(&position).iter().map(|other| (other - own).exp()).sum::<f64>()
                    };
                    vec![positions(shape).into_iter().map(value).collect()]
                },
            );
            if shape.contains(&40) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let op = Softmax { axis: 0 };
        let case = Case::new(
            "",
            &op,
            |lowering| lower(&op, lowering),
            vec![Array::new(&[3], [1e30, -1e30, 1e30])],
            |_| vec![],
        );
        let found = case.run(crate::Layout::Plain, crate::BackwardRule::Gradient, &[vec![1.0, 2.0, 3.0]]);
        assert_eq!(found.results[0], [0.5, 0.0, 0.5]);
        assert_eq!(found.gradients[0], [-0.5, 0.0, 0.5]);
    }
}
