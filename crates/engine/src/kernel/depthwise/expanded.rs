//! The numbers are the result of a pointwise convolution, as in the inverted residuals of MobileNetV2 (Sandler et al. 2018). That
//! result is several times as large as what comes before and after it; here it is never in memory as a whole: a few rows of one
//! cache line's channels at a time are computed into a slab that stays in the first-level cache, and used at once. Rows that the
//! next ones read as well are moved, not computed again.
//!
//! Only where no backward pass follows, since that reads the expanded numbers.

use std::ops::Range;

use super::super::gather::Finish;
use super::super::geometry::Field;
use super::super::panels::{PANEL, Panels, Product, Shared};
use super::copied::{CHUNK, Chunk, origin, place_taps, span};
use super::{Block, Buffers, Cut, Layout, TASKS};

/// The source's numbers that a block should read at most: 192 KiB, which stay in the second-level cache for all of its channels.
const CACHED: usize = 48 * 1024;

/// The numbers of a slab at most: 20 KiB of the 32 of the first-level cache.
const SLAB: usize = 5 * 1024;

const _: () = assert!(CHUNK == PANEL, "a chunk of channels is what one panel of filters computes");

/// A pointwise convolution of which no result is kept.
pub(in crate::kernel) struct Expansion {
    source: Field,
    filters: Panels,
    finish: Finish,
}

/// Positions inside the image, row by row; of each row those of all planes that a block reads.
#[derive(Default)]
pub(super) struct Positions {
    /// Where those of the block's rows lie in the source.
    source: Vec<usize>,
    /// Where those of the slab's rows lie in it.
    slab: Vec<usize>,
}

impl Expansion {
    /// From the channels of `source` to others; `filters` is result channels × source channels.
    pub fn new(source: Field, channels: usize, filters: &[f32], finish: Finish) -> Self {
        let inner = source.channels;
        let filters = Panels::pack(inner, channels, |row, column| filters[column * inner + row]);
        Self { source, filters, finish }
    }

    /// Rows as many as read a part of the source that stays in the cache, and chunks of channels as many as leave enough work.
    pub(super) fn cut(&self, layout: &Layout, batch: usize) -> Cut {
        let [planes, height, _] = layout.grid([0; 3]);
        let row = span(layout, 0, 1) * self.source.spatial[2] * self.source.channels;
        let (overlap, step) = (span(layout, 1, 1), layout.source_step[1]);
        let rows = (CACHED / row.max(1)).saturating_sub(overlap) / step + 1;
        // At least as many rows as are computed twice.
        let rows = rows.max(2 * overlap.div_ceil(step)).min(height.max(1));
        let chunks = layout.result.channels.div_ceil(CHUNK);
        let blocks = batch * planes * height.div_ceil(rows).max(1);
        let together = (chunks * blocks / TASKS).clamp(1, chunks.max(1));
        Cut { rows, channels: chunks.div_ceil(chunks.div_ceil(together).max(1)).max(1) * CHUNK }
    }

    /// Computes a block.
    pub(super) fn run(
        &self,
        layout: &Layout,
        block: &Block,
        source: &[f32],
        result: Shared<'_>,
        buffers: &mut Buffers,
    ) {
        let Buffers { slab, places, positions } = buffers;
        let width = layout.grid([0; 3])[2];
        let depth = span(layout, 0, 1);
        let line = span(layout, 2, width) * CHUNK;
        let step = layout.source_step[1];
        // The result's rows of one slab: as many as it holds the source's rows for.
        let held = (SLAB / (depth * line).max(1)).saturating_sub(span(layout, 1, 1)) / step + 1;
        let held = held.min(block.rows.len());
        let extents = [depth, span(layout, 1, held), span(layout, 2, width)];
        slab.resize(depth * extents[1] * line);
        place_taps(layout, extents, places);
        // Borders to the left and the right, and planes beyond the image, stay zeros: nothing is written there.
        slab.fill(0.0);
        let origin = origin(layout, block);
        let per_row = self.place(layout, block, extents, positions);
        let inside = inside(origin[1], span(layout, 1, block.rows.len()), layout.source.spatial[1]);
        for first in block.channels.clone().step_by(CHUNK) {
            let count = CHUNK.min(block.channels.end - first);
            let panel = first / PANEL;
            for begin in (0..block.rows.len()).step_by(held) {
                let end = (begin + held).min(block.rows.len());
                // The block's rows of the source that this slab holds; those that the slab before held too are there already.
                let rows = begin * step..begin * step + span(layout, 1, end - begin);
                let there = if begin == 0 { 0 } else { extents[1].saturating_sub(held * step) };
                if there > 0 {
                    for plane in slab.chunks_exact_mut(extents[1] * line) {
                        plane.copy_within(held * step * line.., 0);
                    }
                }
                let new = rows.start + there..rows.end;
                let computed =
                    new.start.clamp(inside.start, inside.end)..new.end.clamp(inside.start, inside.end);
                for row in new.filter(|row| !inside.contains(row)) {
                    for plane in slab.chunks_exact_mut(extents[1] * line) {
                        plane[(row - rows.start) * line..][..line].fill(0.0);
                    }
                }
                if !computed.is_empty() {
                    let listed =
                        |first: usize| (computed.start - first) * per_row..(computed.end - first) * per_row;
                    let product = Product {
                        source: &source[self.source.first..],
                        rows: &positions.source[listed(inside.start)],
                        pieces: &[0],
                        length: self.source.channels,
                        panels: &self.filters,
                        range: panel..panel + 1,
                        targets: &positions.slab[listed(rows.start)],
                        bias: self.finish.bias.as_deref(),
                        addend: None,
                        activation: self.finish.activation,
                    };
                    // SAFETY: the slab is this thread's own.
                    unsafe { product.run(layout.instructions, Shared::new(slab)) };
                }
                let block = Block {
                    rows: block.rows.start + begin..block.rows.start + end,
                    channels: block.channels.clone(),
                    ..*block
                };
                layout.instructions.run(Chunk {
                    layout,
                    block: &block,
                    slab,
                    extents,
                    places,
                    result,
                    first,
                    count,
                });
            }
        }
    }

    /// Lists the positions inside the image that a block reads, and says how many there are per row.
    fn place(&self, layout: &Layout, block: &Block, extents: [usize; 3], positions: &mut Positions) -> usize {
        let [depth, height, width] = layout.source.spatial;
        let origin = origin(layout, block);
        let planes = inside(origin[0], extents[0], depth);
        let columns = inside(origin[2], extents[2], width);
        let place = |axis: usize, index: usize| (origin[axis] + index as isize) as usize;
        positions.source.clear();
        for y in inside(origin[1], span(layout, 1, block.rows.len()), height) {
            for z in planes.clone() {
                let line = ((block.image * depth + place(0, z)) * height + place(1, y)) * width;
                positions.source.extend(columns.clone().map(|x| (line + place(2, x)) * self.source.distance));
            }
        }
        positions.slab.clear();
        for y in 0..extents[1] {
            for z in planes.clone() {
                let line = (z * extents[1] + y) * extents[2];
                positions.slab.extend(columns.clone().map(|x| (line + x) * CHUNK));
            }
        }
        planes.len() * columns.len()
    }
}

/// Which of some places from `first` on lie inside an image.
fn inside(first: isize, count: usize, extent: usize) -> Range<usize> {
    let low = (-first).clamp(0, count as isize);
    let high = (extent as isize - first).clamp(low, count as isize);
    low as usize..high as usize
}
