//! Keeping ranges of axes.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Slice;

use super::axes::expect_same_order;
use super::region::Region;
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
    Ok(Box::new(SliceKernel { region: Region::new(&extents, &ranges) }))
}

struct SliceKernel {
    /// The part of the operand that is kept.
    region: Region,
}

impl Kernel for SliceKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.region.cut(context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.region.paste(context.result_gradients[0], target, 0.0);
        }
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
