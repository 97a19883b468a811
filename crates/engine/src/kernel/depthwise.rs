//! Convolution in which each channel sees only itself (Howard et al. 2017), and its adjoint.
//!
//! A matrix product has nothing to share here: each number of the source meets each filter tap once. So every result
//! position sums its taps by itself, a vector of neighbouring channels at a time, and several neighbouring positions
//! together, so that a tap's filter is loaded once for all of them. Taps and phases are those of [`super::gather`]. Taps
//! that lie outside the image are left out row by row, and at both ends of a row position by position. Numbers are read
//! where they lie, except through a gate or from beyond the caches: then the rows of a block are copied first.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::gather::{Field, Finish, Geometry, Tap, adjoint_taps, correlation_taps};
use super::panels::Shared;
use super::slab::{Box3, Source, copy_box};
use crate::simd::{Instructions, LANES, Simd, Work};

/// The numbers that a block reads: 128 KiB, beside which its result stays in the second-level cache.
const CACHED: usize = 32 * 1024;

/// The numbers of a source that may still lie in the last-level cache, 16 MiB. Larger ones come from memory, and copying rows in
/// order is faster than letting every position fetch its own.
const NEAR: usize = 4 * 1024 * 1024;

/// The least number of pieces of work.
const TASKS: usize = 8;

/// A packed pass from a source to a result of equal channels.
pub(super) struct Depthwise {
    instructions: Instructions,
    source: Field,
    result: Field,
    kernel: [usize; 3],
    source_step: [usize; 3],
    result_step: [usize; 3],
    phases: Vec<Phase>,
    /// The lowest and the highest offset of all taps.
    reach: [[isize; 3]; 2],
    /// Taps × channels, the channels filled up to whole vectors.
    filters: Vec<f32>,
    /// One number per channel, filled up to whole vectors; zeros where there is no bias.
    bias: Vec<f32>,
    activation: Activation,
    blocks: Vec<Block>,
}

/// The positions whose distance to a multiple of the result's step is the same.
struct Phase {
    phase: [usize; 3],
    grid: [usize; 3],
    taps: Vec<Tap>,
}

