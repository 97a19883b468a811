//! The largest number of every channel, and where it first stands: what is kept of a layer that many pictures are compared by. It is
//! taken as soon as the layer is computed, while its numbers are in the caches and as they lie there. Where nothing reads the layer but a
//! rectifier, its numbers are rectified in the same pass.

use deepinside_graph::Shape;

use super::activation::Activation;
use super::convolution::Part;
use super::parallel::{GRAIN, for_each_pair, for_each_wide_piece};
use super::{Backward, Forward, Kernel, Needs};
use crate::Layout;

/// How many channels that lie side by side are compared at a time. Their maxima, positions and magnitudes are then in registers:
/// twelve of the sixteen that a processor with 256-bit vectors has.
const BLOCK: usize = 32;

/// The exponent of numbers that are not finite.
const NOT_FINITE: u32 = 0x7f80_0000;

/// Makes the kernel for a value of at least three axes; its result has for each picture and channel a maximum and its position among
/// the channel's, counted in C order. The maximum is NaN where one of the channel's numbers is not finite, and never `-0.0`.
pub(crate) fn kernel(shape: &Shape, layout: Layout) -> Box<dyn Kernel> {
    let extents = shape.extents();
    let (pictures, channels) = (extents[0], extents[1]);
    let positions = extents[2..].iter().product();
    let is_plain = layout.equivalent(Layout::Plain, shape);
    Box::new(ChannelMaxima { pictures, channels, positions, is_plain })
}

/// Makes the kernel for a value that lies in the second result, or in a part of it, and is rectified there once its maxima are taken. It is for
/// plans without a backward pass.
pub(crate) fn rectifying(
    shape: &Shape,
    layout: Layout,
    activation: Activation,
    part: Option<Part>,
) -> Box<dyn Kernel> {
    let extents = shape.extents();
    let (pictures, channels) = (extents[0], extents[1]);
    let positions = extents[2..].iter().product();
    let Part { first, of } = part.unwrap_or(Part { first: 0, of: channels });
    match part.is_none() && layout.equivalent(Layout::Plain, shape) {
        true => Box::new(RectifiedPlain { channels: pictures * channels, positions, activation }),
        false => Box::new(RectifiedChannelsLast { pictures, channels, positions, first, of, activation }),
    }
}

struct ChannelMaxima {
    pictures: usize,
    channels: usize,
    positions: usize,
    is_plain: bool,
}

impl Kernel for ChannelMaxima {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, result) = (context.operands[0], &mut *context.results[0]);
        // Whole blocks, so that no split makes one narrower.
        let channels = (GRAIN / self.positions.max(1)).next_multiple_of(BLOCK).max(BLOCK);
        for picture in 0..self.pictures {
            let own = self.channels * self.positions;
            let x = &x[picture * own..(picture + 1) * own];
            let result = &mut result[2 * picture * self.channels..2 * (picture + 1) * self.channels];
            for_each_wide_piece(
                result,
                2 * channels,
                #[inline(always)]
                |start, piece| match self.is_plain {
                    true => self.plain(x, start / 2, piece),
                    false => self.channels_last(x, start / 2, piece),
                },
            );
        }
    }

    /// Nothing goes back: which numbers are largest is read, and not differentiated.
    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(gradient) = context.operand_gradients[0].as_deref_mut() {
            gradient.fill(0.0);
        }
    }
}

impl ChannelMaxima {
    /// Of channels that lie one after another.
    #[inline(always)]
    fn plain(&self, x: &[f32], first: usize, piece: &mut [f32]) {
        for (own, found) in piece.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *found = of_channel(&x[(first + own) * self.positions..][..self.positions]);
        }
    }

    /// Of channels that lie side by side.
    #[inline(always)]
    fn channels_last(&self, x: &[f32], first: usize, piece: &mut [f32]) {
        in_blocks(&mut Looked { x, width: self.channels }, first, piece);
    }
}

/// Channels that lie one after another, all pictures' alike.
struct RectifiedPlain {
    channels: usize,
    positions: usize,
    activation: Activation,
}

