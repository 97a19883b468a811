//! Softmax along any axis: `y = exp(x − max) / Σ exp(x − max)`, backward `dx = y · (g − Σ g·y)`.
//!
//! Along the innermost axis in memory it is computed in vectors (`rows.rs`). Elsewhere sums are taken in double precision:
//! with a thousand classes the rounding of one sum in single precision would show.

mod rows;

use std::iter::StepBy;
use std::ops::Range;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Softmax;

use super::axes::{around, expect_same_order};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(op: &Softmax, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let lanes = Lanes::new(op.axis, lowering)?;
    if lanes.inner == 1 && lanes.extent > 0 {
        let instructions = lowering.instructions;
        return Ok(Box::new(rows::RowSoftmax { instructions, length: lanes.extent }));
    }
    Ok(Box::new(SoftmaxKernel { lanes }))
}

/// The runs of elements along one axis, which are normalised together.
pub(crate) struct Lanes {
    /// How many elements a lane has.
    extent: usize,
    /// How far apart they lie; as many lanes lie between each other.
    inner: usize,
}

impl Lanes {
    /// The lanes along an axis of an operand that has the shape and layout of the result.
    pub fn new(axis: usize, lowering: &Lowering<'_>) -> Result<Self, Inconsistency> {
        let input = &lowering.operands[0];
        expect_same_order(input, &lowering.results[0])?;
        let (_, extent, inner) = around(&input.extents(), input.axis(axis));
        Ok(Self { extent, inner })
    }

    /// Calls `work(first, axis, part)` for every lane: its elements are those of `part` at the positions `axis`, and
    /// `part` begins at the element `first` of the target.
    #[inline(always)]
    pub fn for_each(
        &self,
        target: &mut [f32],
        work: impl Fn(usize, StepBy<Range<usize>>, &mut [f32]) + Sync,
    ) {
        // The axis runs from end to end in so many elements.
        let whole = (self.extent * self.inner).max(1);
        for_each_piece(
            target,
            whole * (GRAIN / whole).max(1),
            #[inline(always)]
            |start, piece| {
                for (index, part) in piece.chunks_mut(whole).enumerate() {
                    for lane in 0..self.inner {
                        work(start + index * whole, (lane..whole).step_by(self.inner), part);
                    }
                }
            },
        );
    }
}

struct SoftmaxKernel {
    lanes: Lanes,
}

impl Kernel for SoftmaxKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: true }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        self.lanes.for_each(
            context.results[0],
            #[inline(always)]
            |first, axis, y| {
                let largest = axis.clone().fold(f32::NEG_INFINITY, |largest, at| largest.max(x[first + at]));
                let mut sum = 0.0;
                for at in axis.clone() {
                    y[at] = (x[first + at] - largest).exp();
                    sum += f64::from(y[at]);
                }
                for at in axis {
                    y[at] = (f64::from(y[at]) / sum) as f32;
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (y, g) = (context.results[0], context.result_gradients[0]);
        self.lanes.for_each(
            target,
            #[inline(always)]
            |first, axis, target| {
                let sum: f64 =
                    axis.clone().map(|at| f64::from(g[first + at]) * f64::from(y[first + at])).sum();
                if sum.is_nan() && axis.clone().all(|at| g[first + at] == 0.0) {
                    // Where all is masked there is no softmax. Networks put zeros in its place, and nothing
                    // comes back from it.
                    axis.for_each(|at| target[at] = 0.0);
                    return;
                }
                for at in axis {
                    target[at] = (f64::from(y[first + at]) * (f64::from(g[first + at]) - sum)) as f32;
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
        let table: [(usize, &[usize], f32); 12] = [
            (0, &[7], 1.0),
            (0, &[1000], 3.0),
            (2, &[2, 3, 49], 4.0),
            (1, &[170, 197], 4.0),
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
            if shape.iter().any(|&extent| extent >= 40 && extent != 49) {
                case.without_differences()
            } else {
                case
            }
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

    /// Exporters put zeros where all scores of a query are masked: the gradient there must not be NaN.
    #[test]
    fn a_lane_that_is_masked_as_a_whole_passes_no_gradient() {
        let op = Softmax { axis: 1 };
        let x = Array::new(&[2, 2], [f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0, 0.0]);
        let case = Case::new("", &op, |lowering| lower(&op, lowering), vec![x], |_| vec![]);
        let seed = vec![0.0, 0.0, 1.0, 0.0];
        let found = case.run(crate::Layout::Plain, crate::BackwardRule::Gradient, &[seed]);
        assert!(found.results[0][0].is_nan());
        assert_eq!(found.gradients[0], [0.0, 0.0, 0.25, -0.25]);
    }
}