/// Some grid rows of one image, over their whole width, and some channels.
struct Block {
    image: usize,
    plane: usize,
    rows: Range<usize>,
    channels: Range<usize>,
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
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let phases = vec![([0; 3], correlation_taps(geometry))];
        let fields = [geometry.large, geometry.small];
        Self::new(instructions, geometry, batch, fields, [geometry.stride, [1; 3]], phases, filters, finish)
    }

    /// The adjoint: from the small field to the large one.
    pub fn adjoint(instructions: Instructions, geometry: &Geometry, batch: usize, filters: &[f32]) -> Self {
        let phases = adjoint_taps(geometry);
        let fields = [geometry.small, geometry.large];
        let steps = [[1; 3], geometry.stride];
        Self::new(instructions, geometry, batch, fields, steps, phases, filters, Finish::default())
    }

    #[allow(clippy::too_many_arguments, reason = "private, and every one is needed by both directions")]
    fn new(
        instructions: Instructions,
        geometry: &Geometry,
        batch: usize,
        [source, result]: [Field; 2],
        [source_step, result_step]: [[usize; 3]; 2],
        phases: Vec<([usize; 3], Vec<Tap>)>,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let volume = geometry.kernel.iter().product::<usize>();
        let padded = result.channels.next_multiple_of(LANES);
        let mut packed = vec![0.0; volume * padded];
        for channel in 0..result.channels {
            for tap in 0..volume {
                packed[tap * padded + channel] = filters[channel * volume + tap];
            }
        }
        let mut bias = finish.bias.unwrap_or_else(|| vec![0.0; result.channels]);
        bias.resize(padded, 0.0);
        let offsets = || phases.iter().flat_map(|(_, taps)| taps.iter().map(|tap| tap.offset));
        let lowest = |axis| offsets().map(|offset: [isize; 3]| offset[axis]).min().unwrap_or(0);
        let highest = |axis| offsets().map(|offset: [isize; 3]| offset[axis]).max().unwrap_or(0);
        let reach = [std::array::from_fn(lowest), std::array::from_fn(highest)];
        let grid = |phase: [usize; 3]| {
            std::array::from_fn(|axis| (result.spatial[axis] - phase[axis]).div_ceil(result_step[axis]))
        };
        let phases = phases.into_iter().map(|(phase, taps)| Phase { phase, grid: grid(phase), taps });
        let mut depthwise = Self {
            instructions,
            source,
            result,
            kernel: geometry.kernel,
            source_step,
            result_step,
            phases: phases.collect(),
            reach,
            filters: packed,
            bias,
            activation: finish.activation.unwrap_or(Activation::NONE),
            blocks: Vec::new(),
        };
        depthwise.cut(batch, grid([0; 3]));
        depthwise
    }

    /// Cuts the work into blocks. The cut depends on the extents alone.
    fn cut(&mut self, batch: usize, grid: [usize; 3]) {
        let mut per_block = self.result.channels;
        let row = self.source_step[1] * self.source.spatial[2] * per_block;
        let mut rows = (CACHED / row.max(1)).clamp(1, grid[1].max(1));
        let tasks = |rows: usize, per_block: usize| {
            batch * grid[0] * grid[1].div_ceil(rows) * self.result.channels.div_ceil(per_block)
        };
        while tasks(rows, per_block) < TASKS {
            if per_block >= 8 * LANES {
                per_block = (per_block / 2).next_multiple_of(LANES);
            } else if rows > 2 {
                rows = rows.div_ceil(2);
            } else {
                break;
            }
        }
        let count = grid[1].div_ceil(rows);
        for image in 0..batch {
            for plane in 0..grid[0] {
                for index in 0..count {
                    for first in (0..self.result.channels).step_by(per_block) {
                        let rows = index * grid[1] / count..(index + 1) * grid[1] / count;
                        let channels = first..(first + per_block).min(self.result.channels);
                        self.blocks.push(Block { image, plane, rows, channels });
                    }
                }
            }
        }
    }

    /// The part of the source along an axis that some grid positions read.
    fn read(&self, axis: usize, positions: Range<usize>) -> Range<usize> {
        let step = self.source_step[axis] as isize;
        let inside = |place: isize| place.clamp(0, self.source.spatial[axis] as isize) as usize;
        let first = inside(positions.start as isize * step + self.reach[0][axis]);
        let last = inside((positions.end as isize - 1) * step + self.reach[1][axis] + 1);
        first..last.max(first)
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: Source<'_>, result: &mut [f32]) {
        let result = Shared::new(result);
        self.blocks.par_iter().for_each(|block| {
            BUFFER.with_borrow_mut(|slab| {
                let [depth, height, width] = self.source.spatial;
                let view = if source.gate.is_some() || source.numbers.len() > NEAR {
                    let planes = self.read(0, block.plane..block.plane + 1);
                    let rows = self.read(1, block.rows.clone());
                    let origin = [planes.start as isize, rows.start as isize, 0];
                    let extents = [planes.len(), rows.len(), width];
                    let region = Box3 { image: block.image, origin, extents };
                    copy_box(self.instructions, source, self.source, region, block.channels.clone(), slab);
                    View { numbers: slab, origin, rows: rows.len(), distance: block.channels.len() }
                } else {
                    let size = depth * height * width * self.source.channels;
                    let numbers = &source.numbers[block.image * size..(block.image + 1) * size];
                    let numbers = &numbers[block.channels.start.min(size)..];
                    View { numbers, origin: [0; 3], rows: height, distance: self.source.channels }
                };
                self.instructions.run(Rows { pass: self, block, view, result });
            });
        });
    }
}

/// Where a block's source lies: some whole rows of an image.
struct View<'a> {
    /// Begins at the block's first channel.
    numbers: &'a [f32],
    /// The image's position that comes first.
    origin: [isize; 3],
    /// The rows of a plane.
    rows: usize,
    /// The numbers from position to position.
    distance: usize,
}