impl Kernel for RectifiedPlain {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let [found, x] = context.results else { return };
        let channels = (GRAIN / self.positions.max(1)).clamp(1, self.channels.max(1));
        let &Self { positions, activation, .. } = self;
        for_each_pair(
            (found, 2 * channels),
            (x, channels * positions),
            #[inline(always)]
            |_, found, x| {
                let found = found.as_chunks_mut::<2>().0;
                for (found, numbers) in found.iter_mut().zip(x.chunks_exact_mut(positions.max(1))) {
                    *found = of_channel(numbers);
                    activation.apply(numbers);
                }
            },
        );
    }

    /// Plans with a backward pass have none of these.
    fn backward(&self, _: Backward<'_, '_>) {}
}

/// Channels that lie side by side, from the `first` on of `of`.
struct RectifiedChannelsLast {
    pictures: usize,
    channels: usize,
    positions: usize,
    first: usize,
    of: usize,
    activation: Activation,
}

impl RectifiedChannelsLast {
    /// The positions of a piece of work, which has maxima of its own.
    fn rows(&self) -> usize {
        (GRAIN / self.of).max(1)
    }
}

impl Kernel for RectifiedChannelsLast {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn workspace(&self) -> usize {
        2 * self.channels * self.positions.div_ceil(self.rows())
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let [found, x] = context.results else { return };
        let &Self { first, of, activation, .. } = self;
        let (maxima, rows) = (2 * self.channels, self.rows());
        for picture in 0..self.pictures {
            let x = &mut x[picture * self.positions * of..][..self.positions * of];
            for_each_pair(
                (x, rows * of),
                (&mut *context.workspace, maxima),
                #[inline(always)]
                |index, x, found| {
                    let begin = (index * rows) as f32;
                    in_blocks(&mut Rectified { x, width: of, first, begin, activation }, 0, found);
                },
            );
            let found = &mut found[picture * maxima..][..maxima];
            let (begin, rest) = context.workspace.split_at(maxima);
            found.copy_from_slice(begin);
            for piece in rest.chunks_exact(maxima) {
                let piece = piece.as_chunks::<2>().0;
                for (found, &piece) in found.as_chunks_mut::<2>().0.iter_mut().zip(piece) {
                    *found = earlier(*found, piece);
                }
            }
        }
    }

    /// Plans with a backward pass have none of these.
    fn backward(&self, _: Backward<'_, '_>) {}
}

/// Rows of channels, of which some that lie side by side are taken at a time.
trait Rows {
    /// The maxima of as many channels as there is place for, from `channel` on.
    fn block<const COUNT: usize>(&mut self, channel: usize, found: &mut [[f32; 2]; COUNT]);
}

struct Looked<'a> {
    x: &'a [f32],
    width: usize,
}

impl Rows for Looked<'_> {
    #[inline(always)]
    fn block<const COUNT: usize>(&mut self, channel: usize, found: &mut [[f32; 2]; COUNT]) {
        let mut lanes = Lanes::<COUNT>::new();
        for (position, row) in self.x.chunks_exact(self.width).enumerate() {
            if let Some(numbers) = row[channel..].first_chunk::<COUNT>() {
                lanes.take(numbers, position as f32, 0.0);
            }
        }
        *found = std::array::from_fn(|lane| lanes.of(lane));
    }
}

/// Rows from a position on, whose channels from the `first` on are looked at and then rectified.
struct Rectified<'a> {
    x: &'a mut [f32],
    width: usize,
    first: usize,
    begin: f32,
    activation: Activation,
}

impl Rows for Rectified<'_> {
    #[inline(always)]
    fn block<const COUNT: usize>(&mut self, channel: usize, found: &mut [[f32; 2]; COUNT]) {
        let mut lanes = Lanes::<COUNT>::new();
        let activation = self.activation;
        for (position, row) in self.x.chunks_exact_mut(self.width).enumerate() {
            if let Some(numbers) = row[self.first + channel..].first_chunk_mut::<COUNT>() {
                lanes.take(numbers, self.begin + position as f32, 0.0);
                activation.apply(numbers);
            }
        }
        *found = std::array::from_fn(|lane| lanes.of(lane));
    }
}

