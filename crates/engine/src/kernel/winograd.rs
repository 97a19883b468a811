//! 3 × 3 and 5 × 5 convolution with fewer multiplications (Winograd 1980; Lavin and Gray 2016): F(2×2, 3×3), F(4×4, 3×3) and
//! F(2×2, 5×5).
//!
//! The result is cut into tiles of 2 × 2 or 4 × 4 positions. The square of the source that a tile reads is transformed
//! (`Bᵀ d B`), multiplied element by element with the transformed filter (`G g Gᵀ`), and transformed back (`Aᵀ m A`). Over
//! channels each element's products are a matrix product of tiles × filters, so the work is 16 or 36 products with 4 or 16
//! positions per row instead of 9 products with one: 2¼ or 4 times fewer multiplications, and 2¾ times with filters of 5 × 5.
//!
//! The transforms evaluate polynomials at some points. F(2×2, 3×3) takes 0, ±1 and ∞, so that its transforms only add. The two
//! others need five points and ∞, and how they round depends on the points: with the usual 0, ±1, ±2 and ∞ results are off by up
//! to 7e-6 of the largest (128 channels of rectified noise, single precision), with 0, ±3/4, ±3/2 and ∞, whose powers stay near one
//! and are exact in binary, by 2e-6, which is twice what directly summed products are off by. Hence the exact precision uses them too.
//!
//! The adjoint of such a convolution is one again, with turned filters and inputs and outputs exchanged.

mod tile;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

pub(super) use self::tile::Tile;
use self::tile::{LARGEST, result_transform, source_transform};
use super::activation::Activation;
use super::gather::Finish;
use super::geometry::{Field, Geometry};
use super::panels::{Addend, PANEL, Panels, Places, Product, Shared};
use super::slab::{Box3, Source, copy_box};
use crate::aligned::Aligned;
use crate::simd::{Instructions, Simd, Work, load, store};

/// The numbers of one element of all tiles of a chunk, with a cache line of room: the elements of a tile are written and read
/// together, and at distances of a multiple of 4096 bytes, which are common, they would all fall on the same eight lines of the
/// first-level cache.
fn plane(tiles: usize, width: usize) -> usize {
    tiles * width + 16
}

/// A packed pass.
pub(super) struct Winograd {
    instructions: Instructions,
    tile: Tile,
    source: Field,
    result: Field,
    /// Rows and columns of zeros before the source.
    pad: [usize; 2],
    groups: usize,
    /// Tiles down and across one image.
    tiles: [usize; 2],
    /// Per group and transformed element: inputs × outputs.
    filters: Vec<Panels>,
    bias: Option<Vec<f32>>,
    activation: Activation,
    /// Rows of tiles, counted over all images, that are worked on together.
    chunks: Vec<Range<usize>>,
    /// Panels that are worked on together, where a chunk's tiles are transformed once for all of them.
    units: Option<Vec<Range<usize>>>,
}

impl Winograd {
    /// The convolution itself. `filters` is `O × C/groups ×` the kernel.
    pub fn correlation(
        instructions: Instructions,
        tile: Tile,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
        finish: Finish,
    ) -> Self {
        let (inputs, outputs) =
            (geometry.large.channels / geometry.groups, geometry.small.channels / geometry.groups);
        let kernel = tile.kernel();
        let element = |group: usize, input: usize, output: usize, y: usize, x: usize| {
            filters[(((group * outputs + output) * inputs + input) * kernel + y) * kernel + x]
        };
        let fields = [geometry.large, geometry.small];
        let pad = [geometry.pad[1], geometry.pad[2]];
        Self::new(instructions, tile, fields, pad, geometry.groups, batch, element, finish)
    }

    /// The adjoint: from the small field to the large one.
    pub fn adjoint(
        instructions: Instructions,
        tile: Tile,
        geometry: &Geometry,
        batch: usize,
        filters: &[f32],
    ) -> Self {
        let (inputs, outputs) =
            (geometry.small.channels / geometry.groups, geometry.large.channels / geometry.groups);
        let kernel = tile.kernel();
        let element = |group: usize, input: usize, output: usize, y: usize, x: usize| {
            let [y, x] = [kernel - 1 - y, kernel - 1 - x];
            filters[(((group * inputs + input) * outputs + output) * kernel + y) * kernel + x]
        };
        let fields = [geometry.small, geometry.large];
        let pad = [1, 2].map(|axis| kernel - 1 - geometry.pad[axis]);
        Self::new(instructions, tile, fields, pad, geometry.groups, batch, element, Finish::default())
    }

