//! The functions that are made of exponentials and logarithms, in vectors; the definitions are those of the graph's crate.
//!
//! The standard library's exponential takes one number at a time, which took ten times as long as reading and writing them.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Reads, Unary};

use super::gated::{ApproximateGelu, Gelu, Mish, Swish, gated};
use super::needs;
use crate::kernel::axes::expect_same_order;
use crate::kernel::parallel::{GRAIN, for_each_piece};
use crate::kernel::{Backward, Forward, Kernel, Lowering, Needs};
use crate::simd::elementary::{erf, exp, ln, ln_of_one_plus, logistic, tanh};
use crate::simd::{Instructions, Simd, Work};

/// The elements of a piece of work: each takes as long as several of what only moves numbers.
pub(super) const PIECE: usize = GRAIN / 4;

/// The function made of vectors that an operator is, if it is one.
pub(super) fn lower(op: &Unary, lowering: &Lowering<'_>) -> Result<Option<Box<dyn Kernel>>, Inconsistency> {
    expect_same_order(&lowering.operands[0], &lowering.results[0])?;
    let by = lowering.instructions;
    Ok(Some(match *op {
        Unary::Exponential { inner_scale, outer_scale } => {
            kernel(by, Exponential { inner_scale, outer_scale })
        }
        Unary::Sigmoid => kernel(by, Sigmoid),
        Unary::Tanh => kernel(by, Tanh),
        Unary::Erf => kernel(by, Erf),
        Unary::Gelu { approximate: false } => gated(lowering, Gelu),
        Unary::Gelu { approximate: true } => gated(lowering, ApproximateGelu),
        Unary::Swish { beta } => gated(lowering, Swish { beta }),
        Unary::Softplus => kernel(by, Softplus),
        Unary::Mish => gated(lowering, Mish),
        Unary::Logarithm { scale, shift, outer_scale } => kernel(by, Logarithm { scale, shift, outer_scale }),
        _ => return Ok(None),
    }))
}

fn kernel(instructions: Instructions, function: impl VectorFunction) -> Box<dyn Kernel> {
    Box::new(VectorKernel { instructions, function })
}

/// A function of vectors with its derivative, as [`deepinside_graph::op::Function`] is one of numbers.
pub(crate) trait VectorFunction: Copy + Send + Sync + 'static {
    /// What the gradient is computed from.
    const READS: Reads;

    /// The values at `x`.
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector;

    /// The derivative times `g`; `v` is what [`Self::READS`] says.
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector;
}

struct VectorKernel<F> {
    instructions: Instructions,
    function: F,
}

impl<F: VectorFunction> Kernel for VectorKernel<F> {
    fn needs(&self) -> Needs {
        needs(F::READS)
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        for_each_piece(context.results[0], PIECE, |start, target| {
            let x = &x[start..start + target.len()];
            self.instructions.run(Values { function: self.function, x, target });
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let v = if F::READS == Reads::Argument { context.operands[0] } else { context.results[0] };
        let g = context.result_gradients[0];
        for_each_piece(target, PIECE, |start, target| {
            let range = start..start + target.len();
            let (v, g) = (&v[range.clone()], &g[range]);
            self.instructions.run(Gradients { function: self.function, v, g, target });
        });
    }
}

struct Values<'a, F> {
    function: F,
    x: &'a [f32],
    target: &'a mut [f32],
}

impl<F: VectorFunction> Work for Values<'_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (x, targets) = (self.x.chunks_exact(S::LANES), self.target.chunks_exact_mut(S::LANES));
        let rest = x.remainder();
        let mut targets = targets;
        for (x, target) in x.zip(&mut targets) {
            // SAFETY: both chunks hold a vector.
            unsafe { simd.store(target.as_mut_ptr(), self.function.value(simd, simd.load(x.as_ptr()))) };
        }
        let target = targets.into_remainder();
        assert_eq!(rest.len(), target.len(), "numbers and their values");
        if !rest.is_empty() {
            // SAFETY: both hold fewer numbers than a vector, as many as they say.
            unsafe {
                let x = simd.load_first(rest.as_ptr(), rest.len());
                simd.store_first(target.as_mut_ptr(), rest.len(), self.function.value(simd, x));
            }
        }
    }
}

