//! Smooth activations that are their argument times a gate: GELU, Swish and Mish.
//!
//! Value and derivative need the same exponential, so that the forward pass computes both and keeps the derivative, in the
//! place of the argument. The backward pass then only multiplies.

use super::vectors::{PIECE, negated, times_rest};
use crate::kernel::parallel::{for_each_pair, for_each_piece, map2};
use crate::kernel::{Backward, Forward, Kernel, Lowering, Needs, Saved};
use crate::simd::elementary::{bell_and_tail, exp, logistic};
use crate::simd::{Instructions, Simd, Work};

/// The density of the normal distribution at zero: 1/√(2π).
const DENSITY: f32 = 0.398_942_3;

/// An activation of vectors.
pub(super) trait Gated: Copy + Send + Sync + 'static {
    /// The values at `x`, and the derivatives.
    fn value_and_slope<S: Simd>(self, simd: S, x: S::Vector) -> (S::Vector, S::Vector);
}

/// Makes the kernel of an activation.
pub(super) fn gated(lowering: &Lowering<'_>, function: impl Gated) -> Box<dyn Kernel> {
    let slopes = if lowering.backward { lowering.results[0].shape.elements() } else { 0 };
    Box::new(GatedKernel { instructions: lowering.instructions, slopes, function })
}

struct GatedKernel<F> {
    instructions: Instructions,
    /// How many derivatives are kept: all or none.
    slopes: usize,
    function: F,
}

impl<F: Gated> Kernel for GatedKernel<F> {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn saved(&self) -> Saved {
        Saved { numbers: self.slopes, positions: 0 }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, function) = (context.operands[0], self.function);
        if self.slopes == 0 {
            for_each_piece(context.results[0], PIECE, |start, values| {
                let x = &x[start..start + values.len()];
                self.instructions.run(Values { function, x, values });
            });
            return;
        }
        let values = (&mut *context.results[0], PIECE);
        for_each_pair(values, (context.numbers, PIECE), |index, values, slopes| {
            let x = &x[index * PIECE..][..values.len()];
            self.instructions.run(Both { function, x, values, slopes });
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        map2(
            context.numbers,
            context.result_gradients[0],
            target,
            #[inline(always)]
            |slope, g| slope * g,
        );
    }
}

struct Values<'a, F> {
    function: F,
    x: &'a [f32],
    values: &'a mut [f32],
}

impl<F: Gated> Work for Values<'_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { function, x, values } = self;
        let length = x.len();
        assert!(values.len() == length, "numbers and their values");
        let (x, values) = (x.as_ptr(), values.as_mut_ptr());
        let whole = length / S::LANES * S::LANES;
        for first in (0..whole).step_by(S::LANES) {
            // SAFETY: a vector lies in both from here on.
            unsafe {
                simd.store(values.add(first), function.value_and_slope(simd, simd.load(x.add(first))).0)
            };
        }
        if whole < length {
            let count = length - whole;
            // SAFETY: `count` numbers lie in both from here on, fewer than a vector.
            unsafe {
                let (value, _) = function.value_and_slope(simd, simd.load_first(x.add(whole), count));
                simd.store_first(values.add(whole), count, value);
            }
        }
    }
}

struct Both<'a, F> {
    function: F,
    x: &'a [f32],
    values: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl<F: Gated> Work for Both<'_, F> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { function, x, values, slopes } = self;
        let length = x.len();
        assert!(values.len() == length && slopes.len() == length, "numbers, their values and derivatives");
        let (x, values, slopes) = (x.as_ptr(), values.as_mut_ptr(), slopes.as_mut_ptr());
        let whole = length / S::LANES * S::LANES;
        for first in (0..whole).step_by(S::LANES) {
            // SAFETY: a vector lies in all three from here on.
            unsafe {
                let (value, slope) = function.value_and_slope(simd, simd.load(x.add(first)));
                simd.store(values.add(first), value);
                simd.store(slopes.add(first), slope);
            }
        }
        if whole < length {
            let count = length - whole;
            // SAFETY: `count` numbers lie in all three from here on, fewer than a vector.
            unsafe {
                let (value, slope) = function.value_and_slope(simd, simd.load_first(x.add(whole), count));
                simd.store_first(values.add(whole), count, value);
                simd.store_first(slopes.add(whole), count, slope);
            }
        }
    }
}

