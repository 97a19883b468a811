//! Elements and slices written to computed positions. The indices get no gradient.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Places, ScatterElements, ScatterNd, ScatterReduction};

use super::{Backward, Forward, Kernel, Lowering, Needs, Saved, expect_plain};

/// Makes the kernel that writes elements.
pub(crate) fn lower(op: &ScatterElements, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let [array, indices] = [lowering.operands[0].shape, lowering.operands[1].shape];
    let places = Places::of_elements(array, indices, op.axis)?;
    Ok(Box::new(ScatterKernel { places, reduction: op.reduction }))
}

/// Makes the kernel that writes slices.
pub(crate) fn lower_slices(
    op: &ScatterNd,
    lowering: &Lowering<'_>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_plain(lowering)?;
    let [array, indices] = [lowering.operands[0].shape, lowering.operands[1].shape];
    let places = Places::of_slices(array, indices, 0)?;
    Ok(Box::new(ScatterKernel { places, reduction: op.reduction }))
}

struct ScatterKernel {
    places: Places,
    reduction: ScatterReduction,
}

impl ScatterKernel {
    /// The elements that the slice at a saved position covers.
    fn covered(&self, place: u32) -> std::ops::Range<usize> {
        place as usize..place as usize + self.places.slice()
    }
}

impl Kernel for ScatterKernel {
    fn needs(&self) -> Needs {
        let compares = matches!(self.reduction, ScatterReduction::Maximum | ScatterReduction::Minimum);
        Needs { operands: compares || self.reduction == ScatterReduction::Multiply, results: compares }
    }

    fn saved(&self) -> Saved {
        Saved { numbers: 0, positions: self.places.count() }
    }

