//! The result's side: products are transformed back.

use std::ops::Range;

use super::super::geometry::Field;
use super::super::panels::{Addend, Shared};
use super::tile::{LARGEST, Tile, result_transform};
use super::{Winograd, plane};
use crate::simd::{Simd, Work, load, store};

/// Transforms products back, and writes them with bias and rectifier.
pub(super) struct TransformBack<'a> {
    pub pass: &'a Winograd,
    pub products: &'a [f32],
    pub chunk: &'a Range<usize>,
    /// The numbers of one tile in one element's product.
    pub width: usize,
    /// The columns of the result, the first of which is this channel.
    pub columns: usize,
    pub channel: usize,
    pub result: Shared<'a>,
    pub addend: Addend<'a>,
}

impl Work for TransformBack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.pass.tile {
            Tile::Two => self.squares::<S, 4, 2>(simd, Tile::Two),
            Tile::Four => self.squares::<S, 6, 4>(simd, Tile::Four),
            Tile::TwoOfFive => self.squares::<S, 6, 2>(simd, Tile::TwoOfFive),
        }
    }
}

impl TransformBack<'_> {
    /// `SPAN` and `SIZE` are the tile's span and size, known to the compiler.
    #[inline(always)]
    fn squares<S: Simd, const SPAN: usize, const SIZE: usize>(&self, simd: S, tile: Tile) {
        let Self { pass, width, columns, .. } = *self;
        let [down, across] = pass.tiles;
        let [_, height, row_width] = pass.result.spatial;
        let count = self.chunk.len() * across;
        let plane = plane(count, width);
        let mut sums = [[simd.splat(0.0); 4]; LARGEST];
        for index in 0..count {
            let row = self.chunk.start + index / across;
            let (image, top, left) = (row / down, row % down * SIZE, index % across * SIZE);
            let square = Square {
                index,
                plane,
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
        let Self { pass, width, columns, .. } = *self;
        let count = if WHOLE { S::LANES } else { columns - column };
        let zero = simd.splat(0.0);
        for y in 0..SPAN {
            let mut numbers = [zero; LARGEST];
            for x in 0..SPAN {
                let at = (y * SPAN + x) * square.plane + square.index * width + column;
                // Products are computed for whole panels.
                let product = &self.products[at..at + S::LANES];
                // SAFETY: the slice holds a vector.
                numbers[x] = unsafe { simd.load(product.as_ptr()) };
            }
            sums[y] = result_transform(simd, tile, numbers);
        }
        let channel = self.channel + column;
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
    /// The tile's place among those of the chunk, and the numbers from element to element.
    index: usize,
    plane: usize,
    /// The position of its first row and column, counted over all images.
    corner: usize,
    rows: usize,
    columns: usize,
}
