//! Products with a packed matrix: the inner loop of convolutions.
//!
//! The right matrix is packed once, as *panels* of [`PANEL`] columns whose rows lie side by side. The left one is never
//! copied into place: each of its rows is some pieces of equal length at given places of the source, which is how a
//! convolution's windows lie in a channels-last image. A tile of some rows × a *strip* of columns, two vectors, is summed in registers
//! over the whole inner extent on top of its bias, in one fixed order, then rectified and written once.

mod sparse;

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::activation::Activation;
use crate::aligned::Aligned;
use crate::simd::{Instructions, LINE, Simd, Work, load_some};

/// The columns of a panel: a cache line.
pub(crate) const PANEL: usize = LINE;

/// How many terms of a sum of so many are summed before their sum is added to that of those before: the rounding of a sum in one chain
/// grows with the root of its length. A Winograd convolution of 512 channels in one chain is off by 1.8e-6 of its result, of which 0.3e-6 are
/// its transforms'. Longer sums are in longer blocks, of which each takes its time.
pub(crate) const fn block_of(terms: usize) -> usize {
    if terms <= 512 { 64 } else { 128 }
}

/// How many rows ahead a panel's own numbers are asked for, which large ones have in the second-level cache.
const SOON: usize = 16;

/// The most rows of one vector each: with more, their addresses do not fit registers, and reading them takes longer than multiplying.
const SINGLE: usize = 10;

/// The panels of a strip: one of two vectors, or two of one each.
const fn strip<S: Simd>() -> usize {
    2 * S::LANES / PANEL
}

/// A packed matrix.
pub(crate) struct Panels {
    /// The rows.
    pub inner: usize,
    /// The columns; the last panel is filled up with zeros.
    pub columns: usize,
    /// Rows of a panel are cache lines, so that no vector is read from two.
    numbers: Aligned,
}

impl Panels {
    /// Packs `element(row, column)`, on several threads.
    pub fn pack(inner: usize, columns: usize, element: impl Fn(usize, usize) -> f32 + Sync) -> Self {
        let mut numbers = Aligned::pooled(inner * columns.next_multiple_of(PANEL));
        numbers.par_chunks_mut((inner * PANEL).max(1)).enumerate().for_each(|(panel, numbers)| {
            let first = panel * PANEL;
            let count = PANEL.min(columns - first);
            for (row, line) in numbers.chunks_exact_mut(PANEL).enumerate() {
                for (column, number) in line[..count].iter_mut().enumerate() {
                    *number = element(row, first + column);
                }
            }
        });
        Self { inner, columns, numbers }
    }

    /// The rows of one panel after the other.
    #[inline(always)]
    pub fn some(&self, panels: std::ops::Range<usize>) -> &[f32] {
        &self.numbers[panels.start * self.inner * PANEL..panels.end * self.inner * PANEL]
    }

    /// The number of panels.
    pub fn count(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }
}

/// Memory that several threads write, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    borrow: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: the writer through it promises to write elements that no other thread touches (see `Product`).
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Borrows a slice for several threads.
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), borrow: std::marker::PhantomData }
    }

    /// Where a part begins.
    #[inline(always)]
    pub fn place(self, first: usize, length: usize) -> *mut f32 {
        assert!(first <= self.length && length <= self.length - first, "a part beyond its slice");
        // SAFETY: the part lies inside the slice.
        unsafe { self.start.add(first) }
    }

    /// A part, to be written as a slice.
    ///
    /// # Safety
    /// No other thread reads or writes these elements while the slice lives.
    pub unsafe fn slice(self, first: usize, length: usize) -> &'a mut [f32] {
        // SAFETY: the part lies inside the slice, and the caller promises that it is not shared.
        unsafe { std::slice::from_raw_parts_mut(self.place(first, length), length) }
    }
}

/// Places in an array, and the furthest of them.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    places: &'a [usize],
    furthest: usize,
}

impl<'a> Places<'a> {
    /// Any places.
    pub fn new(places: &'a [usize]) -> Self {
        Self { places, furthest: places.iter().copied().max().unwrap_or(0) }
    }
}

/// Increasing places, of which parts are used again and again: the furthest of a part is its last.
pub(crate) struct Increasing(Vec<usize>);

