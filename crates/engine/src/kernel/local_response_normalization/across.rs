//! Across channels, which are innermost in memory: one row of channels after the other.

use super::power::Power;
use crate::kernel::parallel::{GRAIN, for_each_pair, for_each_piece};
use crate::kernel::{Backward, Forward, Kernel, Needs, Saved};

/// Normalisation over neighbouring channels.
pub(super) struct AcrossKernel {
    elements: usize,
    channels: usize,
    /// How many neighbours there are on either side.
    half: usize,
    /// α over the number of channels summed.
    strength: f32,
    beta: f32,
    k: f32,
    power: Power,
}

impl AcrossKernel {
    /// The kernel for a value of these extents in memory order.
    pub fn new(extents: &[usize], size: usize, alpha: f32, beta: f32, k: f32) -> Self {
        let channels = extents.last().copied().unwrap_or(1);
        Self {
            elements: extents.iter().product(),
            channels,
            // Further neighbours do not exist.
            half: (size / 2).min(channels.saturating_sub(1)),
            strength: alpha / size as f32,
            beta,
            k,
            power: Power::new(beta),
        }
    }

    /// Whole rows that make a piece of work.
    fn piece(&self) -> usize {
        self.channels * (GRAIN / self.channels.max(1)).max(1)
    }

    /// A row with a margin of zeros on both sides, where the neighbours' numbers go. One per piece of work, of the size
    /// of one row: the only scratch of this kernel.
    fn margins(&self) -> Vec<f32> {
        vec![0.0; self.channels + 2 * self.half]
    }

    /// Adds the numbers of all neighbours, the element's own among them.
    #[inline(always)]
    fn sum(&self, margins: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        for shift in 0..=2 * self.half {
            let numbers = &margins[shift..shift + sums.len()];
            for (sum, number) in sums.iter_mut().zip(numbers) {
                *sum += number;
            }
        }
    }
}

impl Kernel for AcrossKernel {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: true }
    }

    fn saved(&self) -> Saved {
        Saved { numbers: self.elements, positions: 0 }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        if self.elements == 0 {
            return;
        }
        let (x, piece, channels) = (context.operands[0], self.piece(), self.channels);
        let targets = ((&mut *context.results[0], piece), (context.numbers, piece));
        for_each_pair(
            targets.0,
            targets.1,
            #[inline(always)]
            |index, y, sums| {
                let mut margins = self.margins();
                let rows = y.chunks_exact_mut(channels).zip(sums.chunks_exact_mut(channels));
                for ((y, sums), x) in rows.zip(x[index * piece..].chunks_exact(channels)) {
                    for (square, x) in margins[self.half..].iter_mut().zip(x) {
                        *square = x * x;
                    }
                    self.sum(&margins, sums);
                    for (y, sum) in y.iter_mut().zip(sums) {
                        *sum = self.k + self.strength * *sum;
                        *y = *sum;
                    }
                    self.power.apply(y);
                    for (y, x) in y.iter_mut().zip(x) {
                        *y *= x;
                    }
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (x, y, g, sums) =
            (context.operands[0], context.results[0], context.result_gradients[0], context.numbers);
        let (channels, factor) = (self.channels, -2.0 * self.strength * self.beta);
        for_each_piece(
            target,
            self.piece(),
            #[inline(always)]
            |start, piece| {
                let mut margins = self.margins();
                let mut scratch = vec![0.0; channels];
                for (index, target) in piece.chunks_exact_mut(channels).enumerate() {
                    let row = start + index * channels..start + (index + 1) * channels;
                    let (x, y, g, sums) = (&x[row.clone()], &y[row.clone()], &g[row.clone()], &sums[row]);
                    for (((ratio, g), y), sum) in margins[self.half..].iter_mut().zip(g).zip(y).zip(sums) {
                        *ratio = g * y / sum;
                    }
                    self.sum(&margins, &mut scratch);
                    target.copy_from_slice(sums);
                    self.power.apply(target);
                    for (((target, ratios), g), x) in target.iter_mut().zip(&scratch).zip(g).zip(x) {
                        *target = g * *target + factor * x * ratios;
                    }
                }
            },
        );
    }
}
