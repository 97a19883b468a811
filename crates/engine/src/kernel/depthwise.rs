//! Convolution in which each channel sees only itself (Howard et al. 2017), and its adjoint.
//!
//! A matrix product has nothing to share here: each number of the source meets each filter tap once. So every result
//! position sums its taps by itself, [`LANES`] neighbouring channels at a time, and several neighbouring positions
//! together, so that a tap's filter is loaded once for all of them. Taps and phases are those of [`super::gather`].

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::gather::{Field, Finish, Geometry, Tap, adjoint_taps, correlation_taps};
use super::parallel::GRAIN;
use super::slab::Source;
use crate::simd::{Instructions, LANES, Simd, Work};

/// The positions computed together, where there are as many left: each has a vector of sums in a register.
const TOGETHER: usize = 8;

/// About as many pieces a result is cut into, and as many rows a piece has at least where there are enough.
const PIECES: usize = 8;

/// A packed pass from a source to a result of equal channels.
pub(super) struct Depthwise {
    instructions: Instructions,
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
    /// What becomes of the sums.
    activation: Activation,
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
    pub fn correlation(
        instructions: Instructions,
        geometry: &Geometry,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let phases = vec![([0; 3], correlation_taps(geometry))];
        let fields = [geometry.large, geometry.small];
        Self::new(instructions, geometry, fields, [geometry.stride, [1; 3]], phases, filters, finish)
    }

    /// The adjoint: from the small field to the large one.
    pub fn adjoint(instructions: Instructions, geometry: &Geometry, filters: &[f32]) -> Self {
        let phases = adjoint_taps(geometry);
        let fields = [geometry.small, geometry.large];
        let steps = [[1; 3], geometry.stride];
        Self::new(instructions, geometry, fields, steps, phases, filters, Finish::default())
    }

