//! Softmax of rows: along the innermost axis in memory, in vectors.
//!
//! A row stays in the first-level cache while its largest number, its powers and their sum are taken, so that memory is
//! read and written once.

use crate::kernel::parallel::{GRAIN, for_each_piece};
use crate::kernel::rows::{for_each_vector, largest, read, read_or, sum, write};
use crate::kernel::{Backward, Forward, Kernel, Needs};
use crate::simd::elementary::exp_of_negative;
use crate::simd::{Instructions, LINE, Simd, Work};

/// The elements of a piece of work: each takes as long as several of what only moves numbers.
const PIECE: usize = GRAIN / 4;

pub(super) struct RowSoftmax {
    pub instructions: Instructions,
    /// The numbers of a row.
    pub length: usize,
}

impl RowSoftmax {
    /// The numbers of a piece: whole rows.
    fn piece(&self) -> usize {
        (PIECE / self.length).max(1) * self.length
    }
}

impl Kernel for RowSoftmax {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: true }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        for_each_piece(context.results[0], self.piece(), |start, target| {
            let x = &x[start..start + target.len()];
            self.instructions.run(Powers { x, target, length: self.length });
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (y, g) = (context.results[0], context.result_gradients[0]);
        for_each_piece(target, self.piece(), |start, target| {
            let range = start..start + target.len();
            let (y, g) = (&y[range.clone()], &g[range]);
            self.instructions.run(Gradients { y, g, target, length: self.length });
        });
    }
}

/// Powers over their sum, row by row.
struct Powers<'a> {
    x: &'a [f32],
    target: &'a mut [f32],
    length: usize,
}

impl Work for Powers<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == LINE { self.rows::<S, 1>(simd) } else { self.rows::<S, 2>(simd) }
    }
}

impl Powers<'_> {
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(self, simd: S) {
        for (x, y) in self.x.chunks_exact(self.length).zip(self.target.chunks_exact_mut(self.length)) {
            powers_of_row::<S, V>(simd, x, y);
        }
    }
}

/// One row.
#[inline(always)]
fn powers_of_row<S: Simd, const V: usize>(simd: S, x: &[f32], y: &mut [f32]) {
    let length = x.len();
    assert!(y.len() == length, "a row and its softmax");
    let (x, y) = (x.as_ptr(), y.as_mut_ptr());
    let mut most = [simd.splat(f32::NEG_INFINITY); V];
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, vector| {
            // SAFETY: the vectors lie in the row.
            let number = unsafe { read_or(simd, x, first, count, f32::NEG_INFINITY) };
            most[vector] = simd.at_least(number, most[vector]);
        },
    );
    let most = simd.splat(largest(simd, most));
    let mut sums = [simd.splat(0.0); V];
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, vector| {
            // SAFETY: the vectors lie in both rows. The power of what does not exist is zero.
            unsafe {
                let number = read_or(simd, x, first, count, f32::NEG_INFINITY);
                let power = exp_of_negative(simd, simd.subtract(number, most));
                sums[vector] = simd.add(sums[vector], power);
                write(simd, y, first, count, power);
            }
        },
    );
    let factor = simd.splat(1.0 / sum(simd, sums));
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, _| {
            // SAFETY: the vectors lie in the row.
            unsafe {
                let power = read(simd, y, first, count);
                write(simd, y, first, count, simd.multiply(power, factor));
            }
        },
    );
}

/// `y · (g − Σ g·y)`, row by row.
struct Gradients<'a> {
    y: &'a [f32],
    g: &'a [f32],
    target: &'a mut [f32],
    length: usize,
}

impl Work for Gradients<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == LINE { self.rows::<S, 1>(simd) } else { self.rows::<S, 2>(simd) }
    }
}

impl Gradients<'_> {
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(self, simd: S) {
        let rows = self.y.chunks_exact(self.length).zip(self.g.chunks_exact(self.length));
        for ((y, g), target) in rows.zip(self.target.chunks_exact_mut(self.length)) {
            gradient_of_row::<S, V>(simd, y, g, target);
        }
    }
}

/// One row.
#[inline(always)]
fn gradient_of_row<S: Simd, const V: usize>(simd: S, y: &[f32], g: &[f32], target: &mut [f32]) {
    let length = y.len();
    assert!(g.len() == length && target.len() == length, "a row of a softmax and its gradients");
    let mut sums = [simd.splat(0.0); V];
    let (powers, gradients) = (y.as_ptr(), g.as_ptr());
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, vector| {
            // SAFETY: the vectors lie in both rows.
            unsafe {
                let (y, g) = (read(simd, powers, first, count), read(simd, gradients, first, count));
                sums[vector] = simd.multiply_add(y, g, sums[vector]);
            }
        },
    );
    let total = sum(simd, sums);
    if total.is_nan() && g.iter().all(|&g| g == 0.0) {
        // Where all is masked there is no softmax. Networks put zeros in its place, and nothing comes back from it.
        target.fill(0.0);
        return;
    }
    let (total, target) = (simd.splat(total), target.as_mut_ptr());
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, _| {
            // SAFETY: the vectors lie in all three rows.
            unsafe {
                let (y, g) = (read(simd, powers, first, count), read(simd, gradients, first, count));
                write(simd, target, first, count, simd.multiply(y, simd.subtract(g, total)));
            }
        },
    );
}