/// `x` times the normal distribution's share below `x`.
#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Gated for Gelu {
    #[inline(always)]
    fn value_and_slope<S: Simd>(self, simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
        let scaled = simd.multiply(x, simd.splat(std::f32::consts::FRAC_1_SQRT_2));
        let (bell, tail) = bell_and_tail(simd, simd.at_least(scaled, negated(simd, scaled)));
        let beyond = simd.multiply(simd.splat(0.5), tail);
        let below = simd.subtract(simd.splat(1.0), beyond);
        let share = simd.where_greater(simd.splat(0.0), x, beyond, below);
        let slope = simd.multiply_add(simd.multiply(x, simd.splat(DENSITY)), bell, share);
        (simd.multiply(x, share), slope)
    }
}

/// `x` times the logistic function of `2 √(2/π) (x + 0.044715 x³)`.
#[derive(Clone, Copy)]
pub(super) struct ApproximateGelu;

impl ApproximateGelu {
    /// `2 √(2/π)`.
    const SLOPE: f32 = 4.0 * DENSITY;
    const CUBIC: f32 = 0.044_715;
}

impl Gated for ApproximateGelu {
    #[inline(always)]
    fn value_and_slope<S: Simd>(self, simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
        let (zero, one, square) = (simd.splat(0.0), simd.splat(1.0), simd.multiply(x, x));
        let bend = simd.multiply_add(square, simd.splat(Self::CUBIC), one);
        let gate = logistic(simd, simd.multiply(simd.multiply(x, simd.splat(Self::SLOPE)), bend));
        let bend = simd.multiply_add(square, simd.splat(3.0 * Self::CUBIC), one);
        let curve = times_rest(simd, gate);
        let change = simd.multiply(simd.multiply(x, curve), simd.multiply(bend, simd.splat(Self::SLOPE)));
        // A gate that is shut or open stops the square of a huge argument.
        let slope = simd.add(gate, simd.where_greater(curve, zero, change, zero));
        (simd.multiply(x, gate), slope)
    }
}

/// `x` times the logistic function of `βx`.
#[derive(Clone, Copy)]
pub(super) struct Swish {
    pub beta: f32,
}

impl Gated for Swish {
    #[inline(always)]
    fn value_and_slope<S: Simd>(self, simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
        let scaled = simd.multiply(simd.splat(self.beta), x);
        let gate = logistic(simd, scaled);
        (simd.multiply(x, gate), simd.multiply_add(scaled, times_rest(simd, gate), gate))
    }
}

/// `x · tanh(ln(1 + e))` with `e = eˣ`; the tangent is `n / (n + 2)` with `n = e (e + 2)`.
#[derive(Clone, Copy)]
pub(super) struct Mish;

impl Mish {
    /// Beyond this the tangent is 1.
    const OPEN: f32 = 20.0;
}

impl Gated for Mish {
    #[inline(always)]
    fn value_and_slope<S: Simd>(self, simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
        let (zero, one, two) = (simd.splat(0.0), simd.splat(1.0), simd.splat(2.0));
        let power = exp(simd, simd.at_most(x, simd.splat(Self::OPEN)));
        let n = simd.multiply(power, simd.add(power, two));
        let tangent = simd.divide(n, simd.add(n, two));
        let gate = simd.divide(power, simd.add(one, power));
        let curve = simd.multiply(simd.subtract(one, simd.multiply(tangent, tangent)), gate);
        let change = simd.where_greater(curve, zero, simd.multiply(x, curve), zero);
        (simd.multiply(x, tangent), simd.add(tangent, change))
    }
}
