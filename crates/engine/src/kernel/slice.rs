//! Keeping ranges of axes.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Slice;

use super::axes::{Loops, expect_same_order, steps};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};

/// Makes the kernel.
pub(crate) fn lower(op: &Slice, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    expect_same_order(&Operand { layout: input.layout, ..result.clone() }, result)?;
    let extents = input.extents();
    let mut ranges: Vec<_> = extents.iter().map(|&extent| (0, extent)).collect();
    for range in &op.ranges {
        ranges[input.axis(range.axis)] = (range.start, range.size);
    }
    // The innermost axis is copied in one piece. A scalar has none: it is one row of one element.
    let &(start, size) = ranges.last().unwrap_or(&(0, 1));
    let row = extents.last().copied().unwrap_or(1);
    let outer = extents.len().saturating_sub(1);
    let (ranges, input_steps) = (&ranges[..outer], steps(&extents));
    let first =
        ranges.iter().zip(&input_steps).map(|(&(start, _), step)| start * step).sum::<usize>() + start;
    let kept = Loops::new(ranges.iter().zip(&input_steps).map(|(&(_, size), &step)| (size, [step])));
    // Backward walks the operand's rows, and steps through the result's inside the ranges.
    let sizes: Vec<usize> = ranges.iter().map(|&(_, size)| size).collect();
    let result_steps = steps(&sizes);
    let axes = (0..outer).map(|axis| Axis {
        extent: extents[axis],
        start: ranges[axis].0,
        size: ranges[axis].1,
        step: result_steps[axis],
    });
    Ok(Box::new(SliceKernel { first, kept, axes: axes.collect(), start, size, row }))
}

/// An axis that is not the innermost.
struct Axis {
    extent: usize,
    start: usize,
    size: usize,
    /// Between the result's neighbours along it, in rows.
    step: usize,
}

struct SliceKernel {
    /// Where the first element kept lies in the operand.
    first: usize,
    /// Around the rows kept, with their steps in the operand.
    kept: Loops<1>,
    /// All axes but the innermost.
    axes: Vec<Axis>,
    /// The first element kept of each row of the operand.
    start: usize,
    /// The number of elements kept of each row.
    size: usize,
    /// The number of elements of each row of the operand.
    row: usize,
}

impl Kernel for SliceKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        if self.size == 0 {
            return;
        }
        let x = context.operands[0];
        let rows = (GRAIN / self.size).max(1);
        for_each_piece(context.results[0], rows * self.size, |start, piece| {
            let mut cursor = self.kept.start_at(start / self.size);
            for target in piece.chunks_mut(self.size) {
                target.copy_from_slice(&x[self.first + cursor.offsets[0]..][..self.size]);
                self.kept.advance(&mut cursor);
            }
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        if self.row == 0 {
            return;
        }
        let g = context.result_gradients[0];
        let rows = (GRAIN / self.row).max(1);
        for_each_piece(target, rows * self.row, |start, piece| {
            for (index, target) in piece.chunks_mut(self.row).enumerate() {
                target.fill(0.0);
                if let Some(row) = self.row_kept(start / self.row + index) {
                    let kept = &mut target[self.start..self.start + self.size];
                    kept.copy_from_slice(&g[row * self.size..][..self.size]);
                }
            }
        });
    }
}

impl SliceKernel {
    /// Which row of the result a row of the operand is, if it is kept.
    fn row_kept(&self, mut row: usize) -> Option<usize> {
        let mut kept = 0;
        for axis in self.axes.iter().rev() {
            let position =
                (row % axis.extent).checked_sub(axis.start).filter(|&position| position < axis.size)?;
            row /= axis.extent;
            kept += position * axis.step;
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::AxisRange;

    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    /// A shape, and for each range its axis, start and size.
    type Row = (&'static [usize], &'static [(usize, usize, usize)]);

    #[test]
    fn ranges_are_kept() {
        let table: [Row; 12] = [
            (&[7], &[(0, 2, 3)]),
            (&[], &[]),
            (&[3, 4], &[(0, 1, 2), (1, 0, 1)]),
            (&[2, 3, 4], &[(2, 1, 2)]),
            (&[2, 3, 4, 5], &[]),
            (&[2, 3, 4, 5], &[(1, 1, 2)]),
            (&[2, 3, 4, 5], &[(2, 1, 2), (3, 2, 3)]),
            (&[2, 3, 4, 5], &[(3, 4, 1), (0, 1, 1)]),
            (&[2, 3, 4, 5], &[(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 0, 5)]),
            (&[2, 3, 4, 5], &[(2, 4, 0)]),
            (&[2, 3, 2, 3, 2], &[(1, 1, 1), (3, 1, 2)]),
            (&[2, 7, 70, 60], &[(1, 1, 5), (2, 3, 60)]),
        ];
        let operators: Vec<Slice> = table
            .iter()
            .map(|(_, ranges)| Slice {
                ranges: ranges.iter().map(|&(axis, start, size)| AxisRange { axis, start, size }).collect(),
            })
            .collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, ranges), op)| {
            let operands = vec![Array::noise(shape, 31)];
            let case = Case::new(
                format!("{op} of {shape:?}"),
                op,
                |lowering| lower(op, lowering),
                operands,
                move |x| {
                    let inside = |position: &Vec<usize>| {
                        ranges
                            .iter()
                            .all(|&(axis, start, size)| (start..start + size).contains(&position[axis]))
                    };
                    let kept = positions(shape).into_iter().filter(inside);
                    vec![kept.map(|position| x[0][index_of(shape, &position)]).collect()]
                },
            );
            if shape.contains(&70) { case.without_differences() } else { case }
        });
        check(cases.collect());
    }
}
