//! The adjoint of a convolution with few input channels, as the gradient of a picture asks for it: products first, then sums
//! ("col2im", as Caffe calls it).
//!
//! Gathering what each element needs ([`super::gather`]) is a product with as many columns as there are input channels, of which a
//! picture has three: a vector of eight would be mostly empty, and computing several positions together multiplies with zeros. So
//! here each output position is multiplied with all its filters at once, taps × channels columns that fill vectors well; the
//! products of one row of taps then lie side by side, as do the places in the picture that they are added to. Behind maxima and a
//! rectifier, as first layers are, most numbers are zero: their terms are left out.
//!
//! Threads share out rows of the picture. Output rows that reach into the rows of two threads are multiplied by both, so that no
//! sum is shared, and each element's is taken in one order.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::gather::NARROW;
use super::geometry::{Field, Geometry};
use super::panels::{Addend, PANEL, Panels, Places, Product, Shared, block_of};
use super::slab::{Box3, Source, copy_box};
use crate::aligned::Aligned;
use crate::simd::{Instructions, Simd, Work};

/// The products that are added up at a time, in numbers: a quarter of a megabyte.
const CACHED: usize = 64 * 1024;

/// The least panels for which positions are multiplied one by one: with fewer, every sum waits for its last term.
const SPARSE: usize = 4;

/// A packed pass from a convolution's small field to its large one.
pub(super) struct Col2im {
    instructions: Instructions,
    source: Field,
    result: Field,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: usize,
    pad: [usize; 2],
    /// Source channels × (taps × result channels), the columns filled up to whole panels.
    filters: Panels,
    blocks: Vec<Block>,
}

/// Some rows of one image of the result.
struct Block {
    image: usize,
    rows: Range<usize>,
}

impl Col2im {
    /// Whether the adjoint of the convolution should be computed so: two spatial axes, one group, and few channels in.
    pub fn fits(geometry: &Geometry) -> bool {
        let Geometry { large, small, kernel, dilation, groups, .. } = *geometry;
        let flat = large.spatial[0] == 1 && small.spatial[0] == 1 && kernel[0] == 1;
        flat && groups == 1
            && large.channels < NARROW
            && large.is_whole()
            && dilation[2] == 1
            && kernel[2] > 1
    }

    /// The adjoint: from the small field to the large one. `filters` is `O × C ×` the kernel.
    pub fn adjoint(instructions: Instructions, geometry: &Geometry, batch: usize, filters: &[f32]) -> Self {
        let Geometry { large, small, kernel, stride, dilation, pad, .. } = *geometry;
        let volume = kernel[1] * kernel[2];
        let columns = (volume * large.channels).next_multiple_of(PANEL);
        let filters = Panels::pack(small.channels, columns, |row, column| {
            let (tap, channel) = (column / large.channels, column % large.channels);
            if tap < volume { filters[(row * large.channels + channel) * volume + tap] } else { 0.0 }
        });
        let [_, height, _] = large.spatial;
        // As many blocks as keep several threads busy, but high ones beside what neighbours compute twice.
        let most = height.div_ceil(8 * kernel[1]).clamp(1, 8).next_power_of_two();
        let each = most.min(16usize.div_ceil(batch.max(1)));
        let blocks = (0..batch).flat_map(|image| {
            (0..each)
                .map(move |index| Block { image, rows: index * height / each..(index + 1) * height / each })
        });
        Self {
            instructions,
            source: small,
            result: large,
            kernel: [kernel[1], kernel[2]],
            stride: [stride[1], stride[2]],
            dilation: dilation[1],
            pad: [pad[1], pad[2]],
            filters,
            blocks: blocks.collect(),
        }
    }

    /// Computes the result for the whole batch, overwriting it.
    pub fn run(&self, source: Source<'_>, result: &mut [f32]) {
        let result = Shared::new(result);
        self.blocks.par_iter().with_max_len(1).for_each(|block| {
            BUFFERS.with_borrow_mut(|buffers| self.block(source, block, result, buffers));
        });
    }

