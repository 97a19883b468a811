//! The result's side: products are transformed back.

use std::ops::Range;

use super::super::geometry::Field;
use super::super::panels::{Addend, PANEL, Shared};
use super::Winograd;
use super::tile::{LARGEST, OfTile, Squares, Tile, result_transform};
use crate::simd::{Simd, load, store};

impl Winograd {
    /// Transforms the products of some rows of a chunk's tiles back, and writes them with bias and rectifier.
    pub(super) fn transform_back(
        &self,
        products: &[f32],
        group: usize,
        chunk: &Range<usize>,
        rows: Range<usize>,
        (result, addend): (Shared<'_>, Addend<'_>),
    ) {
        let [_, plane] = self.planes(chunk);
        let squares = TransformBack { pass: self, products, plane, group, chunk, rows, result, addend };
        self.instructions.run(OfTile(self.tile, squares));
    }
}

/// Transforms products back.
struct TransformBack<'a> {
    pass: &'a Winograd,
    /// Element × tile of the chunk × column, and the numbers from element to element.
    products: &'a [f32],
    plane: usize,
    group: usize,
    chunk: &'a Range<usize>,
    rows: Range<usize>,
    result: Shared<'a>,
    addend: Addend<'a>,
}

impl Squares for TransformBack<'_> {
    #[inline(always)]
    fn squares<S: Simd, const SPAN: usize, const SIZE: usize>(&self, simd: S, tile: Tile) {
        let Self { pass, .. } = *self;
        let [down, across] = pass.tiles;
        let [_, height, row_width] = pass.result.spatial;
        let columns = pass.result.channels / pass.groups;
        let width = columns.next_multiple_of(PANEL);
        let mut sums = [[simd.splat(0.0); 4]; LARGEST];
        for index in
            (self.rows.start - self.chunk.start) * across..(self.rows.end - self.chunk.start) * across
        {
            let row = self.chunk.start + index / across;
            let (image, top, left) = (row / down, row % down * SIZE, index % across * SIZE);
            let square = Square {
                first: index * width,
                corner: (image * height + top) * row_width + left,
                rows: SIZE.min(height - top),
                columns: SIZE.min(row_width - left),
            };
            for column in (0..columns).step_by(S::LANES) {
                if column + S::LANES <= columns {
                    self.vector::<S, SPAN, true>(simd, tile, &square, column, &mut sums);
                } else {
                    self.vector::<S, SPAN, false>(simd, tile, &square, column, &mut sums);
                }
            }
        }
    }
}

impl TransformBack<'_> {
    /// A vector of columns of one tile, whole or the last one's first.
    #[inline(always)]
    fn vector<S: Simd, const SPAN: usize, const WHOLE: bool>(
        &self,
        simd: S,
        tile: Tile,
        square: &Square,
        column: usize,
        sums: &mut [[S::Vector; 4]; LARGEST],
    ) {
        let Self { pass, .. } = *self;
        let columns = pass.result.channels / pass.groups;
        let count = if WHOLE { S::LANES } else { columns - column };
        let zero = simd.splat(0.0);
        for y in 0..SPAN {
            let mut numbers = [zero; LARGEST];
            for x in 0..SPAN {
                let at = (y * SPAN + x) * self.plane + square.first + column;
                // Products are computed for whole panels.
                let product = &self.products[at..at + S::LANES];
                // SAFETY: the slice holds a vector.
                numbers[x] = unsafe { simd.load(product.as_ptr()) };
            }
            sums[y] = result_transform(simd, tile, numbers);
        }
        let channel = self.group * columns + column;
        let bias = match &pass.bias {
            Some(bias) => {
                let bias = &bias[channel..][..count];
                // SAFETY: the slice holds `count` numbers.
                unsafe { load::<S, WHOLE>(simd, bias.as_ptr(), count) }
            }
            None => zero,
        };
        let (minimum, maximum) = (simd.splat(pass.activation.minimum), simd.splat(pass.activation.maximum));
        let Field { first, distance, spatial: [_, _, row_width], .. } = pass.result;
        for x in 0..square.columns {
            let mut own = [zero; LARGEST];
            for y in 0..SPAN {
                own[y] = sums[y][x];
            }
            let own = result_transform(simd, tile, own);
            for y in 0..square.rows {
                let mut number = simd.add(own[y], bias);
                let first = (square.corner + y * row_width + x) * distance + first + channel;
                let target = self.result.place(first, count);
                // SAFETY: each position belongs to one tile and each channel to one unit of one group, so no other thread reads
                // or writes here; the place holds `count` numbers, and so does an addend's.
                unsafe {
                    if let Some(addend) = self.addend.at(self.result, first) {
                        number = simd.add(number, load::<S, WHOLE>(simd, addend, count));
                    }
                    let number = simd.at_most(simd.at_least(number, minimum), maximum);
                    store::<S, WHOLE>(simd, target, count, number);
                }
            }
        }
    }
}

/// A tile of the result, as far as it lies inside the image.
struct Square {
    /// Where its first element's products are.
    first: usize,
    /// The position of its first row and column, counted over all images.
    corner: usize,
    rows: usize,
    columns: usize,
}