/// The maxima of the channels from `first` on.
#[inline(always)]
fn in_blocks(rows: &mut impl Rows, first: usize, found: &mut [f32]) {
    let (blocks, rest) = found.as_chunks_mut::<2>().0.as_chunks_mut::<BLOCK>();
    for (block, found) in blocks.iter_mut().enumerate() {
        rows.block(first + block * BLOCK, found);
    }
    let first = first + blocks.len() * BLOCK;
    let (blocks, rest) = rest.as_chunks_mut::<8>();
    for (block, found) in blocks.iter_mut().enumerate() {
        rows.block(first + block * 8, found);
    }
    let first = first + blocks.len() * 8;
    for (own, found) in rest.iter_mut().enumerate() {
        rows.block(first + own, std::array::from_mut(found));
    }
}

/// The maximum of a channel whose numbers lie one after another.
#[inline(always)]
fn of_channel(numbers: &[f32]) -> [f32; 2] {
    let (chunks, rest) = numbers.as_chunks::<BLOCK>();
    let mut lanes = Lanes::<BLOCK>::new();
    for (chunk, numbers) in chunks.iter().enumerate() {
        lanes.take(numbers, (chunk * BLOCK) as f32, 1.0);
    }
    let mut last = Lanes::<1>::new();
    for (at, &number) in rest.iter().enumerate() {
        last.take(&[number], (chunks.len() * BLOCK + at) as f32, 0.0);
    }
    let all = (0..BLOCK).map(|lane| lanes.of(lane)).chain([last.of(0)]);
    all.reduce(earlier).unwrap_or_default()
}

/// Maxima that are searched side by side.
struct Lanes<const COUNT: usize> {
    largest: [f32; COUNT],
    /// Whole numbers below 2²⁴, of which single precision has all.
    position: [f32; COUNT],
    /// The bits of the largest magnitude: of positive numbers the order is that of their bits, and those that are not finite come last.
    magnitude: [u32; COUNT],
}

impl<const COUNT: usize> Lanes<COUNT> {
    #[inline(always)]
    fn new() -> Self {
        Self { largest: [f32::NEG_INFINITY; COUNT], position: [0.0; COUNT], magnitude: [0; COUNT] }
    }

    /// Takes a number in each lane, which stands at `position`, and `step` further in each lane than in the one before.
    #[inline(always)]
    fn take(&mut self, numbers: &[f32; COUNT], position: f32, step: f32) {
        for lane in 0..COUNT {
            let number = numbers[lane];
            let is_larger = number > self.largest[lane];
            self.largest[lane] = if is_larger { number } else { self.largest[lane] };
            let own = position + step * lane as f32;
            self.position[lane] = if is_larger { own } else { self.position[lane] };
            self.magnitude[lane] = self.magnitude[lane].max(number.to_bits() & !(1 << 31));
        }
    }

    #[inline(always)]
    fn of(&self, lane: usize) -> [f32; 2] {
        match self.magnitude[lane] < NOT_FINITE {
            // Zero has two signs, of which the larger one is meant.
            true => [self.largest[lane] + 0.0, self.position[lane]],
            false => [f32::NAN, 0.0],
        }
    }
}

