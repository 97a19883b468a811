//! Numbers are read where they lie, except through a gate or from beyond the caches: then the rows of a block are copied first.
//! Taps that lie outside the image are left out row by row, and at both ends of a row position by position.

use std::ops::Range;

use super::super::geometry::Field;
use super::super::panels::Shared;
use super::super::slab::{Box3, Source, copy_box};
use super::{Block, Buffers, Cut, Layout, Phase, TASKS};
use crate::simd::{LINE, Simd, Work, load, load_some, store};

/// The numbers that a block reads: 128 KiB, beside which its result stays in the second-level cache.
const CACHED: usize = 32 * 1024;

/// The numbers of a source that may still lie in the last-level cache, 16 MiB. Larger ones come from memory, and copying rows in
/// order is faster than letting every position fetch its own.
const NEAR: usize = 4 * 1024 * 1024;

/// Rows of all channels as many as stay in the cache, and less where that leaves too few pieces of work.
pub(super) fn cut(layout: &Layout, batch: usize) -> Cut {
    let [planes, height, _] = layout.grid([0; 3]);
    let mut channels = layout.result.channels;
    let row = layout.source_step[1] * layout.source.spatial[2] * channels;
    let mut rows = (CACHED / row.max(1)).clamp(1, height.max(1));
    let tasks = |rows: usize, channels: usize| {
        batch * planes * height.div_ceil(rows) * layout.result.channels.div_ceil(channels)
    };
    while tasks(rows, channels) < TASKS {
        if channels >= 4 * LINE {
            channels = (channels / 2).next_multiple_of(LINE);
        } else if rows > 2 {
            rows = rows.div_ceil(2);
        } else {
            break;
        }
    }
    Cut { rows, channels }
}

/// The part of the source along an axis that some grid positions read.
fn read(layout: &Layout, axis: usize, positions: Range<usize>) -> Range<usize> {
    let step = layout.source_step[axis] as isize;
    let inside = |place: isize| place.clamp(0, layout.source.spatial[axis] as isize) as usize;
    let first = inside(positions.start as isize * step + layout.reach[0][axis]);
    let last = inside((positions.end as isize - 1) * step + layout.reach[1][axis] + 1);
    first..last.max(first)
}

