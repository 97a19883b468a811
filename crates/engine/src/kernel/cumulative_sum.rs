//! Running sums along an axis; their gradient is the running sum from the other end.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::CumulativeSum;

use super::axes::{around, expect_same_order};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// How many neighbouring sums run side by side.
const LANES: usize = 64;

/// Makes the kernel.
pub(crate) fn lower(op: &CumulativeSum, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_same_order(&lowering.operands[0], &lowering.results[0])?;
    let input = &lowering.operands[0];
    let (_, extent, inner) = around(&input.extents(), input.axis(op.axis));
    Ok(Box::new(CumulativeSumKernel { extent, inner, exclusive: op.exclusive, reverse: op.reverse }))
}

struct CumulativeSumKernel {
    extent: usize,
    inner: usize,
    exclusive: bool,
    reverse: bool,
}

impl CumulativeSumKernel {
    fn run(&self, reverse: bool, x: &[f32], target: &mut [f32]) {
        let whole = self.extent * self.inner;
        for_each_piece(target, whole * (GRAIN / whole.max(1)).max(1), |start, piece| {
            for (block, target) in piece.chunks_mut(whole).enumerate() {
                let x = &x[start + block * whole..][..whole];
                for first in (0..self.inner).step_by(LANES) {
                    self.sums(reverse, first..(first + LANES).min(self.inner), x, target);
                }
            }
        });
    }

    /// Some sums side by side, in double precision.
    fn sums(&self, reverse: bool, lanes: std::ops::Range<usize>, x: &[f32], target: &mut [f32]) {
        let mut sums = [0.0f64; LANES];
        for step in 0..self.extent {
            let at = if reverse { self.extent - 1 - step } else { step } * self.inner;
            let row = at + lanes.start..at + lanes.end;
            for ((sum, target), &x) in sums.iter_mut().zip(&mut target[row.clone()]).zip(&x[row]) {
                let before = *sum;
                *sum += f64::from(x);
                *target = if self.exclusive { before } else { *sum } as f32;
            }
        }
    }
}

impl Kernel for CumulativeSumKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.run(self.reverse, context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.run(!self.reverse, context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    #[test]
    fn sums_run_along_any_axis_from_either_end() {
        let table: [(&[usize], usize); 5] =
            [(&[7], 0), (&[3, 4], 1), (&[2, 3, 4, 5], 1), (&[2, 3, 4, 5], 3), (&[2, 3, 70], 1)];
        let kinds = [(false, false), (false, true), (true, false), (true, true)];
        let operators: Vec<CumulativeSum> = kinds
            .iter()
            .flat_map(|&(exclusive, reverse)| {
                table.iter().map(move |&(_, axis)| CumulativeSum { axis, exclusive, reverse })
            })
            .collect();
        let cases = operators.iter().zip(table.iter().cycle()).map(|(op, &(extents, axis))| {
            Case::new(
                format!("{extents:?} {op}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(extents, 37)],
                move |x| {
                    let number = |position: Vec<usize>| {
                        let counts = |at: usize| {
                            let before = if op.reverse { at > position[axis] } else { at < position[axis] };
                            before || !op.exclusive && at == position[axis]
                        };
                        let element = |at: usize| {
                            let mut own = position.clone();
                            own[axis] = at;
                            x[0][index_of(extents, &own)]
                        };
                        (0..extents[axis]).filter(|&at| counts(at)).map(element).sum()
                    };
                    vec![positions(extents).into_iter().map(number).collect()]
                },
            )
        });
        check(cases.collect());
    }
}
