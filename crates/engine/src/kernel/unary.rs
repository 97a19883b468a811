//! Elementwise functions of one operand. The functions themselves stand in the graph's crate, where
//! constant folding finds them, too; those that are made of exponentials are computed in vectors (`vectors.rs`).
//!
//! On the way back rectifiers and clips obey the [`BackwardRule`](crate::BackwardRule) (`rectifier.rs`);
//! every other function passes the plain gradient under each rule, since the papers that define the
//! rules say nothing about smooth functions.

mod gated;
mod vectors;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Function, Reads, Unary, Visitor};

use super::axes::expect_same_order;
use super::parallel::{map, map2};
use super::rectifier::{self, Rectifier};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel of an elementwise function.
pub(crate) fn lower(op: &Unary, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    expect_same_order(&lowering.operands[0], &lowering.results[0])?;
    if let Some(rectifier) = Rectifier::of(op) {
        return Ok(rectifier::lower(rectifier, lowering));
    }
    Ok(vectors::lower(op, lowering)?.unwrap_or_else(|| op.accept(MakeKernel)))
}

struct MakeKernel;

impl Visitor for MakeKernel {
    type Output = Box<dyn Kernel>;

    fn visit(self, function: impl Function) -> Box<dyn Kernel> {
        Box::new(UnaryKernel(function))
    }
}

struct UnaryKernel<F>(F);

/// What a kernel needs of the forward pass for a gradient that reads this.
pub(super) fn needs(reads: Reads) -> Needs {
    Needs { operands: reads == Reads::Argument, results: reads == Reads::Value }
}

impl<F: Function> Kernel for UnaryKernel<F> {
    fn needs(&self) -> Needs {
        needs(self.0.reads())
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let function = self.0;
        map(
            context.operands[0],
            context.results[0],
            #[inline(always)]
            move |x| function.value(x),
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (function, g) = (self.0, context.result_gradients[0]);
        let v = match function.reads() {
            Reads::Nothing => {
                return map(
                    g,
                    target,
                    #[inline(always)]
                    move |g| function.gradient(0.0, g),
                );
            }
            Reads::Argument => context.operands[0],
            Reads::Value => context.results[0],
        };
        map2(
            v,
            g,
            target,
            #[inline(always)]
            move |v, g| function.gradient(v, g),
        );
    }
}

#[cfg(test)]
mod tests;