    fn new(
        instructions: Instructions,
        geometry: &Geometry,
        [source, result]: [Field; 2],
        [source_steps, result_steps]: [[usize; 3]; 2],
        phases: Vec<([usize; 3], Vec<Tap>)>,
        filters: &[f32],
        finish: Finish,
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
            bias: finish.bias.unwrap_or_else(|| vec![0.0; channels]),
            activation: finish.activation.unwrap_or(Activation::NONE),
            instructions,
            filters: packed,
            source,
            result,
        }
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: Source<'_>, result: &mut [f32]) {
        let row = self.result.spatial[2] * self.result.channels;
        if row == 0 {
            return;
        }
        // Filters with many taps make rows that are work enough for a piece; but a gate is applied anew in each piece.
        let taps = self.rows.first().and_then(|row| row.first()).map_or(1, |pass| pass.taps.len().max(1));
        let rows = (4 * GRAIN / (row * taps)).max((result.len() / row / PIECES).min(PIECES)).max(1);
        result.par_chunks_mut(rows * row).enumerate().for_each(|(piece, target)| {
            BUFFER.with_borrow_mut(|gated| {
                let work = Piece { pass: self, source, first: piece * rows, target, gated };
                self.instructions.run(work);
            });
        });
    }

    /// The numbers of one picture of the source.
    fn picture(&self) -> usize {
        self.source.spatial.iter().product::<usize>() * self.source.channels
    }

    /// Computes the positions of one phase in a row.
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, source: &[f32], pass: &RowPass, before: usize, target: &mut [f32]) {
        for at in (0..pass.inside.start).chain(pass.inside.end..pass.grid) {
            self.edge(source, pass, before, at, target);
        }
        let mut at = pass.inside.start;
        while pass.inside.end - at >= TOGETHER {
            self.inside::<S, TOGETHER>(simd, source, pass, before, at, target);
            at += TOGETHER;
        }
        while pass.inside.end - at >= TOGETHER / 2 {
            self.inside::<S, { TOGETHER / 2 }>(simd, source, pass, before, at, target);
            at += TOGETHER / 2;
        }
        while at < pass.inside.end {
            self.inside::<S, 1>(simd, source, pass, before, at, target);
            at += 1;
        }
    }

    /// Neighbouring positions, all of whose taps lie inside the source.
    #[inline(always)]
    fn inside<S: Simd, const POSITIONS: usize>(
        &self,
        simd: S,
        source: &[f32],
        pass: &RowPass,
        before: usize,
        at: usize,
        target: &mut [f32],
    ) {
        let channels = self.result.channels;
        let (source_distance, target_distance) = (self.source_step * channels, self.result_step * channels);
        let first_target = (at * self.result_step + pass.phase) * channels;
        let place = |tap: &RowTap| {
            (tap.row - before + at * self.source_step).wrapping_add_signed(tap.offset) * channels
        };
        let load = |numbers: &[f32]| {
            let numbers = &numbers[..LANES];
            // SAFETY: the slice holds LANES numbers.
            unsafe { simd.load(numbers.as_ptr()) }
        };
        let (minimum, maximum) = (simd.splat(self.activation.minimum), simd.splat(self.activation.maximum));
        let whole = channels - channels % LANES;
        for channel in (0..whole).step_by(LANES) {
            let mut sums = [load(&self.bias[channel..]); POSITIONS];
            for tap in &pass.taps {
                let filter = load(&self.filters[tap.filter * channels + channel..]);
                let numbers = &source[place(tap) + channel..][..(POSITIONS - 1) * source_distance + LANES];
                for (position, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the slice reaches LANES numbers behind the last position.
                    let number = unsafe { simd.load(numbers.as_ptr().add(position * source_distance)) };
                    *sum = simd.multiply_add(filter, number, *sum);
                }
            }
            for (position, sum) in sums.into_iter().enumerate() {
                let target = &mut target[first_target + position * target_distance + channel..][..LANES];
                let sum = simd.at_most(simd.at_least(sum, minimum), maximum);
                // SAFETY: the slice holds LANES numbers.
                unsafe { simd.store(target.as_mut_ptr(), sum) };
            }
        }
        for channel in whole..channels {
            for position in 0..POSITIONS {
                let mut sum = self.bias[channel];
                for tap in &pass.taps {
                    let number = source[place(tap) + position * source_distance + channel];
                    sum += self.filters[tap.filter * channels + channel] * number;
                }
                let target = &mut target[first_target + position * target_distance + channel];
                *target = self.activation.apply(sum);
            }
        }
    }

    /// One position, some of whose taps lie outside the source.
    #[inline(always)]
    fn edge(&self, source: &[f32], pass: &RowPass, before: usize, at: usize, target: &mut [f32]) {
        let channels = self.result.channels;
        let target = &mut target[(at * self.result_step + pass.phase) * channels..][..channels];
        target.copy_from_slice(&self.bias);
        for tap in &pass.taps {
            let Some(column) = (at * self.source_step).checked_add_signed(tap.offset) else { continue };
            if column >= self.source.spatial[2] {
                continue;
            }
            let numbers = &source[(tap.row - before + column) * channels..][..channels];
            let filter = &self.filters[tap.filter * channels..][..channels];
            for ((sum, number), filter) in target.iter_mut().zip(numbers).zip(filter) {
                *sum += filter * number;
            }
        }
        let activation = self.activation;
        target.iter_mut().for_each(|number| *number = activation.apply(*number));
    }
}

/// Some rows of the result, counted over all pictures.
struct Piece<'a> {
    pass: &'a Depthwise,
    source: Source<'a>,
    first: usize,
    target: &'a mut [f32],
    /// What passed the gate.
    gated: &'a mut Vec<f32>,
}

impl Work for Piece<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { pass, source, first, target, gated } = self;
        let size = pass.picture();
        let (row, count) = (pass.result.spatial[2] * pass.result.channels, pass.rows.len());
        let mut rows = target.chunks_exact_mut(row);
        let mut index = first;
        while rows.len() > 0 {
            // The rows of one picture.
            let here = rows.len().min(count - index % count);
            let own = &pass.rows[index % count..][..here];
            let picture = index / count * size;
            let (numbers, before) = match source.gate {
                None => (&source.numbers[picture..][..size], 0),
                Some(gate) => {
                    let taps = || own.iter().flatten().flat_map(|pass| &pass.taps).map(|tap| tap.row);
                    let (low, high) = (taps().min().unwrap_or(0), taps().max().unwrap_or(0));
                    let width = pass.source.spatial[2];
                    gated.resize((high + width - low) * pass.source.channels, 0.0);
                    gate.pass(source.numbers, picture + low * pass.source.channels, gated);
                    (&gated[..], low)
                }
            };
            for (passes, target) in own.iter().zip(&mut rows) {
                for own in passes {
                    pass.row(simd, numbers, own, before, target);
                }
            }
            index += here;
        }
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<f32>> = RefCell::default();
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
