//! Elements and slices at computed positions. Their gradients are added up where they came from; the indices
//! get none.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{GatherElements, GatherNd, Places};

use super::{Backward, Forward, Kernel, Lowering, Needs, Saved, expect_plain};

/// Makes the kernel that takes elements.
pub(crate) fn lower(op: &GatherElements, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let [array, indices] = [lowering.operands[0].shape, lowering.operands[1].shape];
    Ok(Box::new(GatherKernel(Places::of_elements(array, indices, op.axis)?)))
}

/// Makes the kernel that takes slices.
pub(crate) fn lower_slices(op: &GatherNd, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let [array, indices] = [lowering.operands[0].shape, lowering.operands[1].shape];
    Ok(Box::new(GatherKernel(Places::of_slices(array, indices, op.batch_axes)?)))
}

struct GatherKernel(Places);

impl Kernel for GatherKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn saved(&self) -> Saved {
        Saved { numbers: 0, positions: self.0.count() }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, indices, slice) = (context.operands[0], context.operands[1], self.0.slice());
        let (target, positions) = (&mut *context.results[0], context.positions);
        self.0.for_each(
            |at| f64::from(indices[at]),
            |number, place| {
                // No array has more than 2³¹ elements.
                positions[number] = place as u32;
                target[number * slice..][..slice].copy_from_slice(&x[place..place + slice]);
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (g, slice) = (context.result_gradients[0], self.0.slice());
        let [array, indices] = context.operand_gradients else { return };
        if let Some(target) = array.as_deref_mut() {
            target.fill(0.0);
            // One after the other: several may come from one place.
            for (&place, g) in context.positions.iter().zip(g.chunks(slice.max(1))) {
                for (target, g) in target[place as usize..].iter_mut().zip(g) {
                    *target += g;
                }
            }
        }
        if let Some(target) = indices.as_deref_mut() {
            target.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::Layout;

    #[test]
    fn elements_come_from_where_the_indices_say() {
        /// One row of the table.
        type Row<'a> = (&'a [usize], &'a [usize], usize, &'a [f32]);
        let table: [Row<'_>; 4] = [
            (&[3], &[4], 0, &[2.0, 0.0, -1.0, 2.0]),
            (&[3, 3], &[2, 3], 0, &[1.0, 2.0, 0.0, 2.0, 0.0, -3.0]),
            (&[2, 2], &[2, 2], 1, &[0.0, 0.0, 1.0, 0.0]),
            (&[2, 3, 2], &[1, 2, 2], 1, &[2.0, 1.0, 2.0, 0.0]),
        ];
        let operators: Vec<GatherElements> =
            table.iter().map(|&(.., axis, _)| GatherElements { axis }).collect();
        let cases = table.iter().zip(&operators).map(|(&(extents, shape, axis, indices), op)| {
            Case::new(
                format!("{extents:?} {shape:?} {axis}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(extents, 31), Array::new(shape, indices)],
                move |x| {
                    let number = |mut position: Vec<usize>| {
                        let index = indices[index_of(shape, &position)];
                        let length = extents[axis] as f32;
                        position[axis] = if index < 0.0 { index + length } else { index } as usize;
                        x[0][index_of(extents, &position)]
                    };
                    vec![positions(shape).into_iter().map(number).collect()]
                },
            )
            .layouts(&[Layout::Plain])
        });
        check(cases.collect());
    }

    #[test]
    fn slices_come_from_where_the_indices_say() {
        // Array, indices, shared axes, and by the definition the first element of each slice.
        /// One row of the table.
        type Row<'a> = (&'a [usize], &'a [usize], usize, &'a [f32], &'a [usize], usize);
        let table: [Row<'_>; 5] = [
            (&[2, 2], &[2, 2], 0, &[0.0, 0.0, 1.0, 1.0], &[0, 3], 1),
            (&[2, 2, 2], &[2, 1, 2], 0, &[0.0, 1.0, 1.0, 0.0], &[2, 4], 2),
            (&[2, 2, 2], &[2, 1], 1, &[1.0, 0.0], &[2, 4], 2),
            (&[2, 3, 2], &[2, 2, 1], 1, &[-1.0, 0.0, 1.0, 1.0], &[4, 0, 8, 8], 2),
            (&[3, 2], &[1, 1], 0, &[-2.0], &[2], 2),
        ];
        let operators: Vec<GatherNd> =
            table.iter().map(|&(_, _, batch_axes, ..)| GatherNd { batch_axes }).collect();
        let cases = table.iter().zip(&operators).map(|(&(extents, shape, _, indices, firsts, slice), op)| {
            Case::new(
                format!("{extents:?} {shape:?} {}", op.batch_axes),
                op,
                |lowering| lower_slices(op, lowering),
                vec![Array::noise(extents, 32), Array::new(shape, indices)],
                move |x| vec![firsts.iter().flat_map(|&first| x[0][first..first + slice].to_vec()).collect()],
            )
            .layouts(&[Layout::Plain])
        });
        check(cases.collect());
    }

    /// What a network computes may name places that are not there.
    #[test]
    fn indices_outside_are_taken_as_the_nearest_inside() {
        let op = GatherElements { axis: 0 };
        let indices = [7.0, -9.0, f32::NAN, f32::INFINITY];
        let operands = vec![Array::new(&[3], [1.0, 2.0, 3.0]), Array::new(&[4], indices)];
        let case = Case::new("", &op, |lowering| lower(&op, lowering), operands, |_| vec![]);
        let found = case.run(Layout::Plain, crate::BackwardRule::Gradient, &[vec![1.0; 4]]);
        assert_eq!(found.results[0], [3.0, 1.0, 1.0, 3.0]);
        assert_eq!(found.gradients[0], [2.0, 0.0, 2.0]);
    }
}