    fn workspace(&self) -> usize {
        match self.reduction {
            ScatterReduction::Add => 0,
            ScatterReduction::Multiply => 2 * self.places.elements(),
            _ => self.places.elements(),
        }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let [x, indices, updates] = *context.operands else { return };
        let (target, positions, slice) = (&mut *context.results[0], context.positions, self.places.slice());
        target.copy_from_slice(x);
        self.places.for_each(
            |at| f64::from(indices[at]),
            |number, place| {
                // No array has more than 2³¹ elements.
                positions[number] = place as u32;
                let updates = &updates[number * slice..][..slice];
                for (target, &update) in target[place..].iter_mut().zip(updates) {
                    *target = self.reduction.combine(*target, update);
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let g = context.result_gradients[0];
        let slice = self.places.slice().max(1);
        let [x_gradient, indices, update_gradients] = context.operand_gradients else { return };
        if let Some(target) = indices.as_deref_mut() {
            target.fill(0.0);
        }
        let [mut x_gradient, mut update_gradients] =
            [x_gradient, update_gradients].map(|gradient| gradient.as_deref_mut());
        let places = context.positions;
        let work = context.workspace;
        match self.reduction {
            ScatterReduction::Add => {
                if let Some(target) = x_gradient {
                    target.copy_from_slice(g);
                }
                if let Some(target) = update_gradients {
                    for (target, &place) in target.chunks_mut(slice).zip(places) {
                        target.copy_from_slice(&g[self.covered(place)]);
                    }
                }
            }
            ScatterReduction::Replace => {
                // From the last one on: only what nothing later was written over gets a gradient.
                work.fill(0.0);
                for (number, &place) in places.iter().enumerate().rev() {
                    for (part, element) in self.covered(place).enumerate() {
                        if let Some(target) = update_gradients.as_deref_mut() {
                            target[number * slice + part] =
                                if work[element] == 0.0 { g[element] } else { 0.0 };
                        }
                        work[element] = 1.0;
                    }
                }
                if let Some(target) = x_gradient {
                    for ((target, &g), &written) in target.iter_mut().zip(g).zip(&*work) {
                        *target = if written == 0.0 { g } else { 0.0 };
                    }
                }
            }
            ScatterReduction::Multiply => {
                let (x, updates) = (context.operands[0], context.operands[2]);
                let (products, zeros) = work.split_at_mut(self.places.elements());
                // The product of what is not zero and the number of zeros tell the product of all others.
                products.fill(1.0);
                zeros.fill(0.0);
                let mut count = |element: usize, factor: f32| match factor {
                    0.0 => zeros[element] += 1.0,
                    factor => products[element] *= factor,
                };
                x.iter().enumerate().for_each(|(element, &x)| count(element, x));
                let factors = || {
                    places.iter().zip(updates.chunks(slice)).enumerate().flat_map(
                        |(number, (&place, slice_of))| {
                            self.covered(place).zip(slice_of).enumerate().map(
                                move |(part, (element, &factor))| (number * slice + part, element, factor),
                            )
                        },
                    )
                };
                factors().for_each(|(_, element, factor)| count(element, factor));
                let others = |element: usize, factor: f32| match (zeros[element], factor) {
                    (0.0, factor) => products[element] / factor,
                    (1.0, 0.0) => products[element],
                    _ => 0.0,
                };
                if let Some(target) = x_gradient {
                    for (element, target) in target.iter_mut().enumerate() {
                        *target = g[element] * others(element, x[element]);
                    }
                }
                if let Some(target) = update_gradients {
                    factors()
                        .for_each(|(at, element, factor)| target[at] = g[element] * others(element, factor));
                }
            }
            ScatterReduction::Maximum | ScatterReduction::Minimum => {
                let (x, updates, y) = (context.operands[0], context.operands[2], context.results[0]);
                for (element, (taken, &x)) in work.iter_mut().zip(x).enumerate() {
                    *taken = if x == y[element] { 1.0 } else { 0.0 };
                    if let Some(target) = x_gradient.as_deref_mut() {
                        target[element] = *taken * g[element];
                    }
                }
                for (number, &place) in places.iter().enumerate() {
                    for (part, element) in self.covered(place).enumerate() {
                        let wins = work[element] == 0.0 && updates[number * slice + part] == y[element];
                        if let Some(target) = update_gradients.as_deref_mut() {
                            target[number * slice + part] = if wins { g[element] } else { 0.0 };
                        }
                        work[element] = if wins { 1.0 } else { work[element] };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, mismatch, positions};
    use super::*;
    use crate::{BackwardRule, Layout};

    const REDUCTIONS: [ScatterReduction; 5] = [
        ScatterReduction::Replace,
        ScatterReduction::Add,
        ScatterReduction::Multiply,
        ScatterReduction::Maximum,
        ScatterReduction::Minimum,
    ];

    #[test]
    fn elements_go_where_the_indices_say() {
        /// One row of the table.
        type Row<'a> = (&'a [usize], &'a [usize], usize, &'a [f32]);
        let table: [Row<'_>; 3] = [
            (&[5], &[3], 0, &[1.0, -1.0, 1.0]),
            (&[3, 3], &[2, 3], 0, &[1.0, 0.0, 2.0, 0.0, 0.0, 1.0]),
            (&[2, 4, 2], &[2, 2, 1], 1, &[3.0, 1.0, 0.0, 0.0]),
        ];
        let operators: Vec<ScatterElements> = REDUCTIONS
            .iter()
            .flat_map(|&reduction| {
                table.iter().map(move |&(.., axis, _)| ScatterElements { axis, reduction })
            })
            .collect();
        let cases =
            operators.iter().zip(table.iter().cycle()).map(|(op, &(extents, shape, axis, indices))| {
                Case::new(
                    format!("{extents:?} {shape:?} {op}"),
                    op,
                    |lowering| lower(op, lowering),
                    vec![
                        Array::apart(extents, 33),
                        Array::new(shape, indices),
                        Array::apart(shape, 34).map(|x| 0.9 * x),
                    ],
                    move |x| {
                        let mut result = x[0].clone();
                        for (number, mut position) in positions(shape).into_iter().enumerate() {
                            let length = extents[axis] as f32;
                            position[axis] = ((indices[number] + length) % length) as usize;
                            let target = &mut result[index_of(extents, &position)];
                            *target = op.reduction.combine(*target, x[2][number]);
                        }
                        vec![result]
                    },
                )
                .layouts(&[Layout::Plain])
            });
        check(cases.collect());
    }

    #[test]
    fn slices_go_where_the_indices_say() {
        // Array, indices, and by the definition the first element of each slice.
        /// One row of the table.
        type Row<'a> = (&'a [usize], &'a [usize], &'a [f32], &'a [usize], usize);
        let table: [Row<'_>; 3] = [
            (&[8], &[4, 1], &[4.0, 3.0, 1.0, -1.0], &[4, 3, 1, 7], 1),
            (&[4, 3], &[2, 1], &[0.0, 2.0], &[0, 6], 3),
            (&[2, 3, 2], &[1, 2, 2], &[1.0, 2.0, 1.0, 2.0], &[10, 10], 2),
        ];
        let operators: Vec<ScatterNd> = REDUCTIONS
            .iter()
            .flat_map(|&reduction| table.iter().map(move |_| ScatterNd { reduction }))
            .collect();
        let cases = operators.iter().zip(table.iter().cycle()).map(
            |(op, &(extents, shape, indices, firsts, slice))| {
                let updates = [&shape[..shape.len() - 1], &extents[shape[shape.len() - 1]..]].concat();
                Case::new(
                    format!("{extents:?} {shape:?} {op}"),
                    op,
                    |lowering| lower_slices(op, lowering),
                    vec![
                        Array::apart(extents, 35),
                        Array::new(shape, indices),
                        Array::apart(&updates, 36).map(|x| 0.9 * x),
                    ],
                    move |x| {
                        let mut result = x[0].clone();
                        for (&first, update) in firsts.iter().zip(x[2].chunks(slice)) {
                            for (target, &update) in result[first..].iter_mut().zip(update) {
                                *target = op.reduction.combine(*target, update);
                            }
                        }
                        vec![result]
                    },
                )
                .layouts(&[Layout::Plain])
            },
        );
        check(cases.collect());
    }

    /// Differences would not show where a division by zero was.
    #[test]
    fn a_factor_of_zero_gets_the_product_of_the_others() {
        let op = ScatterNd { reduction: ScatterReduction::Multiply };
        let operands = vec![
            Array::new(&[3], [2.0, 3.0, 0.0]),
            Array::new(&[4, 1], [0.0, 0.0, 1.0, 2.0]),
            Array::new(&[4], [0.0, 5.0, 7.0, 0.0]),
        ];
        let case = Case::new("", &op, |lowering| lower_slices(&op, lowering), operands, |_| vec![]);
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0; 3]]);
        assert_eq!(mismatch(&found.gradients[0], &[0.0, 7.0, 0.0], 0.0), None);
        assert_eq!(mismatch(&found.gradients[2], &[10.0, 0.0, 3.0, 0.0], 0.0), None);
    }
}
