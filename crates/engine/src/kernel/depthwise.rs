//! Convolution in which each channel sees only itself (Howard et al. 2017), and its adjoint.
//!
//! A matrix product has nothing to share here: each number of the source meets each filter tap once. So every result
//! position sums its taps by itself, [`LANES`] neighbouring channels at a time, and several neighbouring positions
//! together, so that a tap's filter is loaded once for all of them. Taps and phases are those of [`super::gather`].

use std::ops::Range;

use super::gather::{Field, Geometry, Tap, adjoint_taps, correlation_taps};
use super::parallel::{GRAIN, for_each_piece};

/// The channels of one sum: a 256-bit vector.
const LANES: usize = 8;

/// The positions computed together, where there are as many left: each has a vector of sums in a register.
const TOGETHER: usize = 8;

/// A packed pass from a source to a result of equal channels.
pub(super) struct Depthwise {
    source: Field,
    result: Field,
    /// Steps along a row per grid position, in the source and in the result.
    source_step: usize,
    result_step: usize,
    /// For each row of the result of one picture its passes, one per phase along the row.
    rows: Vec<Vec<RowPass>>,
    /// Taps × channels.
    filters: Vec<f32>,
    /// One number per channel; zeros where there is no bias.
    bias: Vec<f32>,
}

/// The positions of one phase in a row.
struct RowPass {
    phase: usize,
    /// How many positions there are.
    grid: usize,
    /// The positions for which all taps lie inside the source.
    inside: Range<usize>,
    /// The taps whose source row exists.
    taps: Vec<RowTap>,
}

/// A tap that reads one row of the source.
struct RowTap {
    /// The first position of the source row, in positions of the picture.
    row: usize,
    /// What is added along the row.
    offset: isize,
    /// Which filter element it is.
    filter: usize,
}

impl Depthwise {
    /// Whether each channel sees only itself.
    pub fn fits(geometry: &Geometry) -> bool {
        let Geometry { large, small, groups, .. } = *geometry;
        groups > 1 && large.channels == groups && small.channels == groups
    }

    /// The convolution itself. `filters` is `C × 1 × taps`.
    pub fn correlation(geometry: &Geometry, filters: &[f32], bias: Option<Vec<f32>>) -> Self {
        let phases = vec![([0; 3], correlation_taps(geometry))];
        Self::new(
            geometry,
            [geometry.large, geometry.small],
            [geometry.stride, [1; 3]],
            phases,
            filters,
            bias,
        )
    }

    /// The adjoint: from the small field to the large one.
    pub fn adjoint(geometry: &Geometry, filters: &[f32]) -> Self {
        let phases = adjoint_taps(geometry);
        Self::new(
            geometry,
            [geometry.small, geometry.large],
            [[1; 3], geometry.stride],
            phases,
            filters,
            None,
        )
    }

    fn new(
        geometry: &Geometry,
        [source, result]: [Field; 2],
        [source_steps, result_steps]: [[usize; 3]; 2],
        phases: Vec<([usize; 3], Vec<Tap>)>,
        filters: &[f32],
        bias: Option<Vec<f32>>,
    ) -> Self {
        let [_, height, width] = geometry.kernel;
        let (channels, volume) = (result.channels, geometry.kernel.iter().product::<usize>());
        let mut packed = vec![0.0; filters.len()];
        for channel in 0..channels {
            for tap in 0..volume {
                packed[tap * channels + channel] = filters[channel * volume + tap];
            }
        }
        let row = |depth: usize, line: usize| {
            let own = |(phase, _): &&([usize; 3], Vec<Tap>)| {
                phase[0] == depth % result_steps[0] && phase[1] == line % result_steps[1]
            };
            let starts =
                [depth / result_steps[0] * source_steps[0], line / result_steps[1] * source_steps[1]];
            let pass = |(phase, taps): &([usize; 3], Vec<Tap>)| {
                let taps = taps.iter().filter_map(|tap| {
                    let place = |axis: usize| {
                        starts[axis]
                            .checked_add_signed(tap.offset[axis])
                            .filter(|&at| at < source.spatial[axis])
                    };
                    let [z, y, x] = tap.filter;
                    Some(RowTap {
                        row: (place(0)? * source.spatial[1] + place(1)?) * source.spatial[2],
                        offset: tap.offset[2],
                        filter: (z * height + y) * width + x,
                    })
                });
                let grid = (result.spatial[2] - phase[2]).div_ceil(result_steps[2]);
                RowPass::new(phase[2], grid, taps.collect(), source.spatial[2], source_steps[2])
            };
            phases.iter().filter(own).map(pass).collect()
        };
        let [depths, lines, _] = result.spatial;
        Self {
            rows: (0..depths * lines).map(|index| row(index / lines, index % lines)).collect(),
            source_step: source_steps[2],
            result_step: result_steps[2],
            bias: bias.unwrap_or_else(|| vec![0.0; channels]),
            filters: packed,
            source,
            result,
        }
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: &[f32], result: &mut [f32]) {
        let row = self.result.spatial[2] * self.result.channels;
        if row == 0 {
            return;
        }
        let size = self.source.spatial.iter().product::<usize>() * self.source.channels;
        // Filters with many taps make rows that are work enough for a piece.
        let work =
            row * self.rows.first().and_then(|row| row.first()).map_or(1, |pass| pass.taps.len().max(1));
        let rows = (4 * GRAIN / work).max(1);
        for_each_piece(
            result,
            rows * row,
            #[inline(always)]
            |start, piece| {
                for (index, target) in piece.chunks_mut(row).enumerate() {
                    let index = start / row + index;
                    let picture = &source[index / self.rows.len() * size..][..size];
                    for pass in &self.rows[index % self.rows.len()] {
                        self.row(picture, pass, target);
                    }
                }
            },
        );
    }

