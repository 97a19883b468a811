//! The numbers are the result of another convolution: the pointwise one of an inverted residual (Sandler et al. 2018), or a network's
//! first. That result is several times as large as what comes before and after it; here it is never in memory as a whole: a few rows
//! of one cache line's channels at a time are computed into a slab that stays in the first-level cache, and used at once. Rows that
//! the next ones read as well are moved, not computed again.
//!
//! Only where no backward pass follows, since that reads these numbers.

use std::ops::Range;

use super::super::gather::Finish;
use super::super::geometry::{Geometry, correlation_taps};
use super::super::panels::{Addend, Increasing, PANEL, Panels, Product, Shared, block_of};
use super::super::slab::{Box3, Source, copy_box, interleave_box};
use super::copied::{Chunk, origin, place_taps, span};
use super::{Block, Buffers, Cut, Layout, TASKS};
use crate::aligned::Aligned;

/// The source's numbers that a block should read at most: 192 KiB, which stay in the second-level cache for all of its channels.
const CACHED: usize = 48 * 1024;

/// The positions of a slab at most: a line of channels at each is 20 KiB of the first-level cache's 32, two are 40 of the 48 that most processors
/// with the widest vectors have.
const SLAB: usize = 320;

/// A convolution, not in groups, of which no result is kept.
pub(in crate::kernel) struct Expansion {
    geometry: Geometry,
    /// Whether the source's channels lie one after the other, not side by side.
    is_plain: bool,
    filters: Panels,
    finish: Finish,
}

impl Expansion {
    /// The convolution; `filters` is `O × C × taps`.
    pub fn new(geometry: Geometry, is_plain: bool, filters: &[f32], finish: Finish) -> Self {
        let (inputs, volume) = (geometry.large.channels, geometry.kernel.iter().product::<usize>());
        let element =
            |row: usize, column: usize| filters[(column * inputs + row % inputs) * volume + row / inputs];
        let filters = Panels::pack(volume * inputs, geometry.small.channels, element);
        Self { geometry, is_plain, filters, finish }
    }

    /// Whether all windows lie inside the source, so that they can be read where it lies.
    fn reads_in_place(&self) -> bool {
        let Geometry { large, small, pad, .. } = self.geometry;
        let last = |axis: usize| self.span(axis, small.spatial[axis]);
        !self.is_plain && pad == [0; 3] && (0..3).all(|axis| last(axis) <= large.spatial[axis])
    }

