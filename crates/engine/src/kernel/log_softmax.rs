//! The logarithm of softmax: `y = x − max − ln Σ exp(x − max)`, backward `dx = g − exp(y) · Σ g`.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::LogSoftmax;

use super::softmax::Lanes;
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(op: &LogSoftmax, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    Ok(Box::new(LogSoftmaxKernel { lanes: Lanes::new(op.axis, lowering)? }))
}

struct LogSoftmaxKernel {
    lanes: Lanes,
}

impl Kernel for LogSoftmaxKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: true }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        self.lanes.for_each(context.results[0], |first, axis, y| {
            let largest = axis.clone().fold(f32::NEG_INFINITY, |largest, at| largest.max(x[first + at]));
            let sum: f64 = axis.clone().map(|at| f64::from(x[first + at] - largest).exp()).sum();
            let logarithm = sum.ln();
            for at in axis {
                y[at] = (f64::from(x[first + at] - largest) - logarithm) as f32;
            }
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (y, g) = (context.results[0], context.result_gradients[0]);
        self.lanes.for_each(target, |first, axis, target| {
            let sum: f64 = axis.clone().map(|at| f64::from(g[first + at])).sum();
            for at in axis {
                let probability = f64::from(y[first + at]).exp();
                target[at] = (f64::from(g[first + at]) - probability * sum) as f32;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, mismatch};
    use super::*;
    use crate::{BackwardRule, Layout};

    fn reference(shape: &[usize], axis: usize, x: &[f64]) -> Vec<f64> {
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let sum = |at: usize| -> f64 {
            let first = at / (extent * inner) * extent * inner + at % inner;
            (0..extent).map(|step| x[first + step * inner].exp()).sum()
        };
        (0..x.len()).map(|at| x[at] - sum(at).ln()).collect()
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definition() {
        let table: [(&[usize], usize); 4] =
            [(&[7], 0), (&[3, 10], 1), (&[2, 3, 4, 5], 1), (&[2, 3, 4, 5], 3)];
        let operators: Vec<LogSoftmax> = table.iter().map(|&(_, axis)| LogSoftmax { axis }).collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, axis), op)| {
            Case::new(
                format!("{shape:?} {axis}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(shape, 62).map(|x| 4.0 * x)],
                move |x| vec![reference(shape, axis, &x[0])],
            )
        });
        check(cases.collect());
    }

    #[test]
    fn nothing_overflows() {
        let op = LogSoftmax { axis: 0 };
        let x = Array::new(&[2], [1000.0, -1000.0]);
        let case = Case::new("", &op, |lowering| lower(&op, lowering), vec![x], |_| vec![]);
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0, 0.0]]);
        assert_eq!(mismatch(&found.results[0], &[0.0, -2000.0], 1e-7), None);
        assert_eq!(found.gradients[0], [0.0, 0.0]);
    }
}
