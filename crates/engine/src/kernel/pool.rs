//! Maxima and averages over windows, channels innermost in memory.
//!
//! One, two or three spatial axes are all worked on as three. Every output place takes its window's elements in
//! row-major order for up to [`LANES`] neighbouring channels at once: their maxima and positions (or sums) stay in vector
//! registers, and what is read of each element of the window is a whole number of cache lines.
//!
//! The backward pass gathers: each input place asks the windows that cover it, in row-major order, whether their maximum
//! stood here, or for their share of the average. Nothing is scattered, so rows of the input are independent pieces of
//! work. A 3 × 3 window with stride 2 covers each place 2¼ times, so this reads little more than scattering would.
//!
//! A window without any element of the input (Caffe's rounding up can make one) has the average 0, and Caffe's lowest
//! number as its maximum, which has no position; both pass no gradient. Nor has a maximum a position which the rectifier before it stops,
//! where maxima are told to stop gradients in its place.

mod axis;
mod maximum;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{Pool, PoolKind};

use self::axis::Axis;
use self::maximum::Maxima;
use super::activation::Activation;
use super::axes::expect_same_order;
use super::parallel::{GRAIN, for_each_pair, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand, Saved};
use crate::Layout;
use crate::simd::Instructions;

/// How many channels are averaged together: four 256-bit vectors.
const LANES: usize = 32;

/// The saved position of a maximum over nothing.
const NOWHERE: u32 = u32::MAX;

/// Makes the kernel. With a `gate`, the rectifier of what maxima are taken of, the gradient of a maximum that it stops goes nowhere.
pub(crate) fn lower(
    op: &Pool,
    lowering: &Lowering<'_>,
    gate: Option<Activation>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    for operand in lowering.operands.iter().chain(&lowering.results) {
        expect_same_order(operand, &Operand { layout: Layout::ChannelsLast, ..operand.clone() })?;
    }
    let extents = input.shape.extents();
    if !(1..=3).contains(&op.window.axes()) || extents.len() != op.window.axes() + 2 {
        return Err(Inconsistency::new("spatial axes of a pooling window", "1 to 3", op.window.axes()));
    }
    let missing = 3 - op.window.axes();
    let axis = |index: usize| match index.checked_sub(missing) {
        None => Axis::single(),
        Some(own) => Axis::new(op, own, extents[own + 2]),
    };
    let mut kernel = PoolKernel {
        instructions: lowering.instructions,
        kind: op.kind,
        batch: extents[0],
        channels: extents[1],
        axes: [axis(0), axis(1), axis(2)],
        with_positions: op.with_positions,
        keeps_positions: op.with_positions || lowering.backward,
        gate: gate.unwrap_or(Activation::NONE),
    };
    // Along an axis on which windows neither reach nor move, elements are as independent as channels, and become some.
    // That is how exported sums over neighbouring channels look. Positions would count other places.
    while !op.with_positions && kernel.axes[2].input > 1 && kernel.axes[2].is_pointwise() {
        let [depth, height, width] = kernel.axes;
        kernel.channels *= width.input;
        kernel.axes = [Axis::single(), depth, height];
    }
    Ok(Box::new(kernel))
}

struct PoolKernel {
    instructions: Instructions,
    kind: PoolKind,
    batch: usize,
    channels: usize,
    axes: [Axis; 3],
    with_positions: bool,
    /// Whether it will be asked where the maxima stood.
    keeps_positions: bool,
    /// Maxima beyond its limits have no position.
    gate: Activation,
}

/// The elements of one window: the row-major position of the first among the places of the input, and for each axis the
/// number of elements and the distance in places from one to the next.
#[derive(Clone, Copy)]
struct Taps {
    first: usize,
    counts: [usize; 3],
    strides: [usize; 3],
}

impl PoolKernel {
    /// The number of input places per picture.
    fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// The number of windows per picture.
    fn windows(&self) -> usize {
        self.axes.iter().map(Axis::output).product()
    }

    /// The number of elements of the result.
    fn elements(&self) -> usize {
        self.batch * self.windows() * self.channels
    }

    /// The elements of the window that stands at a row-major position among the output places.
    #[inline(always)]
    fn taps(&self, window: usize) -> Taps {
        let [depth, height, width] = &self.axes;
        let x = width.windows[window % width.output()];
        let y = height.windows[window / width.output() % height.output()];
        let z = depth.windows[window / width.output() / height.output()];
        let row = width.input;
        let plane = row * height.input;
        Taps {
            first: z.first * plane + y.first * row + x.first,
            counts: [z.count, y.count, x.count],
            strides: [depth.dilation * plane, height.dilation * row, width.dilation],
        }
    }

    /// Input rows, or output rows, of `row` elements that make a piece of work.
    fn piece(&self, row: usize) -> usize {
        // A small output can still stand for much input: what is read counts, too.
        let read = (self.places() * self.channels / self.windows().max(1)).max(1)
            * (row / self.channels.max(1)).max(1);
        (GRAIN / read.max(row).max(1)).max(1) * row
    }
}