/// Computes a block.
pub(super) fn run(
    layout: &Layout,
    block: &Block,
    source: Source<'_>,
    result: Shared<'_>,
    buffers: &mut Buffers,
) {
    let slab = &mut buffers.slab;
    let Field { spatial: [depth, height, width], first, distance, .. } = layout.source;
    let view = if source.gate.is_some() || source.numbers.len() > NEAR {
        let planes = read(layout, 0, block.plane..block.plane + 1);
        let rows = read(layout, 1, block.rows.clone());
        let origin = [planes.start as isize, rows.start as isize, 0];
        let extents = [planes.len(), rows.len(), width];
        let region = Box3 { image: block.image, origin, extents };
        copy_box(layout.instructions, source, layout.source, region, block.channels.clone(), slab);
        View { numbers: slab, origin, rows: rows.len(), distance: block.channels.len() }
    } else {
        let size = depth * height * width * distance;
        let numbers = &source.numbers[block.image * size..(block.image + 1) * size];
        let numbers = &numbers[(first + block.channels.start).min(size)..];
        View { numbers, origin: [0; 3], rows: height, distance }
    };
    layout.instructions.run(Rows { layout, block, view, result });
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
    layout: &'a Layout,
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
        let Self { layout, block, .. } = &self;
        let mut taps = Vec::new();
        for phase in &layout.phases {
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
        let Self { layout, block, view, .. } = self;
        let [depth, height, width] = layout.source.spatial.map(|extent| extent as isize);
        let [z, y] =
            [block.plane * layout.source_step[0], row * layout.source_step[1]].map(|place| place as isize);
        taps.clear();
        for tap in &phase.taps {
            let [z, y, x] = [z + tap.offset[0], y + tap.offset[1], tap.offset[2]];
            if z >= 0 && z < depth && y >= 0 && y < height {
                let place = (((z - view.origin[0]) * view.rows as isize + y - view.origin[1]) * width + x)
                    * view.distance as isize;
                taps.push(RowTap { offset: x, place, filter: layout.filter(tap) });
            }
        }
        // The positions whose taps all lie inside the image.
        let step = layout.source_step[2] as isize;
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
        let Self { layout, block, view, .. } = self;
        let channels = block.channels.len();
        let filters = &layout.filters[block.channels.start..];
        let distance = layout.source_step[2] * view.distance;
        let start = (column * distance) as isize;
        for tap in taps {
            let first = start + tap.place;
            assert!(
                first >= 0 && first as usize + (POSITIONS - 1) * distance + channels <= view.numbers.len()
            );
            assert!(tap.filter + channels.next_multiple_of(S::LANES) <= filters.len());
        }
        let target = layout.target(phase, block.image, [block.plane, row, column]) + block.channels.start;
        let target_distance = layout.result_step[2] * layout.result.distance;
        let place = Place { taps, distance, start, target, target_distance };
        let whole = channels / S::LANES * S::LANES;
        let mut channel = 0;
        // SAFETY: checked above, here and below.
        unsafe {
            // A position by itself leaves registers for several vectors, so that no sum waits for its last addend.
            if POSITIONS == 1 {
                while channel + 4 * S::LANES <= whole {
                    self.vectors::<S, POSITIONS, 4, true>(simd, &place, channel);
                    channel += 4 * S::LANES;
                }
            }
            while channel < whole {
                self.vectors::<S, POSITIONS, 1, true>(simd, &place, channel);
                channel += S::LANES;
            }
            if whole < channels {
                self.vectors::<S, POSITIONS, 1, false>(simd, &place, whole);
            }
        }
    }

    /// Some positions of neighbouring vectors of channels, which are whole or the last one alone.
    ///
    /// # Safety
    /// The view holds the numbers that the taps read at every position, and there are filters for whole vectors.
    #[inline(always)]
    unsafe fn vectors<S: Simd, const POSITIONS: usize, const VECTORS: usize, const WHOLE: bool>(
        &self,
        simd: S,
        place: &Place<'_>,
        channel: usize,
    ) {
        let Self { layout, block, view, .. } = self;
        let count = if WHOLE { S::LANES } else { block.channels.len() - channel };
        let own = block.channels.start + channel;
        let bias = &layout.initial[own..][..VECTORS * S::LANES];
        // SAFETY: the slice holds as many numbers.
        let bias = unsafe { load_some(simd, bias.as_ptr(), S::LANES) };
        let mut sums: [[S::Vector; VECTORS]; POSITIONS] = [bias; POSITIONS];
        for tap in place.taps {
            // SAFETY: as promised.
            unsafe {
                let filters = layout.filters.as_ptr().add(tap.filter + own);
                let filters = load_some::<S, VECTORS>(simd, filters, S::LANES);
                let first = view.numbers.as_ptr().offset(place.start + tap.place).add(channel);
                for (position, sums) in sums.iter_mut().enumerate() {
                    let first = first.add(position * place.distance);
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        let number = load::<S, WHOLE>(simd, first.add(vector * S::LANES), count);
                        *sum = simd.multiply_add(filters[vector], number, *sum);
                    }
                }
            }
        }
        let (minimum, maximum) =
            (simd.splat(layout.activation.minimum), simd.splat(layout.activation.maximum));
        for (position, sums) in sums.into_iter().enumerate() {
            let target = place.target + channel + position * place.target_distance;
            for (vector, sum) in sums.into_iter().enumerate() {
                let sum = simd.at_most(simd.at_least(sum, minimum), maximum);
                let target = self.result.place(target + vector * S::LANES, count);
                // SAFETY: every position belongs to one phase of one block and every channel to one block: these numbers are
                // this thread's own.
                unsafe { store::<S, WHOLE>(simd, target, count, sum) };
            }
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
