//! Normalisation of rows, as layer normalisation is: along the innermost axes in memory, with a scale and a shift of every
//! number of a row. One kernel does what files spell in three to nine steps.
//!
//! A row stays in the first-level cache while its statistics are taken, so that memory is read and written once. The mean
//! of the differences from a first mean corrects it, and what it was off is taken from the variance: sums in single
//! precision are then as good as in double precision.

use deepinside_graph::op::EpsilonPlacement;

use crate::kernel::parallel::{GRAIN, for_each_pair, for_each_piece};
use crate::kernel::rows::{for_each_vector, read, read_or, sum, write};
use crate::kernel::{Backward, Forward, Kernel, Needs, Saved};
use crate::simd::{Instructions, LINE, Simd, Work};

/// The elements of a piece of work.
const PIECE: usize = GRAIN / 4;

/// What the numbers of a normalised row are multiplied with, and what is added then.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Affine {
    pub scale: Option<Vec<f32>>,
    pub shift: Option<Vec<f32>>,
}

pub(super) struct RowNormalization {
    pub instructions: Instructions,
    pub rows: usize,
    /// The numbers of a row.
    pub length: usize,
    pub epsilon: f64,
    pub placement: EpsilonPlacement,
    pub affine: Affine,
}

/// Per row: the mean, and what differences from it are multiplied with.
const STATISTICS: usize = 2;

impl RowNormalization {
    /// The rows of a piece of work.
    fn piece(&self) -> usize {
        (PIECE / self.length).max(1)
    }
}

impl Kernel for RowNormalization {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: false }
    }

    fn saved(&self) -> Saved {
        Saved { numbers: STATISTICS * self.rows, positions: 0 }
    }

    fn accumulates(&self, _operand: usize) -> bool {
        true
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, rows) = (context.operands[0], self.piece());
        let results = (&mut *context.results[0], rows * self.length);
        for_each_pair(results, (context.numbers, rows * STATISTICS), |index, target, statistics| {
            let start = index * rows * self.length;
            let x = &x[start..start + target.len()];
            self.instructions.run(Normalized { kernel: self, x, target, statistics });
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (x, g, numbers) = (context.operands[0], context.result_gradients[0], context.numbers);
        let adds = context.accumulates[0];
        for_each_piece(target, self.piece() * self.length, |start, target| {
            let range = start..start + target.len();
            let statistics =
                &numbers[start / self.length * STATISTICS..][..target.len() / self.length * STATISTICS];
            let (x, g) = (&x[range.clone()], &g[range]);
            self.instructions.run(Gradients { kernel: self, x, g, statistics, target, adds });
        });
    }
}

/// Some normalised rows, and their statistics.
struct Normalized<'a> {
    kernel: &'a RowNormalization,
    x: &'a [f32],
    target: &'a mut [f32],
    statistics: &'a mut [f32],
}

impl Work for Normalized<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == LINE { self.rows::<S, 1>(simd) } else { self.rows::<S, 2>(simd) }
    }
}

impl Normalized<'_> {
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(self, simd: S) {
        let length = self.kernel.length;
        let rows = self.x.chunks_exact(length).zip(self.target.chunks_exact_mut(length));
        for ((x, target), statistics) in rows.zip(self.statistics.chunks_exact_mut(STATISTICS)) {
            let [mean, factor] = self.kernel.statistics::<S, V>(simd, x);
            statistics.copy_from_slice(&[mean, factor]);
            self.kernel.row::<S, V>(simd, x, [mean, factor], target);
        }
    }
}

impl RowNormalization {
    /// The mean of a row, and what differences from it are multiplied with.
    #[inline(always)]
    fn statistics<S: Simd, const V: usize>(&self, simd: S, x: &[f32]) -> [f32; STATISTICS] {
        let (length, x) = (x.len(), x.as_ptr());
        let terms = length as f64;
        let mut sums = [simd.splat(0.0); V];
        for_each_vector::<S, V>(
            length,
            #[inline(always)]
            |first, count, vector| {
                // SAFETY: the vectors lie in the row.
                sums[vector] = simd.add(sums[vector], unsafe { read(simd, x, first, count) });
            },
        );
        let first_mean = (f64::from(sum(simd, sums)) / terms) as f32;
        let middle = simd.splat(first_mean);
        let (mut sums, mut squares) = ([simd.splat(0.0); V], [simd.splat(0.0); V]);
        for_each_vector::<S, V>(
            length,
            #[inline(always)]
            |first, count, vector| {
                // SAFETY: the vectors lie in the row. What does not exist does not differ from the mean.
                let number = unsafe { read_or(simd, x, first, count, first_mean) };
                let difference = simd.subtract(number, middle);
                sums[vector] = simd.add(sums[vector], difference);
                squares[vector] = simd.multiply_add(difference, difference, squares[vector]);
            },
        );
        let off = f64::from(sum(simd, sums)) / terms;
        let variance = (f64::from(sum(simd, squares)) / terms - off * off).max(0.0);
        let factor = match self.placement {
            EpsilonPlacement::InsideRoot => 1.0 / (variance + self.epsilon).sqrt(),
            EpsilonPlacement::OutsideRoot => 1.0 / (variance.sqrt() + self.epsilon),
        };
        [(f64::from(first_mean) + off) as f32, factor as f32]
    }

