//! Sums, products and extremes over axes.
//!
//! The result may lie in memory in any layout, and need not have the operand's rank.

mod choice;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Reduce, Reduction};

use super::axes::{Spread, steps};
use super::parallel::{GRAIN, for_each_piece};
use super::sum::{SumAxis, Summation};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(op: &Reduce, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    let extents = input.extents();
    let (input_steps, result_steps) = (steps(&extents), steps(&result.extents()));
    let mut axes: Vec<_> = extents
        .iter()
        .zip(&input_steps)
        .map(|(&extent, &step)| SumAxis { extent, step, kept: None })
        .collect();
    let mut kept_before = 0;
    for axis in 0..input.shape.rank() {
        let reduced = op.axes.contains(&axis);
        if !reduced {
            let result_axis = if op.keep_axes { axis } else { kept_before };
            axes[input.axis(axis)].kept = Some(result_steps[result.axis(result_axis)]);
            kept_before += 1;
        }
    }
    if matches!(op.reduction, Reduction::Product | Reduction::Maximum | Reduction::Minimum) {
        return Ok(Box::new(choice::ChoiceKernel::new(op.reduction, op.coefficient, &axes)));
    }
    let spread = Spread::new(&extents, &axes.iter().map(|axis| axis.kept.unwrap_or(0)).collect::<Vec<_>>());
    let sum = Summation::new(&axes);
    let number = if op.reduction == Reduction::Mean { sum.terms() as f64 } else { 1.0 };
    let coefficient = f64::from(op.coefficient) / number;
    Ok(Box::new(ReduceKernel { reduction: op.reduction, coefficient, sum, spread }))
}

struct ReduceKernel {
    reduction: Reduction,
    coefficient: f64,
    sum: Summation,
    /// From the operand's elements to the sums they belong to.
    spread: Spread,
}

