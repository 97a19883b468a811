//! Sums, products and extremes of several operands, with broadcasting.
//!
//! Operands may have any rank and any layout: each is read with its own steps along the axes of the result, which costs
//! nothing where it has the result's extents, is a vector per channel (innermost in memory) or one number per row.
//!
//! The gradient of a broadcast operand is the sum of what the gradient of the repeated one would be. A rectifier behind a
//! sum, as residual networks have it, is computed in the same pass.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Eltwise;

use super::activation::{Activation, Gate};
use super::broadcast::{SCRATCH, Term, terms};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel; the activation is of a rectifier behind a sum.
pub(crate) fn lower(
    op: &Eltwise,
    lowering: &Lowering<'_>,
    activation: Option<Activation>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    Ok(Box::new(EltwiseKernel { op: op.clone(), operands: terms(lowering)?, activation }))
}

struct EltwiseKernel {
    op: Eltwise,
    operands: Vec<Term>,
    activation: Option<Activation>,
}

impl Kernel for EltwiseKernel {
    fn needs(&self) -> Needs {
        Needs { operands: !matches!(self.op, Eltwise::Sum { .. }), results: self.activation.is_some() }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let operands = context.operands;
        for_each_piece(
            context.results[0],
            GRAIN,
            #[inline(always)]
            |start, piece| {
                for (block, target) in piece.chunks_mut(SCRATCH).enumerate() {
                    self.combine(operands, start + block * SCRATCH, target);
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (operands, g) = (context.operands, context.result_gradients[0]);
        let (rule, results) = (context.rule, context.results[0]);
        let gate = Gate::of(self.activation, rule, results);
        for (index, target) in context.operand_gradients.iter_mut().enumerate() {
            let Some(target) = target.as_deref_mut() else { continue };
            self.operands[index].backward(
                target,
                #[inline(always)]
                |start, target| self.local(index, operands, g, gate, start, target),
            );
        }
    }
}

impl EltwiseKernel {
    /// The result's elements from `start` on.
    #[inline(always)]
    fn combine(&self, operands: &[&[f32]], start: usize, target: &mut [f32]) {
        for (index, (term, values)) in self.operands.iter().zip(operands).enumerate() {
            let spread = &term.spread;
            match &self.op {
                Eltwise::Sum { coefficients } => match (index, coefficients[index]) {
                    (0, c) => spread.zip(
                        start,
                        target,
                        values,
                        #[inline(always)]
                        |y, x| *y = c * x,
                    ),
                    (_, c) => spread.zip(
                        start,
                        target,
                        values,
                        #[inline(always)]
                        |y, x| *y += c * x,
                    ),
                },
                _ if index == 0 => spread.zip(
                    start,
                    target,
                    values,
                    #[inline(always)]
                    |y, x| *y = x,
                ),
                Eltwise::Product => spread.zip(
                    start,
                    target,
                    values,
                    #[inline(always)]
                    |y, x| *y *= x,
                ),
                Eltwise::Maximum => spread.zip(
                    start,
                    target,
                    values,
                    #[inline(always)]
                    |y, x| {
                        *y = if *y > x { *y } else { x };
                    },
                ),
                Eltwise::Minimum => spread.zip(
                    start,
                    target,
                    values,
                    #[inline(always)]
                    |y, x| {
                        *y = if *y < x { *y } else { x };
                    },
                ),
            }
        }
        if let Some(activation) = self.activation {
            activation.apply(target);
        }
    }

    /// What flows back to one operand, were it not repeated, along the result's elements from `start` on; at most
    /// [`SCRATCH`] of them.
    #[inline(always)]
    fn local(
        &self,
        index: usize,
        operands: &[&[f32]],
        g: &[f32],
        gate: Option<Gate<'_>>,
        start: usize,
        target: &mut [f32],
    ) {
        if let (Eltwise::Sum { coefficients }, Some(gate)) = (&self.op, gate) {
            gate.pass(g, start, target);
            let coefficient = coefficients[index];
            target.iter_mut().for_each(|target| *target *= coefficient);
            return;
        }
        let g = &g[start..start + target.len()];
        match &self.op {
            Eltwise::Sum { coefficients } => {
                let coefficient = coefficients[index];
                for (target, g) in target.iter_mut().zip(g) {
                    *target = coefficient * g;
                }
            }
            Eltwise::Product => {
                // The product of all others, never the result divided by this one: that fails at zero.
                target.copy_from_slice(g);
                for (other, (term, values)) in self.operands.iter().zip(operands).enumerate() {
                    if other != index {
                        term.spread.zip(
                            start,
                            target,
                            values,
                            #[inline(always)]
                            |target, x| *target *= x,
                        );
                    }
                }
            }
            Eltwise::Maximum | Eltwise::Minimum => {
                // The minimum is the maximum of what is negated. `target` is 1 where this operand is the largest so far.
                let sign = if self.op == Eltwise::Minimum { -1.0 } else { 1.0 };
                let mut largest = [0.0; SCRATCH];
                let largest = &mut largest[..target.len()];
                for (other, (term, values)) in self.operands.iter().zip(operands).enumerate() {
                    let mine = if other == index { 1.0 } else { 0.0 };
                    if other == 0 {
                        term.spread.zip(
                            start,
                            largest,
                            values,
                            #[inline(always)]
                            |largest, x| *largest = sign * x,
                        );
                        target.fill(mine);
                        continue;
                    }
                    let mut current = [0.0; SCRATCH];
                    let current = &mut current[..target.len()];
                    term.spread.zip(
                        start,
                        current,
                        values,
                        #[inline(always)]
                        |current, x| *current = sign * x,
                    );
                    for ((target, largest), &x) in
                        target.iter_mut().zip(largest.iter_mut()).zip(current.iter())
                    {
                        // Of two equal first operands the second wins, of later ones the earlier.
                        let keeps = *largest > x;
                        let wins = if other == 1 { !keeps } else { x > *largest };
                        *target = if wins { mine } else { *target };
                        *largest = if wins { x } else { *largest };
                    }
                }
                for (target, &g) in target.iter_mut().zip(g) {
                    *target = if *target > 0.0 { g } else { 0.0 };
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

    /// Where an operand is read for a position of the result, by NumPy's rules.
    fn read(extents: &[usize], position: &[usize]) -> usize {
        let own = &position[position.len() - extents.len()..];
        let own: Vec<usize> =
            own.iter().zip(extents).map(|(&at, &extent)| if extent == 1 { 0 } else { at }).collect();
        index_of(extents, &own)
    }

    fn reference<'a>(
        op: &'a Eltwise,
        shapes: &'a [&'a [usize]],
        result: Vec<usize>,
    ) -> impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Sync + 'a {
        move |operands| {
            let value = |position: Vec<usize>| {
                let terms =
                    operands.iter().zip(shapes).map(|(values, extents)| values[read(extents, &position)]);
                match op {
                    Eltwise::Sum { coefficients } => {
                        terms.zip(coefficients).map(|(x, &c)| x * f64::from(c)).sum()
                    }
                    Eltwise::Product => terms.product(),
                    Eltwise::Maximum => terms.fold(f64::NEG_INFINITY, f64::max),
                    Eltwise::Minimum => terms.fold(f64::INFINITY, f64::min),
                }
            };
            vec![positions(&result).into_iter().map(value).collect()]
        }
    }

    #[test]
    fn operands_are_combined_with_broadcasting() {
        let shapes: [&[&[usize]]; 18] = [
            &[&[7]],
            &[&[2, 3, 4, 5], &[2, 3, 4, 5]],
            &[&[2, 3, 4, 5], &[2, 3, 4, 5], &[2, 3, 4, 5]],
            &[&[2, 3, 4, 5], &[1, 3, 1, 1]],
            &[&[1, 3, 1, 1], &[2, 3, 4, 5]],
            &[&[2, 70, 3, 2], &[2, 70, 1, 1]],
            &[&[2, 3, 4, 5], &[3, 1, 1]],
            &[&[2, 3, 4, 5], &[5]],
            &[&[2, 3, 4, 5], &[4, 1]],
            &[&[2, 3, 4, 5], &[1]],
            &[&[2, 3, 4, 5], &[]],
            &[&[], &[]],
            &[&[2, 3, 4, 5], &[2, 1, 4, 5]],
            &[&[2, 1, 4, 1], &[1, 3, 1, 5]],
            &[&[3, 1], &[4]],
            &[&[4], &[3, 1], &[2, 1, 1]],
            &[&[2, 1, 3], &[2, 4, 1]],
            &[&[2, 0, 3], &[2, 1, 3]],
        ];
        let mut cases = Vec::new();
        for shapes in shapes {
            let coefficients = (0..shapes.len()).map(|index| 1.0 - 1.5 * index as f32).collect();
            for op in [Eltwise::Sum { coefficients }, Eltwise::Product, Eltwise::Maximum, Eltwise::Minimum] {
                let op: &Eltwise = Box::leak(Box::new(op));
                let total: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
                // One row of different numbers, cut into operands, so that no two operands are near a tie.
                let mut all = Array::apart(&[total], 8).numbers;
                let operands = shapes.iter().map(|shape| {
                    let rest = all.split_off(shape.iter().product());
                    Array::new(shape, std::mem::replace(&mut all, rest))
                });
                let operands: Vec<Array> = operands.collect();
                let inferred: Vec<_> = operands.iter().map(|operand| &operand.shape).collect();
                let result =
                    deepinside_graph::op::Operator::infer(op, &inferred).unwrap()[0].extents().to_vec();
                cases.push(Case::new(
                    format!("{shapes:?} {op:?}"),
                    op,
                    |lowering| lower(op, lowering, None),
                    operands,
                    reference(op, shapes, result),
                ));
            }
        }
        check(cases);
    }

    #[test]
    fn large_operands_are_combined() {
        let shapes: [&[&[usize]]; 3] = [
            &[&[2, 40, 30, 31], &[2, 40, 30, 31]],
            &[&[2, 40, 30, 31], &[2, 40, 1, 1]],
            &[&[1, 40, 1, 1], &[2, 40, 30, 31]],
        ];
        let mut cases = Vec::new();
        for shapes in shapes {
            for op in [
                Eltwise::Sum { coefficients: vec![0.5, -2.0] },
                Eltwise::Product,
                Eltwise::Maximum,
                Eltwise::Minimum,
            ] {
                let op: &Eltwise = Box::leak(Box::new(op));
                let operands =
                    shapes.iter().zip(9..).map(|(shape, seed)| Array::noise(shape, seed)).collect();
                let case = Case::new(
                    format!("{shapes:?} {op:?}"),
                    op,
                    |lowering| lower(op, lowering, None),
                    operands,
                    reference(op, shapes, vec![2, 40, 30, 31]),
                );
                cases.push(case.without_differences());
            }
        }
        check(cases);
    }

    #[test]
    fn operands_in_different_layouts_give_the_same() {
        for op in [
            Eltwise::Sum { coefficients: vec![2.0, 3.0] },
            Eltwise::Product,
            Eltwise::Maximum,
            Eltwise::Minimum,
        ] {
            let operands = vec![Array::noise(&[2, 3, 4, 5], 10), Array::noise(&[3, 1, 5], 11)];
            let case = Case::new("", &op, |lowering| lower(&op, lowering, None), operands, |_| vec![]);
            let seeds = [Array::noise(&[2, 3, 4, 5], 12).numbers];
            let plain = case.run(Layout::Plain, BackwardRule::Gradient, &seeds);
            let mixed = [Layout::ChannelsLast, Layout::Plain];
            let mixed = case.run_mixed(&mixed, Layout::ChannelsLast, BackwardRule::Gradient, &seeds);
            assert_eq!(plain.results, mixed.results);
            for (plain, mixed) in plain.gradients.iter().zip(&mixed.gradients) {
                let plain: Vec<f64> = plain.iter().map(|&number| f64::from(number)).collect();
                assert_eq!(mismatch(mixed, &plain, 1e-6), None);
            }
        }
    }

    #[test]
    fn of_equal_operands_the_second_gets_the_gradient_and_later_ones_must_be_greater() {
        let operands = vec![
            Array::new(&[5], [1.0, 2.0, 1.0, 0.0, 1.0]),
            Array::new(&[5], [1.0, 1.0, 1.0, 0.0, 2.0]),
            Array::new(&[5], [1.0, 2.0, 3.0, 0.0, 2.0]),
        ];
        let case = Case::new(
            "",
            &Eltwise::Maximum,
            |lowering| lower(&Eltwise::Maximum, lowering, None),
            operands,
            |_| vec![],
        );
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0; 5]]);
        assert_eq!(found.gradients[0], [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(found.gradients[1], [1.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(found.gradients[2], [0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_product_with_zeros_has_its_gradient() {
        let operands = vec![Array::new(&[3], [0.0, 0.0, 2.0]), Array::new(&[3], [3.0, 0.0, 0.0])];
        let case = Case::new(
            "",
            &Eltwise::Product,
            |lowering| lower(&Eltwise::Product, lowering, None),
            operands,
            |_| vec![],
        );
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0; 3]]);
        assert_eq!(found.gradients, [[3.0, 0.0, 0.0], [0.0, 0.0, 2.0]]);
    }

    #[test]
    fn a_rectifier_behind_a_sum_is_computed_with_it() {
        let shapes: [&[&[usize]]; 2] = [&[&[2, 3, 4, 5], &[2, 3, 4, 5]], &[&[2, 3, 4, 5], &[3, 1, 1]]];
        let op = Eltwise::Sum { coefficients: vec![2.0, -0.5] };
        let activation = Activation { minimum: -0.3, maximum: 0.9 };
        let cases = shapes.map(|shapes| {
            let operands = shapes.iter().zip(20..).map(|(shape, seed)| Array::apart(shape, seed)).collect();
            let sum = reference(&op, shapes, vec![2, 3, 4, 5]);
            Case::new(
                format!("{shapes:?}"),
                &op,
                |lowering| lower(&op, lowering, Some(activation)),
                operands,
                move |operands| {
                    let mut results = sum(operands);
                    let bounds = (f64::from(activation.minimum), f64::from(activation.maximum));
                    results[0].iter_mut().for_each(|number| *number = number.clamp(bounds.0, bounds.1));
                    results
                },
            )
        });
        check(cases.into());
    }
}