/// The larger of two maxima, of equal ones the earlier; NaN where one of them is.
#[inline(always)]
fn earlier(one: [f32; 2], other: [f32; 2]) -> [f32; 2] {
    if one[0].is_nan() || other[0].is_nan() {
        return [f32::NAN, 0.0];
    }
    let is_better = other[0] > one[0] || other[0] == one[0] && other[1] < one[1];
    if is_better { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, to_memory};
    use super::*;

    /// What the kernel finds, and what the definition says, number by number.
    fn both(x: &Array, layout: Layout) -> (Vec<f32>, Vec<f32>) {
        let extents = x.shape.extents();
        let (rows, positions) = (extents[0] * extents[1], extents[2..].iter().product::<usize>());
        let memory = to_memory(&x.shape, layout, &x.numbers);
        let mut found = vec![f32::INFINITY; 2 * rows];
        kernel(&x.shape, layout).forward(Forward {
            operands: &[&memory],
            results: &mut [&mut found],
            numbers: &mut [],
            positions: &mut [],
            workspace: &mut [],
        });
        let mut expected = Vec::new();
        for numbers in x.numbers.chunks(positions) {
            let mut best = 0;
            for position in 1..positions {
                if numbers[position] > numbers[best] {
                    best = position;
                }
            }
            match numbers.iter().all(|number| number.is_finite()) {
                true => expected.extend([numbers[best], best as f32]),
                false => expected.extend([f32::NAN, 0.0]),
            }
        }
        (found, expected)
    }

    fn same(found: &[f32], expected: &[f32]) -> bool {
        // By bits, but for the sign of zero, which `-0.0 > 0.0` does not tell either.
        found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(a, b)| a.to_bits() == (b + 0.0).to_bits() || a.is_nan() && b.is_nan())
    }

    #[test]
    fn maxima_are_those_of_the_definition_in_every_shape_and_layout() {
        let shapes: [&[usize]; 8] = [
            &[1, 1, 2],
            &[1, 5, 7],
            &[2, 8, 3, 3],
            &[1, 33, 5, 7],
            &[3, 47, 1, 2],
            &[1, 64, 55, 55],
            &[2, 130, 19, 23],
            &[1, 3, 200, 333],
        ];
        for extents in shapes {
            let mut x = Array::noise(extents, 71);
            // Few different numbers, so that many are equal: the first counts.
            for grain in [1e6, 4.0] {
                x.numbers.iter_mut().for_each(|number| *number = (*number * grain).round() / grain);
                for layout in [Layout::Plain, Layout::ChannelsLast] {
                    let (found, expected) = both(&x, layout);
                    assert!(same(&found, &expected), "{extents:?} {layout:?} {grain}");
                }
            }
            for (number, at) in [(f32::NAN, 0), (f32::NEG_INFINITY, 3), (f32::INFINITY, 1), (-f32::NAN, 2)] {
                let mut x = Array::noise(extents, 72);
                let at = at * 17 % x.numbers.len();
                x.numbers[at] = number;
                for layout in [Layout::Plain, Layout::ChannelsLast] {
                    let (found, expected) = both(&x, layout);
                    assert!(same(&found, &expected), "{extents:?} {layout:?} {number}");
                    assert!(found.iter().any(|number| number.is_nan()));
                }
            }
        }
    }

    /// The maxima are those of what was there before, which is rectified then; what lies beside a part stays.
    #[test]
    fn what_is_rectified_on_the_way_has_the_maxima_of_before() {
        let activation = Activation { minimum: 0.0, maximum: 0.4 };
        let shapes: [&[usize]; 5] =
            [&[1, 1, 2], &[2, 43, 3, 5], &[1, 64, 55, 55], &[3, 130, 19, 23], &[1, 3, 200, 333]];
        for extents in shapes {
            let mut x = Array::noise(extents, 73);
            x.numbers.iter_mut().for_each(|number| *number = (*number * 4.0).round() / 4.0);
            let at = x.numbers.len() / 3;
            x.numbers[at] = f32::NAN;
            let (channels, positions) = (extents[1], extents[2..].iter().product::<usize>());
            for (layout, part) in [
                (Layout::Plain, None),
                (Layout::ChannelsLast, None),
                (Layout::ChannelsLast, Some(Part { first: 5, of: channels + 9 })),
            ] {
                let own = to_memory(&x.shape, layout, &x.numbers);
                let (width, first) = part.map_or((channels, 0), |part| (part.of, part.first));
                let is_own = |place: usize| (first..first + channels).contains(&(place % width));
                let mut numbers = own.iter().copied();
                let memory: Vec<f32> = match part {
                    None => own.clone(),
                    Some(_) => (0..extents[0] * positions * width)
                        .map(|place| if is_own(place) { numbers.next().unwrap() } else { -7.0 })
                        .collect(),
                };
                let mut rectified = memory.clone();
                let kernel = rectifying(&x.shape, layout, activation, part);
                let mut found = vec![f32::INFINITY; 2 * extents[0] * channels];
                kernel.forward(Forward {
                    operands: &[],
                    results: &mut [&mut found, &mut rectified],
                    numbers: &mut [],
                    positions: &mut [],
                    workspace: &mut vec![f32::NAN; kernel.workspace()],
                });
                let (_, expected) = both(&x, layout);
                assert!(same(&found, &expected), "{extents:?} {layout:?} {part:?}");
                for (place, (&before, &after)) in memory.iter().zip(&rectified).enumerate() {
                    let expected =
                        if part.is_none() || is_own(place) { before.clamp(0.0, 0.4) } else { before };
                    assert!(after == expected || before.is_nan() && after.is_nan(), "{extents:?} {place}");
                }
            }
        }
    }
}
