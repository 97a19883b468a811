//! Rows of mostly zeros, multiplied one by one.
//!
//! Behind maxima and a rectifier most numbers of a gradient are zero, and the gradient of a class score is zero in all channels but one.
//! Terms of zero add nothing, so only those lines of the panels are read whose factor is not zero, in the same order as in a tile.

use super::{Column, PANEL, Product, Tiles, strip};
use crate::simd::{Simd, load_some};

/// The strips that are summed at a time: their sums, two vectors each, and a factor fill the registers.
const STRIPS: usize = 5;

/// The largest share of numbers other than zero with which a row by itself takes no longer than its part of a tile: one of two, as
/// long as the panels are in the first-level cache.
const ONE_OF: usize = 2;

impl Tiles<'_> {
    /// Computes the rows that are mostly zeros; returns the places and targets of the others.
    ///
    /// # Safety
    /// As for a tile.
    #[inline(always)]
    pub(super) unsafe fn sparse_rows<S: Simd>(&self, simd: S) -> (Vec<usize>, Vec<usize>) {
        let Product { source, rows, targets, pieces, length, panels, range, .. } = &self.product;
        let strips = range.clone().step_by(strip::<S>());
        let mut columns: Vec<Column<S>> = Vec::with_capacity(strips.len());
        for panel in strips {
            columns.push(self.column(simd, panel));
        }
        // What is written behind the last number is never read.
        let mut active = vec![(0, 0.0); panels.inner + 1];
        let mut others = (Vec::new(), Vec::new());
        for (&row, &target) in rows.places.iter().zip(targets.places) {
            let mut count = 0;
            for (index, piece) in pieces.iter().enumerate() {
                for (chunk, numbers) in source[row + piece..][..*length].chunks(PANEL).enumerate() {
                    // All bits but the sign's: most are none.
                    if numbers.iter().fold(0, |bits, number| bits | number.to_bits() << 1) == 0 {
                        continue;
                    }
                    for (position, &number) in numbers.iter().enumerate() {
                        active[count] = (index * length + chunk * PANEL + position, number);
                        count += usize::from(number != 0.0);
                    }
                }
            }
            if ONE_OF * count > panels.inner {
                others.0.push(row);
                others.1.push(target);
                continue;
            }
            let active = &active[..count];
            for columns in columns.chunks(STRIPS) {
                // SAFETY: as promised.
                unsafe {
                    match columns.len() {
                        1 => self.sparse_row::<S, 1>(simd, columns, active, target),
                        2 => self.sparse_row::<S, 2>(simd, columns, active, target),
                        3 => self.sparse_row::<S, 3>(simd, columns, active, target),
                        4 => self.sparse_row::<S, 4>(simd, columns, active, target),
                        _ => self.sparse_row::<S, STRIPS>(simd, columns, active, target),
                    }
                }
            }
        }
        others
    }

    /// The products of one row, of which the numbers other than zero are given with their lines, with `N` strips.
    ///
    /// # Safety
    /// As for a tile; the panels have these lines.
    #[inline(always)]
    unsafe fn sparse_row<S: Simd, const N: usize>(
        &self,
        simd: S,
        columns: &[Column<S>],
        active: &[(usize, f32)],
        target: usize,
    ) {
        let Product { panels, .. } = &self.product;
        // Loops, for the reason that `load_some` has.
        let mut strips = [panels.numbers.as_ptr(); N];
        // Where a strip has one panel, it is read twice, and what comes of it the second time is not written.
        let mut apart = [0; N];
        let mut sums = [[simd.splat(0.0); 2]; N];
        for index in 0..N {
            strips[index] = panels.some(columns[index].panel..panels.count()).as_ptr();
            if columns[index].width > S::LANES {
                apart[index] = self.apart::<S>();
            }
            sums[index] = columns[index].bias;
        }
        // The sums of the blocks before, as in a tile.
        let mut totals: Option<[[S::Vector; 2]; N]> = None;
        let mut block = 0;
        for &(line, number) in active {
            if line / self.product.block != block {
                block = line / self.product.block;
                totals = Some(totals.map_or(sums, |totals| added(simd, totals, sums)));
                sums = [[simd.splat(0.0); 2]; N];
            }
            let number = simd.splat(number);
            for index in 0..N {
                // SAFETY: the strip's panels have such a line: as many as all pieces have numbers.
                let line = unsafe { load_some::<S, 2>(simd, strips[index].add(line * PANEL), apart[index]) };
                sums[index][0] = simd.multiply_add(number, line[0], sums[index][0]);
                sums[index][1] = simd.multiply_add(number, line[1], sums[index][1]);
            }
        }
        let sums = totals.map_or(sums, |totals| added(simd, totals, sums));
        for (sums, column) in sums.into_iter().zip(columns) {
            // SAFETY: as promised.
            unsafe { self.write(simd, column, sums, target) };
        }
    }
}

/// The sums of vectors, each with its own.
#[inline(always)]
fn added<S: Simd, const N: usize>(
    simd: S,
    totals: [[S::Vector; 2]; N],
    sums: [[S::Vector; 2]; N],
) -> [[S::Vector; 2]; N] {
    let mut added = totals;
    for strip in 0..N {
        for vector in 0..2 {
            added[strip][vector] = simd.add(totals[strip][vector], sums[strip][vector]);
        }
    }
    added
}