    /// Computes the positions of one phase in a row.
    #[inline(always)]
    fn row(&self, source: &[f32], pass: &RowPass, target: &mut [f32]) {
        for at in (0..pass.inside.start).chain(pass.inside.end..pass.grid) {
            self.edge(source, pass, at, target);
        }
        let mut at = pass.inside.start;
        while pass.inside.end - at >= TOGETHER {
            self.inside::<TOGETHER>(source, pass, at, target);
            at += TOGETHER;
        }
        while pass.inside.end - at >= TOGETHER / 2 {
            self.inside::<{ TOGETHER / 2 }>(source, pass, at, target);
            at += TOGETHER / 2;
        }
        while at < pass.inside.end {
            self.inside::<1>(source, pass, at, target);
            at += 1;
        }
    }

    /// Neighbouring positions, all of whose taps lie inside the source.
    #[inline(always)]
    fn inside<const POSITIONS: usize>(&self, source: &[f32], pass: &RowPass, at: usize, target: &mut [f32]) {
        let channels = self.result.channels;
        let (source_distance, target_distance) = (self.source_step * channels, self.result_step * channels);
        let first_target = (at * self.result_step + pass.phase) * channels;
        let place =
            |tap: &RowTap| (tap.row + at * self.source_step).wrapping_add_signed(tap.offset) * channels;
        let whole = channels - channels % LANES;
        for channel in (0..whole).step_by(LANES) {
            let mut bias = [0.0; LANES];
            bias.copy_from_slice(&self.bias[channel..channel + LANES]);
            let mut sums = [bias; POSITIONS];
            for tap in &pass.taps {
                let filter = &self.filters[tap.filter * channels + channel..][..LANES];
                let first = place(tap) + channel;
                for (position, sums) in sums.iter_mut().enumerate() {
                    let numbers = &source[first + position * source_distance..][..LANES];
                    for lane in 0..LANES {
                        sums[lane] += filter[lane] * numbers[lane];
                    }
                }
            }
            for (position, sums) in sums.iter().enumerate() {
                target[first_target + position * target_distance + channel..][..LANES].copy_from_slice(sums);
            }
        }
        for channel in whole..channels {
            for position in 0..POSITIONS {
                let mut sum = self.bias[channel];
                for tap in &pass.taps {
                    let number = source[place(tap) + position * source_distance + channel];
                    sum += self.filters[tap.filter * channels + channel] * number;
                }
                target[first_target + position * target_distance + channel] = sum;
            }
        }
    }

    /// One position, some of whose taps lie outside the source.
    #[inline(always)]
    fn edge(&self, source: &[f32], pass: &RowPass, at: usize, target: &mut [f32]) {
        let channels = self.result.channels;
        let target = &mut target[(at * self.result_step + pass.phase) * channels..][..channels];
        target.copy_from_slice(&self.bias);
        for tap in &pass.taps {
            let Some(column) = (at * self.source_step).checked_add_signed(tap.offset) else { continue };
            if column >= self.source.spatial[2] {
                continue;
            }
            let numbers = &source[(tap.row + column) * channels..][..channels];
            let filter = &self.filters[tap.filter * channels..][..channels];
            for ((sum, number), filter) in target.iter_mut().zip(numbers).zip(filter) {
                *sum += filter * number;
            }
        }
    }
}

impl RowPass {
    /// Finds the positions for which all taps lie inside a source row of this width.
    fn new(phase: usize, grid: usize, taps: Vec<RowTap>, width: usize, step: usize) -> Self {
        let fits = |at: &usize| {
            taps.iter()
                .all(|tap| (at * step).checked_add_signed(tap.offset).is_some_and(|column| column < width))
        };
        // They follow each other, since columns grow with positions.
        let start = (0..grid).find(fits).unwrap_or(grid);
        let end = (start..grid).rev().find(fits).map_or(start, |last| last + 1);
        Self { phase, grid, inside: start..end, taps }
    }
}