struct Gradients<'a, F> {
    function: F,
    v: &'a [f32],
    g: &'a [f32],
    target: &'a mut [f32],
}

impl<F: VectorFunction> Work for Gradients<'_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (v, g) = (self.v.chunks_exact(S::LANES), self.g.chunks_exact(S::LANES));
        let rest = (v.remainder(), g.remainder());
        let mut targets = self.target.chunks_exact_mut(S::LANES);
        for ((v, g), target) in v.zip(g).zip(&mut targets) {
            // SAFETY: all three chunks hold a vector.
            unsafe {
                let gradient = self.function.gradient(simd, simd.load(v.as_ptr()), simd.load(g.as_ptr()));
                simd.store(target.as_mut_ptr(), gradient);
            }
        }
        let target = targets.into_remainder();
        let count = target.len();
        assert!(rest.0.len() == count && rest.1.len() == count, "numbers and their gradients");
        if count > 0 {
            // SAFETY: all three hold `count` numbers, fewer than a vector.
            unsafe {
                let (v, g) =
                    (simd.load_first(rest.0.as_ptr(), count), simd.load_first(rest.1.as_ptr(), count));
                simd.store_first(target.as_mut_ptr(), count, self.function.gradient(simd, v, g));
            }
        }
    }
}

/// `x` with the sign of the other side.
#[inline(always)]
pub(super) fn negated<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    simd.subtract(simd.splat(0.0), x)
}

/// `a (1 − a)`.
#[inline(always)]
pub(super) fn times_rest<S: Simd>(simd: S, a: S::Vector) -> S::Vector {
    simd.multiply(a, simd.subtract(simd.splat(1.0), a))
}

#[derive(Clone, Copy)]
struct Exponential {
    inner_scale: f32,
    outer_scale: f32,
}

impl VectorFunction for Exponential {
    const READS: Reads = Reads::Value;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        let power = exp(simd, simd.multiply(x, simd.splat(self.inner_scale)));
        simd.multiply(simd.splat(self.outer_scale), power)
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        simd.multiply(g, simd.multiply(simd.splat(self.inner_scale), v))
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl VectorFunction for Sigmoid {
    const READS: Reads = Reads::Value;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        logistic(simd, x)
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        simd.multiply(g, times_rest(simd, v))
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl VectorFunction for Tanh {
    const READS: Reads = Reads::Value;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        tanh(simd, x)
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        simd.multiply(g, simd.subtract(simd.splat(1.0), simd.multiply(v, v)))
    }
}

#[derive(Clone, Copy)]
struct Erf;

impl VectorFunction for Erf {
    const READS: Reads = Reads::Argument;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        erf(simd, x)
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        let bell = exp(simd, negated(simd, simd.multiply(v, v)));
        simd.multiply(simd.multiply(g, simd.splat(std::f32::consts::FRAC_2_SQRT_PI)), bell)
    }
}

#[derive(Clone, Copy)]
struct Softplus;

impl VectorFunction for Softplus {
    const READS: Reads = Reads::Argument;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        let below = simd.at_most(x, negated(simd, x));
        simd.add(simd.at_least(x, simd.splat(0.0)), ln_of_one_plus(simd, exp(simd, below)))
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        simd.multiply(g, logistic(simd, v))
    }
}

#[derive(Clone, Copy)]
struct Logarithm {
    scale: f32,
    shift: f32,
    outer_scale: f32,
}

impl Logarithm {
    #[inline(always)]
    fn inner<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        simd.add(simd.multiply(simd.splat(self.scale), x), simd.splat(self.shift))
    }
}

impl VectorFunction for Logarithm {
    const READS: Reads = Reads::Argument;

    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::Vector) -> S::Vector {
        simd.multiply(simd.splat(self.outer_scale), ln(simd, self.inner(simd, x)))
    }

    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, v: S::Vector, g: S::Vector) -> S::Vector {
        let scaled = simd.multiply(g, simd.splat(self.outer_scale * self.scale));
        simd.divide(scaled, self.inner(simd, v))
    }
}