    fn block(&self, source: Source<'_>, block: &Block, result: Shared<'_>, buffers: &mut Buffers) {
        let [_, height, width] = self.result.spatial;
        let row = width * self.result.channels;
        let first = (block.image * height + block.rows.start) * row;
        // SAFETY: every row of the result belongs to one block.
        let target = unsafe { result.slice(first, block.rows.len() * row) };
        target.fill(0.0);
        let [_, source_height, source_width] = self.source.spatial;
        // The source's rows of which some tap lies in the block.
        let reach = (self.kernel[0] - 1) * self.dilation;
        let start = (block.rows.start + self.pad[0]).saturating_sub(reach).div_ceil(self.stride[0]);
        let end = ((block.rows.end + self.pad[0]).div_ceil(self.stride[0])).min(source_height);
        let columns = self.filters.columns;
        let at_once = (CACHED / (source_width * columns).max(1)).max(1);
        let Buffers { slab, products, places, targets } = buffers;
        let mut next = start;
        while next < end {
            let rows = next..(next + at_once).min(end);
            next = rows.end;
            let positions = rows.len() * source_width;
            let (numbers, distance, begin) = if source.gate.is_some() {
                let extents = [1, rows.len(), source_width];
                let region = Box3 { image: block.image, origin: [0, rows.start as isize, 0], extents };
                copy_box(self.instructions, source, self.source, region, 0..self.source.channels, slab);
                (&slab[..], self.source.channels, 0)
            } else {
                let position = (block.image * source_height + rows.start) * source_width;
                let Field { first, distance, .. } = self.source;
                (source.numbers, distance, position * distance + first)
            };
            places.clear();
            places.extend((0..positions).map(|position| begin + position * distance));
            products.resize(positions * columns);
            targets.clear();
            targets.extend((0..positions).map(|position| position * columns));
            let product = Product {
                source: numbers,
                rows: Places::new(places),
                pieces: &[0],
                length: self.source.channels,
                block: block_of(self.source.channels),
                panels: &self.filters,
                range: 0..self.filters.count(),
                targets: Places::new(targets),
                bias: None,
                addend: Addend::Nothing,
                activation: None,
                next: None,
                skips_zeros: self.filters.count() >= SPARSE,
            };
            // SAFETY: the buffer is this thread's own.
            unsafe { product.run(self.instructions, Shared::new(products)) };
            self.instructions.run(Add { pass: self, block, rows, products, target });
        }
    }
}

/// Adds the products of some rows of the source to the rows of a block.
struct Add<'a> {
    pass: &'a Col2im,
    block: &'a Block,
    rows: Range<usize>,
    products: &'a [f32],
    target: &'a mut [f32],
}

impl Work for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { pass, block, rows, products, target } = self;
        let [_, _, width] = pass.result.spatial;
        let [_, _, source_width] = pass.source.spatial;
        let (channels, columns) = (pass.result.channels, pass.filters.columns);
        let [_, across] = pass.kernel;
        for (index, row) in rows.enumerate() {
            let products = &products[index * source_width * columns..][..source_width * columns];
            for tap in 0..pass.kernel[0] {
                let place = row * pass.stride[0] + tap * pass.dilation;
                let Some(place) = place.checked_sub(pass.pad[0]) else { continue };
                if !block.rows.contains(&place) {
                    continue;
                }
                let line = (place - block.rows.start) * width * channels;
                let line = &mut target[line..line + width * channels];
                // Neighbouring windows overlap: one that follows at once would wait for the sums just written.
                let apart = across.div_ceil(pass.stride[1]);
                for begin in 0..apart {
                    for column in (begin..source_width).step_by(apart) {
                        let left = (column * pass.stride[1]) as isize - pass.pad[1] as isize;
                        // The taps that lie inside the row.
                        let low = (-left).clamp(0, across as isize) as usize;
                        let high = (width as isize - left).clamp(low as isize, across as isize) as usize;
                        let own = column * columns + tap * across * channels;
                        let own = &products[own + low * channels..own + high * channels];
                        let at = (left + low as isize) as usize * channels;
                        if !own.is_empty() {
                            add(simd, &mut line[at..at + own.len()], own);
                        }
                    }
                }
            }
        }
    }
}

/// Adds numbers to as many others.
#[inline(always)]
fn add<S: Simd>(simd: S, sums: &mut [f32], numbers: &[f32]) {
    assert_eq!(sums.len(), numbers.len(), "numbers of a sum");
    let whole = sums.len() / S::LANES * S::LANES;
    for place in (0..whole).step_by(S::LANES) {
        // SAFETY: both slices hold a vector from there on.
        unsafe {
            let sum = simd.add(simd.load(sums.as_ptr().add(place)), simd.load(numbers.as_ptr().add(place)));
            simd.store(sums.as_mut_ptr().add(place), sum);
        }
    }
    let (sums, numbers) = (&mut sums[whole..], &numbers[whole..]);
    if S::MASKS {
        // SAFETY: both slices hold as many numbers, fewer than a vector.
        unsafe {
            let sum = simd.load_first(sums.as_ptr(), sums.len());
            let sum = simd.add(sum, simd.load_first(numbers.as_ptr(), sums.len()));
            simd.store_first(sums.as_mut_ptr(), sums.len(), sum);
        }
        return;
    }
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += number;
    }
}

/// What a thread needs; kept between runs.
#[derive(Default)]
struct Buffers {
    slab: Aligned,
    products: Aligned,
    places: Vec<usize>,
    targets: Vec<usize>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}
