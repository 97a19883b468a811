//! The source's side: squares of it are transformed.
//!
//! Squares at the border of the image are read from a copy with zeros around it, and so are those of gradients that pass a
//! rectifier. A copy that stays in the first-level cache costs next to nothing. Of larger images only the border is copied, and all
//! other squares are read where they lie.

use std::ops::Range;

use super::super::geometry::Field;
use super::super::panels::Shared;
use super::super::slab::{Box3, Source, copy_box};
use super::tile::{LARGEST, OfTile, Squares, Tile, source_transform};
use super::{Winograd, plane};
use crate::aligned::Aligned;
use crate::simd::{Simd, load, store};

/// The numbers that a row of tiles reads, from which on copying them is worth avoiding: more than a first-level cache holds.
const IN_PLACE: usize = 32 * 1024;

impl Winograd {
    /// Transforms the source of some rows of a chunk's tiles; `target` holds element × tile × channel.
    pub(super) fn transform(
        &self,
        source: Source<'_>,
        group: usize,
        chunk: &Range<usize>,
        rows: Range<usize>,
        target: Shared<'_>,
        slab: &mut Aligned,
    ) {
        let [down, across] = self.tiles;
        let (size, span) = (self.tile.size(), self.tile.span());
        let channels = self.source.channels / self.groups;
        let own = group * channels..(group + 1) * channels;
        let Field { spatial: [_, height, width], distance, first, .. } = self.source;
        let inside = if source.gate.is_none() { self.squares_in_place() } else { [0..0, 0..0] };
        let [rows_inside, columns_inside] = &inside;
        let mut row = rows.start;
        while row < rows.end {
            let (image, top) = (row / down, row % down);
            // The rows of one image that are read in the same way, and which of their columns are read in place.
            let left = (rows.end - row).min(down - top);
            let (until, in_place) = if rows_inside.contains(&top) {
                (rows_inside.end, columns_inside.clone())
            } else if top < rows_inside.start {
                (rows_inside.start, across..across)
            } else {
                (down, across..across)
            };
            let here = left.min(until - top);
            let transform = |numbers: &[f32], steps: [usize; 2], columns: Range<usize>| {
                let squares = Transform {
                    numbers,
                    steps,
                    channels,
                    tiles: [here, columns.len()],
                    target,
                    first: (row - chunk.start) * across + columns.start,
                    across,
                    plane: plane(chunk.len() * across, channels),
                };
                self.instructions.run(OfTile(self.tile, squares));
            };
            let origin = |tile: usize, axis: usize| (tile * size) as isize - self.pad[axis] as isize;
            for columns in [0..in_place.start, in_place.end..across] {
                if columns.is_empty() {
                    continue;
                }
                let extents = [1, (here - 1) * size + span, (columns.len() - 1) * size + span];
                let region = Box3 { image, origin: [0, origin(top, 0), origin(columns.start, 1)], extents };
                copy_box(self.instructions, source, self.source, region, own.clone(), slab);
                transform(slab, [extents[2] * channels, channels], columns);
            }
            if !in_place.is_empty() {
                let [y, x] = [origin(top, 0), origin(in_place.start, 1)].map(|place| place as usize);
                let corner = ((image * height + y) * width + x) * distance + first + own.start;
                transform(&source.numbers[corner..], [width * distance, distance], in_place);
            }
            row += here;
        }
    }

    /// The rows and columns of tiles whose squares lie inside the image, where there are so many that they are read in place.
    fn squares_in_place(&self) -> [Range<usize>; 2] {
        let (size, span) = (self.tile.size(), self.tile.span());
        let [rows, columns] = [0, 1].map(|axis| {
            let low = self.pad[axis].div_ceil(size);
            let high = (self.source.spatial[1 + axis] + self.pad[axis] + size).saturating_sub(span) / size;
            low..high.min(self.tiles[axis])
        });
        let numbers = span * size * columns.len() * self.source.channels / self.groups;
        if numbers >= IN_PLACE { [rows, columns] } else { [0..0, 0..0] }
    }
}

/// Transforms squares.
struct Transform<'a> {
    /// From the first square's corner on.
    numbers: &'a [f32],
    /// The numbers from row to row, and from column to column.
    steps: [usize; 2],
    channels: usize,
    /// Rows and columns of tiles.
    tiles: [usize; 2],
    target: Shared<'a>,
    /// The first tile's index, the tiles from row to row, and the numbers from element to element.
    first: usize,
    across: usize,
    plane: usize,
}

impl Squares for Transform<'_> {
    #[inline(always)]
    fn squares<S: Simd, const SPAN: usize, const SIZE: usize>(&self, simd: S, tile: Tile) {
        let (size, channels, [down, right]) = (SIZE, self.channels, self.steps);
        // Made once: clearing it for every vector takes as long as a part of the transform.
        let mut rows = [[simd.splat(0.0); LARGEST]; LARGEST];
        for row in 0..self.tiles[0] {
            for column in 0..self.tiles[1] {
                let corner = size * (row * down + column * right);
                let reach = (SPAN - 1) * (down + right) + channels;
                let square = &self.numbers[corner..corner + reach];
                let index = self.first + row * self.across + column;
                // The tile's channels of the first element, and those of the last, so that all lie inside.
                let first = self.target.place(index * channels, channels);
                self.target.place((SPAN * SPAN - 1) * self.plane + index * channels, channels);
                for channel in (0..channels).step_by(S::LANES) {
                    let count = channels - channel;
                    let (from, to) = (square[channel..].as_ptr(), first.wrapping_add(channel));
                    // SAFETY: `count` channels lie inside the square, and behind the place; each tile has its own channels of
                    // each element, which lie inside the target and are written by one thread.
                    unsafe {
                        if count >= S::LANES {
                            self.vector::<S, SPAN, true>(simd, tile, from, to, count, &mut rows);
                        } else {
                            self.vector::<S, SPAN, false>(simd, tile, from, to, count, &mut rows);
                        }
                    }
                }
            }
        }
    }
}

impl Transform<'_> {
    /// A vector of channels of one square, whole or only the first `count`.
    ///
    /// # Safety
    /// So many numbers are readable at each position of the square, and writable at each element of the tile.
    #[inline(always)]
    unsafe fn vector<S: Simd, const SPAN: usize, const WHOLE: bool>(
        &self,
        simd: S,
        tile: Tile,
        from: *const f32,
        to: *mut f32,
        count: usize,
        rows: &mut [[S::Vector; LARGEST]; LARGEST],
    ) {
        let zero = simd.splat(0.0);
        for y in 0..SPAN {
            let mut numbers = [zero; LARGEST];
            for x in 0..SPAN {
                // SAFETY: as promised.
                numbers[x] =
                    unsafe { load::<S, WHOLE>(simd, from.add(y * self.steps[0] + x * self.steps[1]), count) };
            }
            rows[y] = source_transform(simd, tile, numbers);
        }
        for x in 0..SPAN {
            let mut column = [zero; LARGEST];
            for y in 0..SPAN {
                column[y] = rows[y][x];
            }
            let column = source_transform(simd, tile, column);
            for y in 0..SPAN {
                // SAFETY: as promised.
                unsafe { store::<S, WHOLE>(simd, to.add((y * SPAN + x) * self.plane), count, column[y]) };
            }
        }
    }
}