    /// The source's extent that `count` results along an axis read.
    fn span(&self, axis: usize, count: usize) -> usize {
        let Geometry { kernel, stride, dilation, .. } = self.geometry;
        (count.max(1) - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
    }

    /// Rows as many as read a part of the source that stays in the cache, and chunks of channels as many as leave enough work.
    fn cut(&self, layout: &Layout, chunk: usize, batch: usize) -> Cut {
        let [planes, height, _] = layout.grid([0; 3]);
        let Geometry { large, stride, .. } = self.geometry;
        let row = span(layout, 0, 1) * stride[0] * stride[1] * large.spatial[2] * large.channels;
        let (overlap, step) = (span(layout, 1, 1), layout.source_step[1]);
        let mut rows = (CACHED / row.max(1)).saturating_sub(overlap) / step + 1;
        if !self.reads_in_place() {
            // Each block copies its source: all channels use that one copy.
            rows = rows.min(height.div_ceil(TASKS.div_ceil((batch * planes).max(1))));
        }
        // At least as many rows as are computed twice.
        let rows = rows.max(2 * overlap.div_ceil(step)).min(height.max(1));
        let chunks = layout.result.channels.div_ceil(chunk);
        let blocks = batch * planes * height.div_ceil(rows).max(1);
        // Where nothing is copied, many pieces cost nothing, and none is left for one thread alone.
        let tasks = if self.reads_in_place() { 4 * TASKS } else { TASKS };
        let together = (chunks * blocks / tasks).clamp(1, chunks.max(1));
        Cut { rows, channels: chunks.div_ceil(chunks.div_ceil(together).max(1)).max(1) * chunk }
    }
}

/// An expansion, prepared for what is made of it. *Rows* and *columns* are those of its own result.
pub(super) struct Strips {
    expansion: Expansion,
    pub cut: Cut,
    /// The channels that are computed together: a strip of columns of the product.
    chunk: usize,
    /// The slab's extents, and how many rows of what is made of it one slab gives.
    extents: [usize; 3],
    held: usize,
    /// Of the slab's columns those inside the image, the ones that are computed.
    columns: Range<usize>,
    view: View,
    /// Where the pieces of a window lie from its first number on, and the numbers of each.
    pieces: Vec<usize>,
    length: usize,
    /// Of so many rows as a slab has, the computed columns: where their windows begin, from the first one on, and where they go in a
    /// plane of the slab.
    windows: Increasing,
    results: Increasing,
}

/// What windows are read from: the source as it lies, or a copy of what a block reads of it.
struct View {
    in_place: bool,
    extents: [usize; 3],
    /// The numbers from position to position.
    distance: usize,
}

impl View {
    /// The place of a position.
    fn place(&self, [z, y, x]: [usize; 3]) -> usize {
        ((z * self.extents[1] + y) * self.extents[2] + x) * self.distance
    }
}

impl Strips {
    pub fn new(expansion: Expansion, layout: &Layout, batch: usize) -> Self {
        let chunk = 2 * layout.instructions.lanes();
        let cut = expansion.cut(layout, chunk, batch);
        let Geometry { large, kernel, stride, dilation, .. } = expansion.geometry;
        let [_, rows, width] = layout.grid([0; 3]);
        let (depth, width) = (span(layout, 0, 1), span(layout, 2, width));
        let held = (SLAB / (depth * width).max(1)).saturating_sub(span(layout, 1, 1));
        let held = (held / layout.source_step[1] + 1).min(cut.rows).min(rows.max(1));
        let extents = [depth, span(layout, 1, held), width];
        let columns = inside(layout.reach[0][2], width, layout.source.spatial[2]);
        let view = if expansion.reads_in_place() {
            View { in_place: true, extents: large.spatial, distance: large.distance }
        } else {
            let counts = [depth, span(layout, 1, cut.rows), columns.len()];
            let extents = std::array::from_fn(|axis| expansion.span(axis, counts[axis]));
            View { in_place: false, extents, distance: large.channels }
        };
        // Neighbouring taps of all channels lie side by side.
        let joined = dilation[2] == 1 && view.distance == large.channels;
        let taps = correlation_taps(&Geometry { pad: [0; 3], ..expansion.geometry });
        let first = taps.into_iter().filter(|tap| !joined || tap.filter[2] == 0);
        let pieces = first.map(|tap| view.place(tap.offset.map(|offset| offset as usize))).collect();
        let windows = (0..extents[1]).flat_map(|y| {
            let view = &view;
            (0..columns.len()).map(move |x| view.place([0, y * stride[1], x * stride[2]]))
        });
        let results = (0..extents[1]).flat_map(|y| columns.clone().map(move |x| (y * width + x) * chunk));
        Self {
            windows: Increasing::new(windows),
            results: Increasing::new(results),
            length: if joined { kernel[2] * large.channels } else { large.channels },
            expansion,
            cut,
            chunk,
            extents,
            held,
            columns,
            view,
            pieces,
        }
    }

