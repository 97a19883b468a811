//! A box of a channels-last image, copied with its border: what windows that leave the image read there are zeros.
//!
//! Copies stay small enough for the second-level cache. On the way a rectifier's gate is applied, and the channels of one
//! group are brought together, so that the kernel that reads the copy need know nothing of either.

use super::activation::Gate;
use super::geometry::Field;
use crate::aligned::Aligned;
use crate::simd::{Instructions, Simd, Work};

/// What a pass reads: one image's numbers after the other, and a gate where they are gradients of a rectified result.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub numbers: &'a [f32],
    pub gate: Option<Gate<'a>>,
}

impl<'a> Source<'a> {
    /// Numbers that are read as they are.
    pub fn plain(numbers: &'a [f32]) -> Self {
        Self { numbers, gate: None }
    }
}

/// A box of one image: its first position, which may lie before the image, and its extents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Box3 {
    pub image: usize,
    pub origin: [isize; 3],
    pub extents: [usize; 3],
}

/// Copies some channels of a box; `target` becomes `extents × channels` numbers.
pub(crate) fn copy_box(
    instructions: Instructions,
    source: Source<'_>,
    field: Field,
    region: Box3,
    channels: std::ops::Range<usize>,
    target: &mut Aligned,
) {
    target.resize(region.extents.iter().product::<usize>() * channels.len());
    instructions.run(Copy { source, field, region, channels, target });
}

/// The same of a plain array, whose channels lie one after the other: all of them, side by side.
pub(crate) fn interleave_box(numbers: &[f32], field: Field, region: Box3, target: &mut Aligned) {
    let [depth, height, width] = field.spatial;
    let channels = field.channels;
    target.resize(region.extents.iter().product::<usize>() * channels);
    let [z0, y0, x0] = region.origin;
    // The part of each row that lies inside the image.
    let low = (-x0).clamp(0, region.extents[2] as isize) as usize;
    let high = (width as isize - x0).clamp(low as isize, region.extents[2] as isize) as usize;
    for (index, row) in target.chunks_exact_mut((region.extents[2] * channels).max(1)).enumerate() {
        let z = z0 + (index / region.extents[1]) as isize;
        let y = y0 + (index % region.extents[1]) as isize;
        if z < 0 || z >= depth as isize || y < 0 || y >= height as isize || low == high {
            row.fill(0.0);
            continue;
        }
        row[..low * channels].fill(0.0);
        row[high * channels..].fill(0.0);
        let inside = &mut row[low * channels..high * channels];
        let first = (x0 + low as isize) as usize;
        for channel in 0..channels {
            let line = ((region.image * channels + channel) * depth + z as usize) * height + y as usize;
            let source = &numbers[line * width + first..][..high - low];
            for (target, &number) in inside[channel..].iter_mut().step_by(channels).zip(source) {
                *target = number;
            }
        }
    }
}

struct Copy<'a> {
    source: Source<'a>,
    field: Field,
    region: Box3,
    channels: std::ops::Range<usize>,
    target: &'a mut [f32],
}

impl Work for Copy<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let Self { source, field, region, channels, target } = self;
        let [depth, height, width] = field.spatial.map(|extent| extent as isize);
        let count = channels.len();
        let [z0, y0, x0] = region.origin;
        // The part of each row that lies inside the image.
        let low = (-x0).clamp(0, region.extents[2] as isize) as usize;
        let high = (width - x0).clamp(low as isize, region.extents[2] as isize) as usize;
        let row_size = (region.extents[2] * count).max(1);
        for (index, row) in target.chunks_exact_mut(row_size).enumerate() {
            let z = z0 + (index / region.extents[1]) as isize;
            let y = y0 + (index % region.extents[1]) as isize;
            if z < 0 || z >= depth || y < 0 || y >= height || low == high {
                row.fill(0.0);
                continue;
            }
            row[..low * count].fill(0.0);
            row[high * count..].fill(0.0);
            let inside = &mut row[low * count..high * count];
            let image = region.image as isize * depth;
            let position = ((image + z) * height + y) * width + x0 + low as isize;
            let first = position as usize * field.distance + field.first + channels.start;
            if count == field.distance {
                piece(source, first, inside);
            } else {
                for (step, numbers) in inside.chunks_exact_mut(count).enumerate() {
                    piece(source, first + step * field.distance, numbers);
                }
            }
        }
    }
}

/// Copies numbers that lie side by side.
#[inline(always)]
fn piece(source: Source<'_>, from: usize, target: &mut [f32]) {
    match source.gate {
        Some(gate) => gate.pass(source.numbers, from, target),
        None => super::parallel::copy_piece(&source.numbers[from..from + target.len()], target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Noise;

    #[test]
    fn what_lies_outside_is_zero_and_groups_are_brought_together() {
        let field = Field { first: 1, distance: 6, ..Field::new([2, 3, 4], 5) };
        let numbers = Noise::new(1).numbers(2 * 2 * 3 * 4 * 6);
        let region = Box3 { image: 1, origin: [-1, 1, -2], extents: [4, 3, 8] };
        let mut found = Aligned::default();
        copy_box(Instructions::Detected, Source::plain(&numbers), field, region, 1..4, &mut found);
        let mut expected = Vec::new();
        for z in -1..3isize {
            for y in 1..4isize {
                for x in -2..6isize {
                    for channel in 2..5 {
                        let inside = (0..2).contains(&z) && (0..3).contains(&y) && (0..4).contains(&x);
                        let at = (((2 + z) * 3 + y) * 4 + x) * 6 + channel;
                        expected.push(if inside { numbers[at as usize] } else { 0.0 });
                    }
                }
            }
        }
        assert_eq!(found[..], expected);
    }

    #[test]
    fn a_plain_box_is_that_of_the_same_array_with_channels_last() {
        let (channels, spatial) = (3, [2, 3, 4]);
        let field = Field::new(spatial, channels);
        let numbers = Noise::new(2).numbers(2 * channels * 24);
        let mut last = vec![0.0; numbers.len()];
        for (index, &number) in numbers.iter().enumerate() {
            let (image, channel, place) = (index / (channels * 24), index / 24 % channels, index % 24);
            last[(image * 24 + place) * channels + channel] = number;
        }
        for origin in [[-1, 1, -2], [0, -1, 1], [5, 0, 0], [0, 0, 9]] {
            let region = Box3 { image: 1, origin, extents: [2, 3, 5] };
            let (mut found, mut expected) = (Aligned::default(), Aligned::default());
            interleave_box(&numbers, field, region, &mut found);
            let source = Source::plain(&last);
            copy_box(Instructions::Detected, source, field, region, 0..channels, &mut expected);
            assert_eq!(found[..], expected[..], "{origin:?}");
        }
    }
}
