//! Walking along rows in vectors, for kernels that take sums over the innermost axis in memory.
//!
//! Sums are taken in as many parts as a cache line has numbers, whatever the width of the vectors, and the parts are added
//! up in one order, so that both widths give the same bits.

use crate::simd::{LINE, Simd};

/// Calls `work(first, count, vector)` for the vectors of a row: where one begins, how many of its numbers exist, and which
/// of the `V` vectors of a line it is.
#[inline(always)]
pub(crate) fn for_each_vector<S: Simd, const V: usize>(
    length: usize,
    mut work: impl FnMut(usize, usize, usize),
) {
    let whole = length / LINE * LINE;
    for line in (0..whole).step_by(LINE) {
        for vector in 0..V {
            work(line + vector * S::LANES, S::LANES, vector);
        }
    }
    for vector in 0..V {
        let first = whole + vector * S::LANES;
        if first < length {
            work(first, S::LANES.min(length - first), vector);
        }
    }
}

/// Reads a vector of a row, with zeros for what does not exist.
///
/// # Safety
/// `count` numbers are readable from `first` on.
#[inline(always)]
pub(crate) unsafe fn read<S: Simd>(simd: S, row: *const f32, first: usize, count: usize) -> S::Vector {
    // SAFETY: as promised.
    unsafe {
        if count == S::LANES { simd.load(row.add(first)) } else { simd.load_first(row.add(first), count) }
    }
}

/// Reads a vector of a row, with another number for what does not exist.
///
/// # Safety
/// `count` numbers are readable from `first` on.
#[inline(always)]
pub(crate) unsafe fn read_or<S: Simd>(
    simd: S,
    row: *const f32,
    first: usize,
    count: usize,
    other: f32,
) -> S::Vector {
    // SAFETY: as promised.
    unsafe {
        if count == S::LANES {
            simd.load(row.add(first))
        } else {
            simd.load_first_or(row.add(first), count, other)
        }
    }
}

/// Writes what exists of a vector of a row.
///
/// # Safety
/// `count` numbers are writable from `first` on.
#[inline(always)]
pub(crate) unsafe fn write<S: Simd>(simd: S, row: *mut f32, first: usize, count: usize, vector: S::Vector) {
    // SAFETY: as promised.
    unsafe {
        if count == S::LANES {
            simd.store(row.add(first), vector);
        } else {
            simd.store_first(row.add(first), count, vector);
        }
    }
}

/// The numbers of a line's vectors.
#[inline(always)]
fn line<S: Simd, const V: usize>(simd: S, vectors: [S::Vector; V]) -> [f32; LINE] {
    let mut line = [0.0; LINE];
    assert!(V * S::LANES == LINE, "the vectors of a line");
    for vector in 0..V {
        // SAFETY: the line holds so many vectors.
        unsafe { simd.store(line.as_mut_ptr().add(vector * S::LANES), vectors[vector]) };
    }
    line
}

/// The sum of a line's parts.
#[inline(always)]
pub(crate) fn sum<S: Simd, const V: usize>(simd: S, vectors: [S::Vector; V]) -> f32 {
    let mut line = line(simd, vectors);
    let mut half = LINE / 2;
    while half > 0 {
        for lane in 0..half {
            line[lane] += line[lane + half];
        }
        half /= 2;
    }
    line[0]
}

/// The largest of a line's numbers; one that is NaN may or may not count.
#[inline(always)]
pub(crate) fn largest<S: Simd, const V: usize>(simd: S, vectors: [S::Vector; V]) -> f32 {
    let mut line = line(simd, vectors);
    let mut half = LINE / 2;
    while half > 0 {
        for lane in 0..half {
            let (a, b) = (line[lane], line[lane + half]);
            line[lane] = if a > b { a } else { b };
        }
        half /= 2;
    }
    line[0]
}