    /// A normalised row.
    #[inline(always)]
    fn row<S: Simd, const V: usize>(
        &self,
        simd: S,
        x: &[f32],
        [mean, factor]: [f32; STATISTICS],
        target: &mut [f32],
    ) {
        let length = target.len();
        assert!(x.len() == length, "a row and its normalised one");
        let (scale, shift) = (self.affine.scale.as_deref(), self.affine.shift.as_deref());
        assert!(
            scale.is_none_or(|scale| scale.len() == length)
                && shift.is_none_or(|shift| shift.len() == length),
            "scales and shifts of a row"
        );
        let (mean, factor) = (simd.splat(mean), simd.splat(factor));
        let (x, target) = (x.as_ptr(), target.as_mut_ptr());
        for_each_vector::<S, V>(
            length,
            #[inline(always)]
            |first, count, _| {
                // SAFETY: the vectors lie in all rows.
                unsafe {
                    let difference = simd.subtract(read(simd, x, first, count), mean);
                    let mut number = simd.multiply(difference, factor);
                    if let Some(scale) = scale {
                        number = simd.multiply(number, read(simd, scale.as_ptr(), first, count));
                    }
                    if let Some(shift) = shift {
                        number = simd.add(number, read(simd, shift.as_ptr(), first, count));
                    }
                    write(simd, target, first, count, number);
                }
            },
        );
    }
}

/// The gradients of some rows.
struct Gradients<'a> {
    kernel: &'a RowNormalization,
    x: &'a [f32],
    g: &'a [f32],
    statistics: &'a [f32],
    target: &'a mut [f32],
    /// Whether they are added to what is there.
    adds: bool,
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
        let (length, scale) = (self.kernel.length, self.kernel.affine.scale.as_deref());
        let rows = self.x.chunks_exact(length).zip(self.g.chunks_exact(length));
        let rows = rows.zip(self.target.chunks_exact_mut(length));
        for (((x, g), target), statistics) in rows.zip(self.statistics.chunks_exact(STATISTICS)) {
            gradient_of_row::<S, V>(simd, x, g, scale, [statistics[0], statistics[1]], target, self.adds);
        }
    }
}

/// Rows of numbers, of gradients and of scales, of equal length.
struct Pairs<S: Simd> {
    x: *const f32,
    g: *const f32,
    scale: Option<*const f32>,
    mean: S::Vector,
    factor: S::Vector,
}

impl<S: Simd> Pairs<S> {
    /// Normalised numbers, and their gradients.
    ///
    /// # Safety
    /// The rows have `count` numbers from `first` on.
    #[inline(always)]
    unsafe fn read(&self, simd: S, first: usize, count: usize) -> (S::Vector, S::Vector) {
        // SAFETY: as promised.
        unsafe {
            let difference = simd.subtract(read(simd, self.x, first, count), self.mean);
            let mut gradient = read(simd, self.g, first, count);
            if let Some(scale) = self.scale {
                gradient = simd.multiply(gradient, read(simd, scale, first, count));
            }
            (simd.multiply(difference, self.factor), gradient)
        }
    }
}

/// `r · (h − mean(h) − n · mean(h·n))`, where `h` is the gradient of the normalised row `n`, and `r` its factor.
#[inline(always)]
fn gradient_of_row<S: Simd, const V: usize>(
    simd: S,
    x: &[f32],
    g: &[f32],
    scale: Option<&[f32]>,
    [mean, factor]: [f32; STATISTICS],
    target: &mut [f32],
    adds: bool,
) {
    let length = x.len();
    assert!(
        g.len() == length && target.len() == length && scale.is_none_or(|scale| scale.len() == length),
        "a row and its gradients"
    );
    let (mean, factor) = (simd.splat(mean), simd.splat(factor));
    let (x, g, target) = (x.as_ptr(), g.as_ptr(), target.as_mut_ptr());
    let pairs: Pairs<S> = Pairs { x, g, scale: scale.map(<[f32]>::as_ptr), mean, factor };
    let (mut sums, mut products) = ([simd.splat(0.0); V], [simd.splat(0.0); V]);
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, vector| {
            // SAFETY: the vectors lie in all rows.
            let (normalized, gradient) = unsafe { pairs.read(simd, first, count) };
            sums[vector] = simd.add(sums[vector], gradient);
            products[vector] = simd.multiply_add(gradient, normalized, products[vector]);
        },
    );
    let share = 1.0 / length as f32;
    let mean_gradient = simd.splat(sum(simd, sums) * share);
    let mean_product = simd.splat(-(sum(simd, products) * share));
    for_each_vector::<S, V>(
        length,
        #[inline(always)]
        |first, count, _| {
            // SAFETY: the vectors lie in all rows.
            let (normalized, gradient) = unsafe { pairs.read(simd, first, count) };
            let rest = simd.subtract(gradient, mean_gradient);
            let rest = simd.multiply(factor, simd.multiply_add(normalized, mean_product, rest));
            // SAFETY: the vectors lie in the row.
            unsafe {
                let rest = if adds { simd.add(read(simd, target, first, count), rest) } else { rest };
                write(simd, target, first, count, rest);
            }
        },
    );
}
