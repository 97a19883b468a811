//! Rectifiers and clips that no other kernel computes, under every [`BackwardRule`].
//!
//! | rule | a rectifier passes where | a clip passes where |
//! |---|---|---|
//! | gradient | x > 0 | minimum < x < maximum |
//! | DeconvNet | g > 0 | g > 0 |
//! | guided | x > 0 and g > 0 | minimum < x < maximum and g > 0 |
//! | smooth | everywhere, in part (`smooth.rs`) | everywhere, in part |
//!
//! Where a leaky rectifier does not pass the gradient, it multiplies it with its negative slope, whichever
//! gate was closed; so with slope 0 each rule is the one of its paper. At exactly 0 a rectifier counts as
//! closed.

use deepinside_graph::op::{Function, Reads, Unary, Visitor};

use super::parallel::{map, map2};
use super::unary::needs;
use super::{Backward, Forward, Kernel, Lowering, Needs, smooth};
use crate::BackwardRule;

/// A function that obeys the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rectifier {
    /// `max(x, 0) + slope · min(x, 0)`.
    Relu { slope: f32 },
    /// `min(max(x, minimum), maximum)`.
    Clip { minimum: f32, maximum: f32 },
}

impl Rectifier {
    /// The rectifier that a function is.
    pub fn of(function: &Unary) -> Option<Self> {
        match *function {
            Unary::Relu { negative_slope } => Some(Self::Relu { slope: negative_slope }),
            Unary::Clip { minimum, maximum } => Some(Self::Clip { minimum, maximum }),
            _ => None,
        }
    }

    fn function(self) -> Unary {
        match self {
            Self::Relu { slope } => Unary::Relu { negative_slope: slope },
            Self::Clip { minimum, maximum } => Unary::Clip { minimum, maximum },
        }
    }

    /// The share of the gradient that comes back through a gate that is shut.
    fn leak(self) -> f32 {
        match self {
            Self::Relu { slope } => slope,
            Self::Clip { .. } => 0.0,
        }
    }
}

/// Makes the kernel.
pub(crate) fn lower(rectifier: Rectifier, lowering: &Lowering<'_>) -> Box<dyn Kernel> {
    let pictures = lowering.results[0].shape.extent(0).unwrap_or(1);
    rectifier.function().accept(MakeKernel { rectifier, rule: lowering.rule, pictures })
}

struct MakeKernel {
    rectifier: Rectifier,
    rule: BackwardRule,
    pictures: usize,
}

impl Visitor for MakeKernel {
    type Output = Box<dyn Kernel>;

    fn visit(self, function: impl Function) -> Box<dyn Kernel> {
        let Self { rectifier, rule, pictures } = self;
        // Smooth gates are made from arguments.
        let reads = if rule == BackwardRule::Smooth { Reads::Argument } else { function.reads() };
        Box::new(RectifierKernel { function, rectifier, reads, pictures })
    }
}

struct RectifierKernel<F> {
    function: F,
    rectifier: Rectifier,
    reads: Reads,
    /// The extent of the first axis.
    pictures: usize,
}

impl<F: Function> Kernel for RectifierKernel<F> {
    fn needs(&self) -> Needs {
        needs(self.reads)
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let function = self.function;
        map(
            context.operands[0],
            context.results[0],
            #[inline(always)]
            move |x| function.value(x),
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (function, g, leak) = (self.function, context.result_gradients[0], self.rectifier.leak());
        // No product with 0, which would make NaN of an infinite gradient.
        let shut = move |g: f32| if leak == 0.0 { 0.0 } else { leak * g };
        let v = if self.reads == Reads::Argument { context.operands[0] } else { context.results[0] };
        match context.rule {
            BackwardRule::Gradient => map2(
                v,
                g,
                target,
                #[inline(always)]
                move |v, g| function.gradient(v, g),
            ),
            BackwardRule::DeconvNet => map(
                g,
                target,
                #[inline(always)]
                move |g| if g > 0.0 { g } else { shut(g) },
            ),
            BackwardRule::Guided => map2(
                v,
                g,
                target,
                // A gradient that is not positive meets a shut gate, whatever the argument.
                #[inline(always)]
                move |v, g| if g > 0.0 { function.gradient(v, g) } else { shut(g) },
            ),
            BackwardRule::Smooth => match self.rectifier {
                Rectifier::Relu { slope } => smooth::backward_rectifier(self.pictures, slope, v, g, target),
                Rectifier::Clip { minimum, maximum } => {
                    smooth::backward_clip(self.pictures, [minimum, maximum], v, g, target);
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