impl Increasing {
    /// Checks that the places increase.
    pub fn new(places: impl IntoIterator<Item = usize>) -> Self {
        let places: Vec<usize> = places.into_iter().collect();
        assert!(places.is_sorted(), "places that do not increase");
        Self(places)
    }

    /// Some of them.
    pub fn part(&self, range: std::ops::Range<usize>) -> Places<'_> {
        let places = &self.0[range];
        Places { places, furthest: places.last().copied().unwrap_or(0) }
    }
}

/// What is added to a result, number by number.
#[derive(Clone, Copy)]
pub(crate) enum Addend<'a> {
    Nothing,
    /// An array as long as the result, lying as it does.
    Array(&'a [f32]),
    /// What the result holds before.
    Result,
}

impl Addend<'_> {
    /// Where the numbers are that are added from a place of the result on.
    ///
    /// # Safety
    /// The place lies in the result, which an array is as long as.
    #[inline(always)]
    pub unsafe fn at(self, result: Shared<'_>, place: usize) -> Option<*const f32> {
        // SAFETY: as promised.
        unsafe {
            match self {
                Self::Nothing => None,
                Self::Array(numbers) => Some(numbers.as_ptr().add(place)),
                Self::Result => Some(result.start.add(place).cast_const()),
            }
        }
    }

    /// Whether the array, if it is one, has that length.
    pub fn fits(self, length: usize) -> bool {
        if let Self::Array(numbers) = self { numbers.len() == length } else { true }
    }
}

/// A product of gathered rows with some panels.
pub(crate) struct Product<'a> {
    /// Where the left matrix's numbers are.
    pub source: &'a [f32],
    /// Per row: the place to which its pieces are relative.
    pub rows: Places<'a>,
    /// The pieces of every row.
    pub pieces: &'a [usize],
    /// The numbers of each piece.
    pub length: usize,
    /// How many terms are summed before their sum is added to that of those before.
    pub block: usize,
    /// The right matrix.
    pub panels: &'a Panels,
    /// The panels that are multiplied.
    pub range: std::ops::Range<usize>,
    /// Per row: the place in the result where the first column of the first of these panels goes.
    pub targets: Places<'a>,
    /// What is added to each column of the whole matrix.
    pub bias: Option<&'a [f32]>,
    /// What is added to the sums.
    pub addend: Addend<'a>,
    /// What becomes of the sums.
    pub activation: Option<Activation>,
    /// The panel of a matrix that the caller multiplies next, which is asked for in time.
    pub next: Option<(&'a Panels, usize)>,
    /// Whether rows are looked at, and terms of zero left out where that is faster.
    pub skips_zeros: bool,
}

impl Product<'_> {
    /// Computes and writes the columns of the panels for every row.
    ///
    /// # Safety
    /// No other thread touches the elements that are written: the columns of `range` behind each of `targets`.
    pub unsafe fn run(self, instructions: Instructions, result: Shared<'_>) {
        let Self { source, rows, pieces, length, panels, .. } = &self;
        assert_eq!(pieces.len() * length, panels.inner, "inner extents of a product");
        assert_eq!(rows.places.len(), self.targets.places.len(), "rows of a product");
        assert!(self.range.end <= panels.count(), "panels of a product");
        assert!(self.bias.is_none_or(|bias| bias.len() == panels.columns), "biases of a product");
        if rows.places.is_empty() || self.range.is_empty() {
            return;
        }
        let reach = rows.furthest + Places::new(pieces).furthest + length;
        assert!(pieces.is_empty() || reach <= source.len(), "a row leaves its source");
        let width = (self.range.end * PANEL).min(panels.columns) - self.range.start * PANEL;
        assert!(self.targets.furthest + width <= result.length, "a product leaves its result");
        assert!(self.addend.fits(result.length), "addend of a product");
        instructions.run(Tiles { product: self, result });
    }
}

struct Tiles<'a> {
    product: Product<'a>,
    result: Shared<'a>,
}