    #[allow(clippy::too_many_arguments, reason = "private, and every one is needed by both directions")]
    fn new(
        instructions: Instructions,
        tile: Tile,
        [source, result]: [Field; 2],
        pad: [usize; 2],
        groups: usize,
        batch: usize,
        element: impl Fn(usize, usize, usize, usize, usize) -> f32 + Sync,
        finish: Finish,
    ) -> Self {
        let (inputs, outputs) = (source.channels / groups, result.channels / groups);
        let elements = tile.elements();
        let mut filters = Vec::with_capacity(groups * elements);
        for group in 0..groups {
            let mut transformed = vec![0.0f32; elements * inputs * outputs];
            transformed.par_chunks_mut(elements * outputs).enumerate().for_each(|(input, numbers)| {
                for (output, numbers) in numbers.chunks_exact_mut(elements).enumerate() {
                    let filter = tile.filters(|y, x| element(group, input, output, y, x));
                    for (number, transformed) in numbers.iter_mut().zip(filter) {
                        *number = transformed as f32;
                    }
                }
            });
            filters.extend((0..elements).map(|index| {
                Panels::pack(inputs, outputs, |input, output| {
                    transformed[(input * outputs + output) * elements + index]
                })
            }));
        }
        let tiles = [1, 2].map(|axis| result.spatial[axis].div_ceil(tile.size()));
        let mut winograd = Self {
            instructions,
            tile,
            source,
            result,
            pad,
            groups,
            tiles,
            filters,
            bias: finish.bias,
            activation: finish.activation.unwrap_or(Activation::NONE),
            chunks: Vec::new(),
            units: None,
        };
        winograd.cut(batch);
        winograd
    }

    /// Cuts the work. Many tiles: each chunk of them is for itself, with what it transforms in the second-level cache. Few
    /// tiles, and thus many channels: a chunk is as large as reading the filters once asks for, and the filters are shared
    /// out. The cut depends on the extents alone.
    fn cut(&mut self, batch: usize) {
        const NUMBERS: usize = 128 * 1024;
        let [down, across] = self.tiles;
        let channels = (self.source.channels + self.result.channels) / self.groups;
        let cached = (NUMBERS / (self.tile.elements() * channels)).clamp(48, 96);
        let rows = batch * down;
        let split = |tiles: usize| {
            let count = rows.div_ceil((tiles / across.max(1)).max(1)).max(1);
            (0..count).map(|index| index * rows / count..(index + 1) * rows / count).collect::<Vec<_>>()
        };
        self.chunks = split(cached);
        // Filters of more than four megabytes would come from memory anew for every chunk.
        let numbers = self.filters.iter().map(|panels| panels.inner * panels.columns).sum::<usize>();
        if self.chunks.len() * self.groups < 8 || numbers > 1 << 20 {
            self.chunks = split(256);
            let panels = self.filters.first().map_or(0, Panels::count);
            // Whole strips of two panels, which wide vectors are multiplied in.
            let each = (panels / 8).next_multiple_of(2).clamp(2, 4);
            self.units =
                Some((0..panels).step_by(each).map(|first| first..(first + each).min(panels)).collect());
        }
    }

    /// The numbers of a chunk's transformed source.
    fn transformed(&self, chunk: &Range<usize>) -> usize {
        self.tile.elements() * plane(chunk.len() * self.tiles[1], self.source.channels / self.groups)
    }

    /// The numbers of working memory that all threads share.
    pub fn workspace(&self) -> usize {
        match self.units {
            Some(_) => self.chunks.iter().map(|chunk| self.transformed(chunk)).max().unwrap_or(0),
            None => 0,
        }
    }