impl Kernel for PoolKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn saved(&self) -> Saved {
        let keeps = self.kind == PoolKind::Maximum && self.keeps_positions;
        let positions = if keeps { self.elements() } else { 0 };
        Saved { numbers: 0, positions }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        if self.elements() == 0 {
            return;
        }
        let (x, image) = (context.operands[0], self.places() * self.channels);
        let (channels, windows) = (self.channels, self.windows());
        let piece = self.piece(self.axes[2].output() * channels);
        if self.kind == PoolKind::Maximum && !self.keeps_positions {
            for_each_piece(context.results[0], piece, |start, values| {
                self.instructions.run(Maxima {
                    kernel: self,
                    x,
                    first: start / channels,
                    values,
                    positions: &mut [],
                });
            });
        } else if self.kind == PoolKind::Maximum {
            let targets = ((&mut *context.results[0], piece), (&mut *context.positions, piece));
            for_each_pair(targets.0, targets.1, |index, values, positions| {
                let first = index * piece / channels;
                self.instructions.run(Maxima { kernel: self, x, first, values, positions });
            });
            if self.with_positions
                && let Some(result) = context.results.get_mut(1)
            {
                let positions = &*context.positions;
                for_each_piece(
                    result,
                    GRAIN,
                    #[inline(always)]
                    |start, piece| {
                        for (number, &position) in piece.iter_mut().zip(&positions[start..]) {
                            *number = if position == NOWHERE { -1.0 } else { position as f32 };
                        }
                    },
                );
            }
        } else {
            for_each_piece(
                context.results[0],
                piece,
                #[inline(always)]
                |start, piece| {
                    for (window, values) in (start / channels..).zip(piece.chunks_mut(channels)) {
                        let x = &x[window / windows * image..][..image];
                        let share = 1.0 / self.divisor(window % windows);
                        average(x, self.taps(window % windows), share, values);
                    }
                },
            );
        }
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (places, windows, channels) = (self.places(), self.windows(), self.channels);
        if target.is_empty() {
            return;
        }
        let (g, positions) = (context.result_gradients[0], context.positions);
        let row = self.axes[2].input * channels;
        for_each_piece(
            target,
            row * (GRAIN / row).max(1),
            #[inline(always)]
            |start, piece| {
                for (place, target) in (start / channels..).zip(piece.chunks_mut(channels)) {
                    let (picture, place) = (place / places, place % places);
                    let g = &g[picture * windows * channels..][..windows * channels];
                    target.fill(0.0);
                    self.for_each_covering(
                        place,
                        #[inline(always)]
                        |window| {
                            let g = &g[window * channels..][..channels];
                            if self.kind == PoolKind::Maximum {
                                let first = (picture * windows + window) * channels;
                                let positions = &positions[first..first + channels];
                                for ((target, &g), &position) in target.iter_mut().zip(g).zip(positions) {
                                    *target += if position == place as u32 { g } else { 0.0 };
                                }
                            } else {
                                let share = 1.0 / self.divisor(window);
                                for (target, &g) in target.iter_mut().zip(g) {
                                    *target += share * g;
                                }
                            }
                        },
                    );
                }
            },
        );
    }
}

impl PoolKernel {
    /// What the sum over a window is divided by.
    #[inline(always)]
    fn divisor(&self, window: usize) -> f32 {
        let [depth, height, width] = &self.axes;
        let x = width.windows[window % width.output()];
        let y = height.windows[window / width.output() % height.output()];
        let z = depth.windows[window / width.output() / height.output()];
        // A window over nothing has the sum 0 and is divided by 1.
        (x.divisor * y.divisor * z.divisor).max(1) as f32
    }

    /// Calls `work` with the windows that cover an input place, in row-major order.
    #[inline(always)]
    fn for_each_covering(&self, place: usize, mut work: impl FnMut(usize)) {
        let [depth, height, width] = &self.axes;
        let (x, rest) = (place % width.input, place / width.input);
        let (y, z) = (rest % height.input, rest / height.input);
        for &z in depth.covering(z) {
            for &y in height.covering(y) {
                for &x in width.covering(x) {
                    work((z as usize * height.output() + y as usize) * width.output() + x as usize);
                }
            }
        }
    }
}

/// The averages over one window, for all channels.
#[inline(always)]
fn average(x: &[f32], taps: Taps, share: f32, values: &mut [f32]) {
    let channels = values.len();
    let mut from = 0;
    while from + LANES <= channels {
        average_lanes::<LANES>(x, taps, share, from, values);
        from += LANES;
    }
    while from + 8 <= channels {
        average_lanes::<8>(x, taps, share, from, values);
        from += 8;
    }
    while from < channels {
        average_lanes::<1>(x, taps, share, from, values);
        from += 1;
    }
}

/// The averages for `N` channels from `from` on. Rows are summed by themselves first: the rounding error of a global
/// average then grows with the picture's side, not with its area.
#[inline(always)]
fn average_lanes<const N: usize>(x: &[f32], taps: Taps, share: f32, from: usize, values: &mut [f32]) {
    let channels = values.len();
    let mut total = [0.0f32; N];
    for z in 0..taps.counts[0] {
        for y in 0..taps.counts[1] {
            let mut row = [0.0f32; N];
            for x_tap in 0..taps.counts[2] {
                let place = taps.first + z * taps.strides[0] + y * taps.strides[1] + x_tap * taps.strides[2];
                let element = &x[place * channels + from..][..N];
                for lane in 0..N {
                    row[lane] += element[lane];
                }
            }
            for lane in 0..N {
                total[lane] += row[lane];
            }
        }
    }
    for (value, total) in values[from..from + N].iter_mut().zip(total) {
        *value = total * share;
    }
}

#[cfg(test)]
mod tests;