impl Work for Tiles<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Product { rows, targets, .. } = &self.product;
        let (mut rows, mut targets) = (rows.places, targets.places);
        let others;
        if self.product.skips_zeros {
            // SAFETY: `Product::run` has checked that every place lies inside its slice.
            others = unsafe { self.sparse_rows(simd) };
            (rows, targets) = (&others.0, &others.1);
        }
        // SAFETY: as above.
        unsafe {
            if self.product.next.is_some() || self.product.panels.numbers.len() >= Ahead::LEAST {
                self.tiles::<S, true>(simd, rows, targets);
            } else {
                self.tiles::<S, false>(simd, rows, targets);
            }
        }
    }
}

/// What the tiles of a strip share.
struct Column<S: Simd> {
    /// The first of its panels.
    panel: usize,
    /// The columns that exist.
    width: usize,
    bias: [S::Vector; 2],
    /// The smallest and the largest result.
    bounds: [S::Vector; 2],
}

/// What is read next is asked for: from a place on, a step further with each row of the panels.
#[derive(Clone, Copy)]
struct Ahead {
    place: *const f32,
    step: usize,
}

impl Ahead {
    /// The numbers of a matrix from which on asking is worth its instructions; what is smaller stays in the nearer caches.
    const LEAST: usize = 16 * 1024;

    /// Asks for one line.
    #[inline(always)]
    fn ask<S: Simd>(&mut self, simd: S) {
        simd.prefetch(self.place);
        self.place = self.place.wrapping_add(self.step);
    }

    /// The numbers of the next tile's rows, as far as they lie behind the first of them.
    #[inline(always)]
    fn rows(source: &[f32], next: &[usize], inner: usize) -> Self {
        let (Some(&first), Some(&last)) = (next.first(), next.last()) else {
            return Self { place: source.as_ptr(), step: 0 };
        };
        let place = source.as_ptr().wrapping_add(first);
        Self { place, step: last.saturating_sub(first).div_ceil(inner.max(1)) + 1 }
    }

    /// A tile's share of the next strip, `columns` by `inner`; tiles beyond as many as there are columns ask for the last part again.
    #[inline(always)]
    fn strip(next: &[f32], columns: usize, tile: usize, tiles: usize) -> Self {
        let tiles = tiles.min(columns);
        let first = next.len() * tile.min(tiles - 1) / tiles;
        Self { place: next[first..].as_ptr(), step: columns / tiles }
    }
}

