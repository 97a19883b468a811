//! Resizing pictures of 8 bits to the very levels that Pillow gives.
//!
//! Pillow weighs in whole numbers, 2²² times the weights of one axis, rounded. It mixes along one axis and rounds to 8 bits,
//! then along the other, and rounds again; a cubic's values beyond 0 and 255 are cut off both times. So the order of the
//! axes shows in a level here and there. Up to version 12 columns came first; since version 13 rows do where the height
//! shrinks by more than twice as many pixels as the width (measured; see [`rows_first`]). Version 13 is followed.
//!
//! Where columns come first, source rows are mixed along them and added to the sums of all output rows that read them, so
//! that the picture between the two passes is never kept.
//!
//! The loop over columns takes most of the time. A few rows are interleaved, so that what lies in one column fills whole
//! vectors and is multiplied by one weight; there are then no sums across vectors, and no lanes without work however few
//! weights there are. Sums of whole numbers are the same in any order.

use super::axis_weights::{AxisWeights, Method};
use crate::vectorised::vectorised;

/// The binary digits of a weight behind the point. A sum of 255 times them, and what a cubic adds, stays within 31 bits.
const DIGITS: u32 = 22;

/// A half, so that shifting rounds to the nearest.
const HALF: i32 = 1 << (DIGITS - 1);

/// Resizes height × width × channels samples of 8 bits. No extent is 0.
pub(super) fn resize(
    source: &[u8],
    [rows, columns, channels]: [usize; 3],
    [height, width]: [usize; 2],
    method: Method,
) -> Vec<u8> {
    if (rows, columns) == (height, width) {
        return source.to_vec();
    }
    let table = |source, output| AxisWeights::new(source, output, method, fixed);
    let (vertical, mut across) = (table(rows, height), Across::new(table(columns, width), columns, channels));
    let rows = source.chunks_exact(columns * channels);
    if rows_first([rows.len(), columns], [height, width]) {
        let mut result = vec![0u8; height * width * channels];
        let mut sums = vec![0i32; columns * channels];
        let mut mixed = vec![0u8; columns * channels * TOGETHER.min(height)];
        for (block, result) in result.chunks_mut(width * channels * TOGETHER).enumerate() {
            let outputs = result.len() / (width * channels);
            for (output, mixed) in mixed.chunks_exact_mut(columns * channels).take(outputs).enumerate() {
                let (first, weights) = vertical.of(block * TOGETHER + output);
                sums.fill(HALF);
                for (row, &weight) in rows.clone().skip(first).zip(weights) {
                    add(&mut sums, row, weight);
                }
                mixed.iter_mut().zip(&sums).for_each(|(mixed, &sum)| *mixed = level(sum));
            }
            across.mix(&mixed[..outputs * columns * channels], result);
        }
        return result;
    }
    let mut sums = vec![HALF; height * width * channels];
    let mut mixed = vec![0u8; width * channels * TOGETHER];
    // The output rows that read a source row.
    let mut readers = 0..0;
    for (block, samples) in source.chunks(columns * channels * TOGETHER).enumerate() {
        let mixed = &mut mixed[..samples.len() / columns * width];
        across.mix(samples, mixed);
        for (row, mixed) in (block * TOGETHER..).zip(mixed.chunks_exact(width * channels)) {
            let end = |output: usize| vertical.of(output).0 + vertical.of(output).1.len();
            while readers.end < height && vertical.of(readers.end).0 <= row {
                readers.end += 1;
            }
            while readers.start < readers.end && end(readers.start) <= row {
                readers.start += 1;
            }
            for output in readers.clone() {
                let (first, weights) = vertical.of(output);
                add(&mut sums[output * mixed.len()..][..mixed.len()], mixed, weights[row - first]);
            }
        }
    }
    sums.into_iter().map(level).collect()
}