/// The rows of a block.
struct Rows<'a> {
    pass: &'a Depthwise,
    block: &'a Block,
    view: View<'a>,
    result: Shared<'a>,
}

/// A tap of one row.
#[derive(Clone, Copy)]
struct RowTap {
    /// The offset along the row, in positions.
    offset: isize,
    /// Where it reads for the row's first position, in numbers of the view.
    place: isize,
    /// Where its filter begins.
    filter: usize,
}

impl Work for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { pass, block, .. } = &self;
        let mut taps = Vec::new();
        for phase in &pass.phases {
            if block.plane < phase.grid[0] {
                for row in block.rows.start..block.rows.end.min(phase.grid[1]) {
                    self.row(simd, phase, row, &mut taps);
                }
            }
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, phase: &Phase, row: usize, taps: &mut Vec<RowTap>) {
        let Self { pass, block, view, .. } = self;
        let [depth, height, width] = pass.source.spatial.map(|extent| extent as isize);
        let [z, y] =
            [block.plane * pass.source_step[0], row * pass.source_step[1]].map(|place| place as isize);
        taps.clear();
        for tap in &phase.taps {
            let [z, y, x] = [z + tap.offset[0], y + tap.offset[1], tap.offset[2]];
            if z >= 0 && z < depth && y >= 0 && y < height {
                let place = (((z - view.origin[0]) * view.rows as isize + y - view.origin[1]) * width + x)
                    * view.distance as isize;
                let [_, rows, columns] = pass.kernel;
                let filter = (tap.filter[0] * rows + tap.filter[1]) * columns + tap.filter[2];
                taps.push(RowTap { offset: x, place, filter: filter * pass.bias.len() });
            }
        }
        // The positions whose taps all lie inside the image.
        let step = pass.source_step[2] as isize;
        let count = phase.grid[2];
        let lowest = taps.iter().map(|tap| tap.offset).min().unwrap_or(0);
        let highest = taps.iter().map(|tap| tap.offset).max().unwrap_or(0);
        let first = (-lowest).max(0) as usize;
        let first = first.div_ceil(step as usize).min(count);
        let end = (width - highest).max(0) as usize;
        let end = end.div_ceil(step as usize).clamp(first, count);
        let inside = |column: usize| {
            let place = column as isize * step;
            taps.iter().filter(move |tap| place + tap.offset >= 0 && place + tap.offset < width).copied()
        };
        for column in (0..first).chain(end..count) {
            let taps: Vec<RowTap> = inside(column).collect();
            self.positions::<S, 1>(simd, phase, row, &taps, column);
        }
        let mut column = first;
        while column < end {
            let left = end - column;
            if left >= 8 {
                self.positions::<S, 8>(simd, phase, row, taps, column);
                column += 8;
            } else if end - first >= 4 {
                // The last ones may be computed twice.
                self.positions::<S, 4>(simd, phase, row, taps, column.min(end - 4));
                column += 4;
            } else {
                self.positions::<S, 1>(simd, phase, row, taps, column);
                column += 1;
            }
        }
    }

    /// Some positions, all channels: in the order in which the numbers lie in memory.
    #[inline(always)]
    fn positions<S: Simd, const POSITIONS: usize>(
        &self,
        simd: S,
        phase: &Phase,
        row: usize,
        taps: &[RowTap],
        column: usize,
    ) {
        let Self { pass, block, view, .. } = self;
        let channels = block.channels.len();
        let filters = &pass.filters[block.channels.start..];
        let distance = pass.source_step[2] * view.distance;
        let start = (column * distance) as isize;
        for tap in taps {
            let first = start + tap.place;
            assert!(
                first >= 0 && first as usize + (POSITIONS - 1) * distance + channels <= view.numbers.len()
            );
            assert!(tap.filter + channels.next_multiple_of(LANES) <= filters.len());
        }
        let [depth, height, width] = pass.result.spatial;
        let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| {
            [block.plane, row, column][axis] * pass.result_step[axis] + phase.phase[axis]
        });
        let target = ((block.image * depth + z) * height + y) * width + x;
        let target = target * pass.result.channels + block.channels.start;
        let target_distance = pass.result_step[2] * pass.result.channels;
        let place = Place { taps, distance, start, target, target_distance };
        let whole = channels / LANES * LANES;
        for channel in (0..whole).step_by(LANES) {
            // SAFETY: checked above.
            unsafe { self.vector::<S, POSITIONS, true>(simd, &place, channel) };
        }
        if whole < channels {
            // SAFETY: checked above.
            unsafe { self.vector::<S, POSITIONS, false>(simd, &place, whole) };
        }
    }

    /// Some positions of a vector of channels, which is whole or the last one.
    ///
    /// # Safety
    /// The view holds the numbers that the taps read at every position, and there are filters for whole vectors.
    #[inline(always)]
    unsafe fn vector<S: Simd, const POSITIONS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        place: &Place<'_>,
        channel: usize,
    ) {
        let Self { pass, block, view, .. } = self;
        let count = if WHOLE { LANES } else { block.channels.len() - channel };
        let own = block.channels.start + channel;
        let bias = &pass.bias[own..][..LANES];
        // SAFETY: the slice holds LANES numbers.
        let mut sums = [unsafe { simd.load(bias.as_ptr()) }; POSITIONS];
        for tap in place.taps {
            // SAFETY: as promised.
            unsafe {
                let filter = simd.load(pass.filters.as_ptr().add(tap.filter + own));
                let first = view.numbers.as_ptr().offset(place.start + tap.place).add(channel);
                for (position, sum) in sums.iter_mut().enumerate() {
                    let number = load::<S, WHOLE>(simd, first.add(position * place.distance), count);
                    *sum = simd.multiply_add(filter, number, *sum);
                }
            }
        }
        let (minimum, maximum) = (simd.splat(pass.activation.minimum), simd.splat(pass.activation.maximum));
        for (position, sum) in sums.into_iter().enumerate() {
            let sum = simd.at_most(simd.at_least(sum, minimum), maximum);
            let target = self.result.place(place.target + channel + position * place.target_distance, count);
            // SAFETY: every position belongs to one phase of one block and every channel to one block: these numbers are this
            // thread's own.
            unsafe { store::<S, WHOLE>(simd, target, count, sum) };
        }
    }
}