impl Tiles<'_> {
    /// All tiles; with `AHEAD` they ask for the panel that is multiplied next.
    ///
    /// # Safety
    /// All places lie inside the product's slices, and no other thread touches what is written.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const AHEAD: bool>(&self, simd: S, rows: &[usize], targets: &[usize]) {
        let panels = self.product.range.clone();
        for panel in panels.clone().step_by(strip::<S>()) {
            let column = self.column(simd, panel);
            let next = if AHEAD { self.next::<S>(panel) } else { &[] };
            // SAFETY: as promised.
            unsafe {
                if panel + strip::<S>() <= panels.end {
                    self.strip::<S, 2, AHEAD>(simd, &column, next, rows, targets);
                } else {
                    self.strip::<S, 1, AHEAD>(simd, &column, next, rows, targets);
                }
            }
        }
    }

    /// The tiles of a strip of `V` vectors: of almost equal size, so that none has few sums, each of which waits for its last term.
    ///
    /// # Safety
    /// As for all tiles.
    #[inline(always)]
    unsafe fn strip<S: Simd, const V: usize, const AHEAD: bool>(
        &self,
        simd: S,
        column: &Column<S>,
        next: &[f32],
        rows: &[usize],
        targets: &[usize],
    ) {
        let tiles = rows.len().div_ceil(if V == 1 { S::ROWS.min(SINGLE) } else { S::ROWS });
        for tile in 0..tiles {
            let own = tile * rows.len() / tiles..(tile + 1) * rows.len() / tiles;
            let following = &rows[own.end..(tile + 2).min(tiles) * rows.len() / tiles];
            let (rows, targets) = (&rows[own.clone()], &targets[own]);
            let ahead = [
                Ahead::rows(self.product.source, following, self.product.panels.inner),
                Ahead::strip(next, strip::<S>() * PANEL, tile, tiles),
            ];
            // SAFETY: as promised.
            unsafe {
                match rows.len() {
                    1 => self.tile::<S, 1, V, AHEAD>(simd, column, rows, targets, ahead),
                    2 => self.tile::<S, 2, V, AHEAD>(simd, column, rows, targets, ahead),
                    3 => self.tile::<S, 3, V, AHEAD>(simd, column, rows, targets, ahead),
                    4 => self.tile::<S, 4, V, AHEAD>(simd, column, rows, targets, ahead),
                    5 => self.tile::<S, 5, V, AHEAD>(simd, column, rows, targets, ahead),
                    _ if S::ROWS == 6 => self.tile::<S, 6, V, AHEAD>(simd, column, rows, targets, ahead),
                    6 => self.tile::<S, 6, V, AHEAD>(simd, column, rows, targets, ahead),
                    7 => self.tile::<S, 7, V, AHEAD>(simd, column, rows, targets, ahead),
                    8 => self.tile::<S, 8, V, AHEAD>(simd, column, rows, targets, ahead),
                    9 => self.tile::<S, 9, V, AHEAD>(simd, column, rows, targets, ahead),
                    10 => self.tile::<S, 10, V, AHEAD>(simd, column, rows, targets, ahead),
                    11 => self.tile::<S, 11, V, AHEAD>(simd, column, rows, targets, ahead),
                    12 => self.tile::<S, 12, V, AHEAD>(simd, column, rows, targets, ahead),
                    13 => self.tile::<S, 13, V, AHEAD>(simd, column, rows, targets, ahead),
                    _ => self.tile::<S, 14, V, AHEAD>(simd, column, rows, targets, ahead),
                }
            }
        }
    }

    /// What the tiles of a strip share.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, panel: usize) -> Column<S> {
        let Product { panels, range, bias: all, activation, .. } = &self.product;
        let first = panel * PANEL;
        let end = ((panel + strip::<S>()).min(range.end) * PANEL).min(panels.columns);
        let mut bias = [0.0; 2 * LINE];
        if let Some(all) = all {
            bias[..end - first].copy_from_slice(&all[first..end]);
        }
        let activation = activation.unwrap_or(Activation::NONE);
        // SAFETY: the array holds two vectors of any width.
        let bias = unsafe { load_some(simd, bias.as_ptr(), S::LANES) };
        let bounds = [simd.splat(activation.minimum), simd.splat(activation.maximum)];
        Column { panel, width: end - first, bias, bounds }
    }

    /// What is multiplied after a strip: the next one, or the beginning of another matrix.
    #[inline(always)]
    fn next<S: Simd>(&self, panel: usize) -> &[f32] {
        let Product { panels, range, next, .. } = &self.product;
        let following = panel + strip::<S>();
        match next {
            _ if following < range.end => panels.some(following..(following + strip::<S>()).min(range.end)),
            Some((panels, panel)) => panels.some(*panel..(panel + strip::<S>()).min(panels.count())),
            None => &[],
        }
    }

    /// How far apart the two vectors of a strip's row lie: side by side in a panel, or in two panels.
    #[inline(always)]
    fn apart<S: Simd>(&self) -> usize {
        if strip::<S>() == 1 { S::LANES } else { self.product.panels.inner * PANEL }
    }

    /// One tile of `R` rows and `V` vectors.
    ///
    /// # Safety
    /// All places of the product lie inside its slices, and no other thread touches what is written.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize, const AHEAD: bool>(
        &self,
        simd: S,
        column: &Column<S>,
        rows: &[usize],
        targets: &[usize],
        [mut following, mut next]: [Ahead; 2],
    ) {
        let Product { source, pieces, length, block, panels, range, .. } = &self.product;
        // Copies and loops, for the reason that `load_some` has.
        let mut bias = [simd.splat(0.0); V];
        bias.copy_from_slice(&column.bias[..V]);
        let mut sums = [bias; R];
        // The sums of whole blocks.
        let mut totals = [[MaybeUninit::<S::Vector>::uninit(); V]; R];
        let mut blocks = 0;
        let apart = self.apart::<S>();
        for &target in targets {
            let target = self.result.start.wrapping_add(target + (column.panel - range.start) * PANEL);
            for vector in 0..V {
                simd.prefetch(target.wrapping_add(vector * S::LANES));
            }
        }
        // SAFETY: the rows, their pieces and the panels lie inside their slices; totals are read behind the first block, which writes them.
        unsafe {
            let mut right = panels.numbers.as_ptr().add(column.panel * panels.inner * PANEL);
            let mut starts = [source.as_ptr(); R];
            for row in 0..R {
                starts[row] = source.as_ptr().add(rows[row]);
            }
            let (mut remaining, mut room) = (panels.inner, *block);
            for &piece in *pieces {
                let (mut begin, end) = (piece, piece + length);
                while begin < end {
                    let stop = begin + room.min(end - begin);
                    for index in begin..stop {
                        following.ask(simd);
                        if AHEAD {
                            next.ask(simd);
                            for vector in 0..V {
                                simd.prefetch(right.wrapping_add(vector * apart + SOON * PANEL));
                            }
                        }
                        let columns = load_some::<S, V>(simd, right, apart);
                        for row in 0..R {
                            let left = simd.splat(*starts[row].add(index));
                            for vector in 0..V {
                                sums[row][vector] =
                                    simd.multiply_add(left, columns[vector], sums[row][vector]);
                            }
                        }
                        right = right.add(PANEL);
                    }
                    remaining -= stop - begin;
                    room -= stop - begin;
                    begin = stop;
                    if room == 0 && remaining > 0 {
                        for row in 0..R {
                            for vector in 0..V {
                                let (total, sum) = (&mut totals[row][vector], sums[row][vector]);
                                // The first block has written every total.
                                total.write(match blocks {
                                    0 => sum,
                                    _ => simd.add(total.assume_init(), sum),
                                });
                                sums[row][vector] = simd.splat(0.0);
                            }
                        }
                        blocks += 1;
                        room = *block;
                    }
                }
            }
        }
        if blocks > 0 {
            for row in 0..R {
                for vector in 0..V {
                    // SAFETY: the first block has written every total.
                    let total = unsafe { totals[row][vector].assume_init() };
                    sums[row][vector] = simd.add(total, sums[row][vector]);
                }
            }
        }
        if column.width < V * S::LANES || !matches!(self.product.addend, Addend::Nothing) {
            for (sums, &target) in sums.into_iter().zip(targets) {
                // SAFETY: as promised.
                unsafe { self.write(simd, column, sums, target) };
            }
            return;
        }
        // What is written most often, without a question for each vector.
        let [minimum, maximum] = column.bounds;
        for (sums, &target) in sums.into_iter().zip(targets) {
            // SAFETY: whole vectors behind the row's target lie inside the result and are this thread's own.
            unsafe {
                let target = self.result.start.add(target + (column.panel - range.start) * PANEL);
                for (vector, sum) in sums.into_iter().enumerate() {
                    let number = simd.at_most(simd.at_least(sum, minimum), maximum);
                    simd.store(target.add(vector * S::LANES), number);
                }
            }
        }
    }

    /// Adds the addend to the sums of a row's strip, rectifies and writes them.
    ///
    /// # Safety
    /// As for a tile.
    #[inline(always)]
    unsafe fn write<S: Simd, const V: usize>(
        &self,
        simd: S,
        column: &Column<S>,
        sums: [S::Vector; V],
        target: usize,
    ) {
        let [minimum, maximum] = column.bounds;
        let place = target + (column.panel - self.product.range.start) * PANEL;
        // SAFETY: `width` columns behind the row's target lie inside the result and are this thread's own.
        unsafe {
            let target = self.result.start.add(place);
            let addend = self.product.addend.at(self.result, place);
            for (vector, mut sum) in sums.into_iter().enumerate() {
                let first = vector * S::LANES;
                if first + S::LANES <= column.width {
                    if let Some(addend) = addend {
                        sum = simd.add(sum, simd.load(addend.add(first)));
                    }
                    simd.store(target.add(first), simd.at_most(simd.at_least(sum, minimum), maximum));
                } else if first < column.width {
                    let count = column.width - first;
                    if let Some(addend) = addend {
                        sum = simd.add(sum, simd.load_first(addend.add(first), count));
                    }
                    sum = simd.at_most(simd.at_least(sum, minimum), maximum);
                    simd.store_first(target.add(first), count, sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
