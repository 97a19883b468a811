//! Reductions that are no sums: products and extremes. They are rare and small, and run on one thread.

use deepinside_graph::op::Reduction;

use super::super::axes::Loops;
use super::super::sum::SumAxis;
use super::super::{Backward, Forward, Kernel, Needs};

/// The kernel of a product or an extreme.
pub(super) struct ChoiceKernel {
    reduction: Reduction,
    coefficient: f32,
    /// Around the results; offsets into results and operand.
    kept: Loops<2>,
    /// Around the elements of one result.
    reduced: Loops<1>,
}

impl ChoiceKernel {
    /// From all axes of the operand.
    pub fn new(reduction: Reduction, coefficient: f32, axes: &[SumAxis]) -> Self {
        let kept = axes.iter().filter_map(|axis| Some((axis.extent, [axis.kept?, axis.step])));
        let reduced = axes.iter().filter(|axis| axis.kept.is_none()).map(|axis| (axis.extent, [axis.step]));
        Self { reduction, coefficient, kept: Loops::new(kept), reduced: Loops::new(reduced) }
    }

    /// Where the extreme of the elements from `first` on stands.
    fn extreme(&self, x: &[f32], first: usize) -> usize {
        let mut best = first;
        self.reduced.for_each(|[offset]| {
            let (own, largest) = (x[first + offset], x[best]);
            let wins = if self.reduction == Reduction::Maximum { own > largest } else { own < largest };
            if wins {
                best = first + offset;
            }
        });
        best
    }

    /// The product of the elements from `first` on that are not zero, and how many are.
    fn product(&self, x: &[f32], first: usize) -> (f64, usize) {
        let (mut product, mut zeros) = (1.0, 0);
        self.reduced.for_each(|[offset]| match f64::from(x[first + offset]) {
            0.0 => zeros += 1,
            factor => product *= factor,
        });
        (product, zeros)
    }
}

impl Kernel for ChoiceKernel {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: false }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, y) = (context.operands[0], &mut *context.results[0]);
        self.kept.for_each(|[result, first]| {
            y[result] = self.coefficient
                * match (self.reduction, self.reduced.count()) {
                    (Reduction::Product, _) => match self.product(x, first) {
                        (product, 0) => product as f32,
                        _ => 0.0,
                    },
                    (Reduction::Maximum, 0) => f32::NEG_INFINITY,
                    (_, 0) => f32::INFINITY,
                    _ => x[self.extreme(x, first)],
                };
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (x, g) = (context.operands[0], context.result_gradients[0]);
        target.fill(0.0);
        if target.is_empty() {
            return;
        }
        self.kept.for_each(|[result, first]| {
            let g = self.coefficient * g[result];
            if self.reduction != Reduction::Product {
                target[self.extreme(x, first)] = g;
                return;
            }
            // Each element's factor is the product of all others: with one zero only that one's is not zero.
            let (product, zeros) = self.product(x, first);
            self.reduced.for_each(|[offset]| {
                let at = first + offset;
                let others = match (f64::from(x[at]), zeros) {
                    (0.0, 1) => product,
                    (own, 0) => product / own,
                    _ => 0.0,
                };
                target[at] = (f64::from(g) * others) as f32;
            });
        });
    }
}
