//! Within each channel: over a square neighbourhood of places, zero outside of the picture.

use deepinside_graph::Inconsistency;

use super::power::Power;
use crate::kernel::parallel::{GRAIN, for_each_pair, for_each_piece};
use crate::kernel::{Backward, Forward, Kernel, Needs, Saved};

/// Normalisation over neighbouring places.
pub(super) struct WithinKernel {
    elements: usize,
    height: usize,
    width: usize,
    channels: usize,
    /// How many neighbours there are on each side.
    half: usize,
    /// α over the number of places summed.
    strength: f32,
    beta: f32,
    power: Power,
}

impl WithinKernel {
    /// The kernel for a value of extents `N × H × W × C`.
    pub fn new(extents: &[usize], size: usize, alpha: f32, beta: f32) -> Result<Self, Inconsistency> {
        let &[_, height, width, channels] = extents else {
            return Err(Inconsistency::new("input", "four axes", format!("{} axes", extents.len())));
        };
        Ok(Self {
            elements: extents.iter().product(),
            height,
            width,
            channels,
            half: size / 2,
            strength: alpha / (size as f32 * size as f32),
            beta,
            power: Power::new(beta),
        })
    }

    /// The places of all pictures that make a piece of work, times the channels. Each reads its whole neighbourhood.
    fn piece(&self) -> usize {
        let neighbours = (2 * self.half + 1).min(self.height) * (2 * self.half + 1).min(self.width);
        self.channels * (GRAIN / (self.channels * neighbours).max(1)).max(1)
    }

    /// Adds up, over the neighbours of a place, what `read` gives for each element; the place counts over all pictures.
    #[inline(always)]
    fn sum(&self, place: usize, sums: &mut [f32], read: impl Fn(usize) -> f32) {
        let (row, x) = (place / self.width, place % self.width);
        let (picture, y) = (row / self.height, row % self.height);
        sums.fill(0.0);
        for y in y.saturating_sub(self.half)..(y + self.half + 1).min(self.height) {
            for x in x.saturating_sub(self.half)..(x + self.half + 1).min(self.width) {
                let first = ((picture * self.height + y) * self.width + x) * self.channels;
                for (index, sum) in sums.iter_mut().enumerate() {
                    *sum += read(first + index);
                }
            }
        }
    }
}

impl Kernel for WithinKernel {
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
                let places = y.chunks_exact_mut(channels).zip(sums.chunks_exact_mut(channels));
                for (place, (y, sums)) in (index * piece / channels..).zip(places) {
                    self.sum(
                        place,
                        sums,
                        #[inline(always)]
                        |at| x[at] * x[at],
                    );
                    for (y, sum) in y.iter_mut().zip(sums) {
                        *sum = 1.0 + self.strength * *sum;
                        *y = *sum;
                    }
                    self.power.apply(y);
                    for (y, x) in y.iter_mut().zip(&x[place * channels..]) {
                        *y *= x;
                    }
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (x, y, g, saved) =
            (context.operands[0], context.results[0], context.result_gradients[0], context.numbers);
        let (channels, factor) = (self.channels, -2.0 * self.strength * self.beta);
        for_each_piece(
            target,
            self.piece(),
            #[inline(always)]
            |start, piece| {
                // One number per channel: the only scratch of this kernel.
                let mut powers = vec![0.0; channels];
                for (place, target) in (start / channels..).zip(piece.chunks_exact_mut(channels)) {
                    self.sum(
                        place,
                        target,
                        #[inline(always)]
                        |at| g[at] * y[at] / saved[at],
                    );
                    let row = place * channels..(place + 1) * channels;
                    powers.copy_from_slice(&saved[row.clone()]);
                    self.power.apply(&mut powers);
                    let own = g[row.clone()].iter().zip(&x[row]).zip(&powers);
                    for (target, ((g, x), power)) in target.iter_mut().zip(own) {
                        *target = g * power + factor * x * *target;
                    }
                }
            },
        );
    }
}