/// Where some positions read and write.
struct Place<'a> {
    taps: &'a [RowTap],
    /// From position to position in the view, and what to add to a tap's place.
    distance: usize,
    start: isize,
    /// The first position's first channel in the result, and from position to position.
    target: usize,
    target_distance: usize,
}

/// Reads a vector of which only `count` numbers exist.
///
/// # Safety
/// They are readable.
#[inline(always)]
unsafe fn load<S: Simd, const WHOLE: bool>(simd: S, source: *const f32, count: usize) -> S::Vector {
    if WHOLE {
        // SAFETY: as promised.
        return unsafe { simd.load(source) };
    }
    let mut numbers = [0.0; LANES];
    // SAFETY: as promised; the array holds LANES numbers.
    unsafe {
        std::ptr::copy_nonoverlapping(source, numbers.as_mut_ptr(), count);
        simd.load(numbers.as_ptr())
    }
}

/// Writes the first `count` numbers of a vector.
///
/// # Safety
/// They are writable.
#[inline(always)]
unsafe fn store<S: Simd, const WHOLE: bool>(simd: S, target: *mut f32, count: usize, vector: S::Vector) {
    if WHOLE {
        // SAFETY: as promised.
        return unsafe { simd.store(target, vector) };
    }
    let mut numbers = [0.0; LANES];
    // SAFETY: as promised; the array holds LANES numbers.
    unsafe {
        simd.store(numbers.as_mut_ptr(), vector);
        std::ptr::copy_nonoverlapping(numbers.as_ptr(), target, count);
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<f32>> = RefCell::default();
}