    /// Computes the result for the whole batch. An addend is added before the rectifier.
    pub fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], workspace: &mut [f32]) {
        assert!(addend.fits(result.len()), "addend of a convolution");
        let result = (Shared::new(result), addend);
        let Some(units) = &self.units else {
            (0..self.chunks.len() * self.groups).into_par_iter().with_max_len(1).for_each(|task| {
                let (chunk, group) = (&self.chunks[task / self.groups], task % self.groups);
                BUFFERS.with_borrow_mut(|buffers| {
                    let mut transformed = std::mem::take(&mut buffers.transformed);
                    transformed.resize(self.transformed(chunk));
                    let shared = Shared::new(&mut transformed);
                    self.transform(source, group, chunk, chunk.clone(), shared, &mut buffers.slab);
                    let panels = 0..self.filters[0].count();
                    self.multiply(&transformed, group, chunk, panels, result, &mut buffers.products);
                    buffers.transformed = transformed;
                });
            });
            return;
        };
        for chunk in &self.chunks {
            for group in 0..self.groups {
                let transformed = &mut workspace[..self.transformed(chunk)];
                let shared = Shared::new(transformed);
                chunk.clone().into_par_iter().with_max_len(1).for_each(|row| {
                    BUFFERS.with_borrow_mut(|buffers| {
                        self.transform(source, group, chunk, row..row + 1, shared, &mut buffers.slab);
                    });
                });
                let transformed = &*transformed;
                units.par_iter().with_max_len(1).for_each(|panels| {
                    BUFFERS.with_borrow_mut(|buffers| {
                        let products = &mut buffers.products;
                        self.multiply(transformed, group, chunk, panels.clone(), result, products);
                    });
                });
            }
        }
    }

    /// Transforms the source of some rows of a chunk's tiles; `target` holds element × tile × channel.
    fn transform(
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
        let mut row = rows.start;
        while row < rows.end {
            // The rows of one image.
            let here = (rows.end - row).min(down - row % down);
            let extents = [1, (here - 1) * size + span, (across - 1) * size + span];
            let first = (row % down * size) as isize - self.pad[0] as isize;
            let region = Box3 { image: row / down, origin: [0, first, -(self.pad[1] as isize)], extents };
            copy_box(self.instructions, source, self.source, region, own.clone(), slab);
            self.instructions.run(Transform {
                tile: self.tile,
                slab,
                width: extents[2],
                channels,
                tiles: [here, across],
                target,
                first: (row - chunk.start) * across,
                plane: plane(chunk.len() * across, channels),
            });
            row += here;
        }
    }

    /// Multiplies a chunk's transformed tiles with some filters, and writes what is transformed back.
    fn multiply(
        &self,
        transformed: &[f32],
        group: usize,
        chunk: &Range<usize>,
        panels: Range<usize>,
        (result, addend): (Shared<'_>, Addend<'_>),
        products: &mut Products,
    ) {
        let (channels, outputs) = (self.source.channels / self.groups, self.result.channels / self.groups);
        let tiles = chunk.len() * self.tiles[1];
        let width = panels.len() * PANEL;
        let Products { rows, targets, numbers } = products;
        rows.clear();
        rows.extend((0..tiles).map(|tile| tile * channels));
        targets.clear();
        targets.extend((0..tiles).map(|tile| tile * width));
        let (rows, targets) = (Places::new(rows), Places::new(targets));
        numbers.resize(self.tile.elements() * plane(tiles, width));
        for (element, numbers) in numbers.chunks_exact_mut(plane(tiles, width)).enumerate() {
            let filters = &self.filters[group * self.tile.elements()..][..self.tile.elements()];
            let product = Product {
                source: &transformed[element * plane(tiles, channels)..][..tiles * channels],
                rows,
                pieces: &[0],
                length: channels,
                panels: &filters[element],
                range: panels.clone(),
                targets,
                bias: None,
                addend: Addend::Nothing,
                activation: None,
                next: filters.get(element + 1).map(|filters| (filters, panels.start)),
                skips_zeros: false,
            };
            // SAFETY: the buffer is this thread's own.
            unsafe { product.run(self.instructions, Shared::new(numbers)) };
        }
        let first = panels.start * PANEL;
        self.instructions.run(TransformBack {
            pass: self,
            products: numbers,
            chunk,
            width,
            columns: width.min(outputs - first),
            channel: group * outputs + first,
            result,
            addend,
        });
    }
}

/// Transforms squares of a slab.
struct Transform<'a> {
    tile: Tile,
    slab: &'a [f32],
    /// The slab's columns.
    width: usize,
    channels: usize,
    /// Rows and columns of tiles.
    tiles: [usize; 2],
    target: Shared<'a>,
    /// The first tile's index, and the numbers from element to element.
    first: usize,
    plane: usize,
}

impl Work for Transform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.tile {
            Tile::Two => self.squares::<S, 4, 2>(simd, Tile::Two),
            Tile::Four => self.squares::<S, 6, 4>(simd, Tile::Four),
            Tile::TwoOfFive => self.squares::<S, 6, 2>(simd, Tile::TwoOfFive),
        }
    }
}

impl Transform<'_> {
    /// `SPAN` and `SIZE` are the tile's span and size, known to the compiler.
    #[inline(always)]
    fn squares<S: Simd, const SPAN: usize, const SIZE: usize>(&self, simd: S, tile: Tile) {
        let (size, channels) = (SIZE, self.channels);
        // Made once: clearing it for every vector takes as long as a part of the transform.
        let mut rows = [[simd.splat(0.0); LARGEST]; LARGEST];
        for row in 0..self.tiles[0] {
            for column in 0..self.tiles[1] {
                let corner = (row * size * self.width + column * size) * channels;
                let reach = ((SPAN - 1) * self.width + SPAN) * channels;
                let square = &self.slab[corner..corner + reach];
                let index = self.first + row * self.tiles[1] + column;
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
                    unsafe { load::<S, WHOLE>(simd, from.add((y * self.width + x) * self.channels), count) };
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

/// Transforms products back, and writes them with bias and rectifier.
struct TransformBack<'a> {
    pass: &'a Winograd,
    products: &'a [f32],
    chunk: &'a Range<usize>,
    /// The numbers of one tile in one element's product.
    width: usize,
    /// The columns of the result, the first of which is this channel.
    columns: usize,
    channel: usize,
    result: Shared<'a>,
    addend: Addend<'a>,
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

/// What a thread needs; kept between runs.
#[derive(Default)]
struct Buffers {
    slab: Aligned,
    transformed: Aligned,
    products: Products,
}

#[derive(Default)]
struct Products {
    rows: Vec<usize>,
    targets: Vec<usize>,
    numbers: Aligned,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