impl Kernel for ReduceKernel {
    fn needs(&self) -> Needs {
        let linear = matches!(self.reduction, Reduction::Sum | Reduction::Mean);
        Needs { operands: !linear, results: false }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        self.sum.run(
            context.results[0],
            self.coefficient,
            #[inline(always)]
            |start, terms| {
                let x = &x[start..start + terms.len()];
                let terms = terms.iter_mut().zip(x).map(|(term, &x)| (term, f64::from(x)));
                match self.reduction {
                    Reduction::AbsoluteSum => terms.for_each(|(term, x)| *term = x.abs()),
                    Reduction::SquareSum => terms.for_each(|(term, x)| *term = x * x),
                    _ => terms.for_each(|(term, x)| *term = x),
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (x, g) = (context.operands[0], context.result_gradients[0]);
        let coefficient = self.coefficient as f32;
        for_each_piece(
            target,
            GRAIN,
            #[inline(always)]
            |start, piece| {
                // First the factor of each element, then times the gradient of its sum.
                match self.reduction {
                    Reduction::AbsoluteSum => {
                        for (target, &x) in piece.iter_mut().zip(&x[start..]) {
                            let sign = if x > 0.0 {
                                1.0
                            } else if x < 0.0 {
                                -1.0
                            } else {
                                0.0
                            };
                            *target = coefficient * sign;
                        }
                    }
                    Reduction::SquareSum => {
                        for (target, &x) in piece.iter_mut().zip(&x[start..]) {
                            *target = 2.0 * coefficient * x;
                        }
                    }
                    _ => piece.fill(coefficient),
                }
                self.spread.zip(
                    start,
                    piece,
                    g,
                    #[inline(always)]
                    |target, g| *target *= g,
                );
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::{BackwardRule, Layout};

    fn reference<'a>(
        op: &'a Reduce,
        shape: &'a [usize],
    ) -> impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>> + Sync + 'a {
        move |x| {
            let kept: Vec<usize> =
                (0..shape.len()).map(|axis| if op.axes.contains(&axis) { 1 } else { shape[axis] }).collect();
            let number: usize = op.axes.iter().map(|&axis| shape[axis]).product();
            let start = match op.reduction {
                Reduction::Product => f64::from(op.coefficient),
                // The coefficient of the tests is negative.
                Reduction::Maximum => f64::INFINITY,
                Reduction::Minimum => f64::NEG_INFINITY,
                _ => 0.0,
            };
            let mut sums = vec![start; kept.iter().product()];
            for (position, &x) in positions(shape).iter().zip(&x[0]) {
                let mut own = position.clone();
                op.axes.iter().for_each(|&axis| own[axis] = 0);
                let (sum, coefficient) = (&mut sums[index_of(&kept, &own)], f64::from(op.coefficient));
                match op.reduction {
                    Reduction::Sum => *sum += coefficient * x,
                    Reduction::Mean => *sum += coefficient * x / number as f64,
                    Reduction::AbsoluteSum => *sum += coefficient * x.abs(),
                    Reduction::SquareSum => *sum += coefficient * x * x,
                    Reduction::Product => *sum *= x,
                    Reduction::Maximum => *sum = sum.min(coefficient * x),
                    Reduction::Minimum => *sum = sum.max(coefficient * x),
                }
            }
            vec![sums]
        }
    }

    #[test]
    fn every_set_of_axes_is_reduced() {
        let mut cases = Vec::new();
        for shape in [&[][..], &[5], &[3, 4], &[2, 3, 4], &[2, 3, 4, 5], &[1, 70, 2, 1]] {
            for set in 0..1usize << shape.len() {
                let axes: Vec<usize> = (0..shape.len()).filter(|axis| set >> axis & 1 == 1).collect();
                for keep_axes in [false, true] {
                    for reduction in [
                        Reduction::Sum,
                        Reduction::Mean,
                        Reduction::AbsoluteSum,
                        Reduction::SquareSum,
                        Reduction::Product,
                        Reduction::Maximum,
                        Reduction::Minimum,
                    ] {
                        let axes = axes.clone();
                        let op: &Reduce =
                            Box::leak(Box::new(Reduce { reduction, axes, keep_axes, coefficient: -1.5 }));
                        // Not symmetric about zero, or some sums would be nothing but rounding.
                        let operands = vec![Array::apart(shape, 39).map(|x| match (reduction, x > 0.0) {
                            // Long products of small numbers would vanish.
                            (Reduction::Product, _) => x.signum() + 0.1 * x,
                            (_, true) => 1.5 * x,
                            (_, false) => x,
                        })];
                        cases.push(Case::new(
                            format!("{op:?} of {shape:?}"),
                            op,
                            |lowering| lower(op, lowering),
                            operands,
                            reference(op, shape),
                        ));
                    }
                }
            }
        }
        check(cases);
    }

    #[test]
    fn large_operands_are_summed() {
        let mut cases = Vec::new();
        for axes in [vec![2, 3], vec![1], vec![0, 1, 2, 3], vec![0], vec![1, 3]] {
            let op: &Reduce = Box::leak(Box::new(Reduce {
                reduction: Reduction::Mean,
                axes,
                keep_axes: false,
                coefficient: 1.0,
            }));
            let operands = vec![Array::noise(&[2, 130, 21, 20], 40).map(|x| x + 1.0)];
            let case = Case::new(
                op.to_string(),
                op,
                |lowering| lower(op, lowering),
                operands,
                reference(op, &[2, 130, 21, 20]),
            );
            cases.push(case.without_differences());
        }
        check(cases);
    }

    #[test]
    fn the_result_may_lie_in_another_layout() {
        let op = Reduce { reduction: Reduction::Sum, axes: vec![2], keep_axes: false, coefficient: 1.0 };
        let case = Case::new(
            "",
            &op,
            |lowering| lower(&op, lowering),
            vec![Array::noise(&[2, 3, 4, 5], 41)],
            |_| vec![],
        );
        let seeds = [Array::noise(&[2, 3, 5], 42).numbers];
        let plain = case.run(Layout::Plain, BackwardRule::Gradient, &seeds);
        for (from, to) in [(Layout::ChannelsLast, Layout::Plain), (Layout::Plain, Layout::ChannelsLast)] {
            let mixed = case.run_mixed(&[from], to, BackwardRule::Gradient, &seeds);
            assert_eq!((&mixed.results, &mixed.gradients), (&plain.results, &plain.gradients));
        }
    }
}