    /// Computes a block of what is made of the expansion.
    pub fn run(
        &self,
        layout: &Layout,
        block: &Block,
        source: &[f32],
        result: Shared<'_>,
        buffers: &mut Buffers,
    ) {
        let Buffers { slab, places, source: copy } = buffers;
        let Self { extents: [depth, height, width], chunk, .. } = *self;
        let (line, step, beyond) = (width * chunk, layout.source_step[1], layout.reduction.beyond());
        slab.resize(depth * height * line);
        place_taps(layout, self.extents, chunk, places);
        // Borders to the left and the right, and planes beyond the image, stay as they are: nothing is written there.
        slab.fill(beyond);
        let origin = origin(layout, block);
        let planes = inside(origin[0], depth, layout.source.spatial[0]);
        let inside = inside(origin[1], span(layout, 1, block.rows.len()), layout.source.spatial[1]);
        let corner = [planes.start, inside.start, self.columns.start];
        let corner = std::array::from_fn(|axis| (origin[axis] + corner[axis] as isize).max(0) as usize);
        let numbers = self.numbers(layout, block.image, corner, source, copy);
        for first in block.channels.clone().step_by(chunk) {
            for begin in (0..block.rows.len()).step_by(self.held) {
                let end = (begin + self.held).min(block.rows.len());
                // The rows that this slab holds, from the block's first on; those that it held before, too, are there.
                let rows = begin * step..begin * step + span(layout, 1, end - begin);
                let there = if begin == 0 { 0 } else { height.saturating_sub(self.held * step) };
                let new = rows.start + there..rows.end;
                let limit = |row: usize| row.clamp(inside.start, inside.end);
                let computed = limit(new.start)..limit(new.end);
                for (z, plane) in slab.chunks_exact_mut(height * line).enumerate() {
                    if there > 0 {
                        plane.copy_within(self.held * step * line.., 0);
                    }
                    for row in new.clone().filter(|row| !inside.contains(row)) {
                        plane[(row - rows.start) * line..][..line].fill(beyond);
                    }
                    if planes.contains(&z) && !computed.is_empty() {
                        let at = [z - planes.start, computed.start - inside.start];
                        let to = computed.start - rows.start..computed.end - rows.start;
                        self.expand(layout, numbers, at, first / PANEL, to, plane);
                    }
                }
                let count = chunk.min(block.channels.end - first);
                let rows = block.rows.start + begin..block.rows.start + end;
                let block = &Block { rows, channels: block.channels.clone(), ..*block };
                let extents = self.extents;
                let chunk =
                    Chunk { layout, block, slab, extents, width: chunk, places, result, first, count };
                layout.instructions.run(chunk);
            }
        }
    }

    /// Computes some rows of a plane of the slab, a chunk of channels, from the plane and the row of the block that stand `at`.
    fn expand(
        &self,
        layout: &Layout,
        numbers: &[f32],
        [plane, row]: [usize; 2],
        panel: usize,
        rows: Range<usize>,
        slab: &mut [f32],
    ) {
        let Expansion { geometry, filters, finish, .. } = &self.expansion;
        let columns = self.columns.len();
        let first = self.view.place([plane * geometry.stride[0], row * geometry.stride[1], 0]);
        let product = Product {
            source: &numbers[first..],
            rows: self.windows.part(0..rows.len() * columns),
            pieces: &self.pieces,
            length: self.length,
            block: block_of(self.pieces.len() * self.length),
            panels: filters,
            range: panel..(panel + self.chunk / PANEL).min(filters.count()),
            targets: self.results.part(rows.start * columns..rows.end * columns),
            bias: finish.bias.as_deref(),
            addend: Addend::Nothing,
            activation: finish.activation,
            next: None,
            skips_zeros: false,
        };
        // SAFETY: the slab is this thread's own.
        unsafe { product.run(layout.instructions, Shared::new(slab)) };
    }

    /// What windows read, from the one on that belongs to a block's first result inside the image.
    fn numbers<'a>(
        &self,
        layout: &Layout,
        image: usize,
        corner: [usize; 3],
        source: &'a [f32],
        copy: &'a mut Aligned,
    ) -> &'a [f32] {
        let Geometry { large, stride, pad, .. } = self.expansion.geometry;
        let View { in_place, extents, .. } = self.view;
        if in_place {
            let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| corner[axis] * stride[axis]);
            let first = self.view.place([image * extents[0] + z, y, x]) + large.first;
            return source.get(first..).unwrap_or_default();
        }
        let origin = std::array::from_fn(|axis| (corner[axis] * stride[axis]) as isize - pad[axis] as isize);
        let region = Box3 { image, origin, extents };
        if self.expansion.is_plain {
            interleave_box(source, large, region, copy);
        } else {
            copy_box(layout.instructions, Source::plain(source), large, region, 0..large.channels, copy);
        }
        copy
    }
}

/// Which of some places from `first` on lie inside an image.
fn inside(first: isize, count: usize, extent: usize) -> Range<usize> {
    let low = (-first).clamp(0, count as isize);
    let high = (extent as isize - first).clamp(low, count as isize);
    low as usize..high as usize
}
