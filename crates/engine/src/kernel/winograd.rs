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

mod result;
mod source;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

pub(super) use self::tile::Tile;
use super::activation::Activation;
use super::gather::Finish;
use super::geometry::{Field, Geometry};
use super::panels::{Addend, PANEL, Panels, Places, Product, Shared, block_of};
use super::slab::Source;
use crate::aligned::Aligned;
use crate::simd::Instructions;

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
    /// Whether threads share out the elements of one chunk after the other, and not chunks.
    by_elements: bool,
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
            by_elements: false,
        };
        winograd.cut(batch);
        winograd
    }

    /// Cuts the work. Many tiles: each chunk of them is for itself, with what it transforms in the second-level cache. Few
    /// tiles, and thus many channels: a chunk is as large as reading the filters once asks for, and its elements are shared
    /// out, so that each thread reads its own filters, one after the other, and few of the tiles' numbers. The cut depends on the
    /// extents alone.
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
        self.by_elements = self.chunks.len() * self.groups < 8 || numbers > 1 << 20;
        if self.by_elements {
            self.chunks = split(256);
        }
    }

    /// The numbers from element to element of a chunk's transformed source, and of its products.
    fn planes(&self, chunk: &Range<usize>) -> [usize; 2] {
        let tiles = chunk.len() * self.tiles[1];
        let columns = self.filters.first().map_or(0, Panels::count) * PANEL;
        [self.source.channels / self.groups, columns].map(|width| plane(tiles, width))
    }

    /// The numbers of working memory that all threads share.
    pub fn workspace(&self) -> usize {
        let numbers = |chunk| self.tile.elements() * self.planes(chunk).into_iter().sum::<usize>();
        if self.by_elements { self.chunks.iter().map(numbers).max().unwrap_or(0) } else { 0 }
    }

    /// Computes the result for the whole batch. An addend is added before the rectifier.
    pub fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], workspace: &mut [f32]) {
        assert!(addend.fits(result.len()), "addend of a convolution");
        let result = (Shared::new(result), addend);
        let elements = self.tile.elements();
        if !self.by_elements {
            (0..self.chunks.len() * self.groups).into_par_iter().with_max_len(1).for_each(|task| {
                let (chunk, group) = (&self.chunks[task / self.groups], task % self.groups);
                BUFFERS.with_borrow_mut(|buffers| {
                    let Buffers { slab, transformed, products, tiles } = buffers;
                    let [source_plane, product_plane] = self.planes(chunk);
                    transformed.resize(elements * source_plane);
                    products.resize(elements * product_plane);
                    self.transform(source, group, chunk, chunk.clone(), Shared::new(transformed), slab);
                    for element in 0..elements {
                        self.multiply(transformed, group, chunk, element, Shared::new(products), tiles);
                    }
                    self.transform_back(products, group, chunk, chunk.clone(), result);
                });
            });
            return;
        }
        for chunk in &self.chunks {
            let [source_plane, product_plane] = self.planes(chunk);
            let (transformed, products) = workspace.split_at_mut(elements * source_plane);
            let products = &mut products[..elements * product_plane];
            for group in 0..self.groups {
                let shared = Shared::new(transformed);
                chunk.clone().into_par_iter().with_max_len(1).for_each(|row| {
                    BUFFERS.with_borrow_mut(|Buffers { slab, .. }| {
                        self.transform(source, group, chunk, row..row + 1, shared, slab);
                    });
                });
                let shared = Shared::new(products);
                (0..elements).into_par_iter().with_max_len(1).for_each(|element| {
                    BUFFERS.with_borrow_mut(|Buffers { tiles, .. }| {
                        self.multiply(transformed, group, chunk, element, shared, tiles);
                    });
                });
                chunk.clone().into_par_iter().with_max_len(1).for_each(|row| {
                    self.transform_back(products, group, chunk, row..row + 1, result);
                });
            }
        }
    }

    /// Multiplies one element of all of a chunk's transformed tiles with its filters.
    fn multiply(
        &self,
        transformed: &[f32],
        group: usize,
        chunk: &Range<usize>,
        element: usize,
        products: Shared<'_>,
        Tiles { rows, targets }: &mut Tiles,
    ) {
        let channels = self.source.channels / self.groups;
        let tiles = chunk.len() * self.tiles[1];
        let [source_plane, product_plane] = self.planes(chunk);
        let filters = &self.filters[group * self.tile.elements()..][..self.tile.elements()];
        let width = filters[element].count() * PANEL;
        rows.clear();
        rows.extend((0..tiles).map(|tile| tile * channels));
        targets.clear();
        targets.extend((0..tiles).map(|tile| element * product_plane + tile * width));
        let product = Product {
            source: &transformed[element * source_plane..][..tiles * channels],
            rows: Places::new(rows),
            pieces: &[0],
            length: channels,
            block: block_of(channels),
            panels: &filters[element],
            range: 0..filters[element].count(),
            targets: Places::new(targets),
            bias: None,
            addend: Addend::Nothing,
            activation: None,
            next: filters.get(element + 1).map(|filters| (filters, 0)),
            skips_zeros: false,
        };
        // SAFETY: each element's products are computed by one thread.
        unsafe { product.run(self.instructions, products) };
    }
}

/// What a thread needs; kept between runs.
#[derive(Default)]
struct Buffers {
    slab: Aligned,
    transformed: Aligned,
    products: Aligned,
    tiles: Tiles,
}

/// Where the numbers of a chunk's tiles lie.
#[derive(Default)]
struct Tiles {
    rows: Vec<usize>,
    targets: Vec<usize>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