/// Whether Pillow mixes rows before columns.
fn rows_first([rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> bool {
    let fewer = |from: usize, to: usize| from as i64 - to as i64;
    rows > height && fewer(rows, height) > 2 * fewer(columns, width)
}

/// A weight as Pillow rounds it: half away from zero.
fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << DIGITS) + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// A sum, which holds a half already, as a level.
#[inline(always)]
fn level(sum: i32) -> u8 {
    (sum >> DIGITS).clamp(0, 255) as u8
}

/// Adds a weighted row to the sums of another.
fn add(sums: &mut [i32], row: &[u8], weight: i32) {
    vectorised(
        #[inline(always)]
        || {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(sample);
            }
        },
    );
}

/// How many rows are mixed along their columns at the same time: three channels of them fill three vectors of AVX2.
const TOGETHER: usize = 8;

/// The longest rows that are interleaved, which takes eight times a row's memory.
const LONGEST: usize = 1 << 16;

/// What mixes the columns of a few rows.
struct Across {
    table: AxisWeights<i32>,
    channels: usize,
    columns: usize,
    /// The rows, interleaved: columns × rows × channels. Empty where they are taken one by one.
    interleaved: Vec<u8>,
}

impl Across {
    fn new(table: AxisWeights<i32>, columns: usize, channels: usize) -> Self {
        let is_interleaved = matches!(channels, 1 | 3) && columns <= LONGEST;
        let samples = if is_interleaved { columns * TOGETHER * channels } else { 0 };
        Self { table, channels, columns, interleaved: vec![0; samples] }
    }

    /// Mixes the columns of at most [`TOGETHER`] rows.
    fn mix(&mut self, source: &[u8], output: &mut [u8]) {
        match self.channels {
            _ if self.interleaved.is_empty() => self.mix_one_by_one(source, output),
            1 => self.mix_together::<1, TOGETHER>(source, output),
            _ => self.mix_together::<3, { 3 * TOGETHER }>(source, output),
        }
    }

    /// The same for interleaved rows; `LANES` is their number times the channels.
    fn mix_together<const CHANNELS: usize, const LANES: usize>(&mut self, source: &[u8], output: &mut [u8]) {
        let Self { table, columns, interleaved, .. } = self;
        let (length, width) = (*columns * CHANNELS, table.count() * CHANNELS);
        let rows = source.len() / length;
        vectorised(
            #[inline(always)]
            || {
                for (column, group) in interleaved.chunks_exact_mut(LANES).enumerate() {
                    for (row, pixel) in group.chunks_exact_mut(CHANNELS).take(rows).enumerate() {
                        pixel.copy_from_slice(&source[row * length + column * CHANNELS..][..CHANNELS]);
                    }
                }
                for sample in 0..table.count() {
                    let (first, weights) = table.of(sample);
                    let mut sums = [HALF; LANES];
                    for (group, &weight) in interleaved[first * LANES..].chunks_exact(LANES).zip(weights) {
                        for lane in 0..LANES {
                            sums[lane] += weight * i32::from(group[lane]);
                        }
                    }
                    let levels = sums.map(level);
                    for (row, pixel) in levels.chunks_exact(CHANNELS).take(rows).enumerate() {
                        output[row * width + sample * CHANNELS..][..CHANNELS].copy_from_slice(pixel);
                    }
                }
            },
        );
    }

    /// The same for rows as they lie, of any length and number of channels.
    fn mix_one_by_one(&self, source: &[u8], output: &mut [u8]) {
        let (length, width) = (self.columns * self.channels, self.table.count() * self.channels);
        for (row, output) in source.chunks_exact(length).zip(output.chunks_exact_mut(width)) {
            for (sample, pixel) in output.chunks_exact_mut(self.channels).enumerate() {
                let (first, weights) = self.table.of(sample);
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let own = row[first * self.channels + channel..].iter().step_by(self.channels);
                    let sum: i32 =
                        own.zip(weights).map(|(&sample, &weight)| weight * i32::from(sample)).sum();
                    *value = level(HALF + sum);
                }
            }
        }
    }
}
