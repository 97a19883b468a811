//! Weights as they are kept in memory: numbers of four bytes, or of two.

use half::f16;

use crate::aligned::Number;
use crate::simd::{LINE, Simd};

/// A number as it is stored.
pub(super) trait Stored: Number + Default {
    /// The nearest that can be stored.
    fn of(number: f32) -> Self;

    /// The number.
    fn number(self) -> f32;

    /// A vector of numbers.
    ///
    /// # Safety
    /// [`Simd::LANES`] of them are readable from `source` on.
    unsafe fn load<S: Simd>(simd: S, source: *const Self) -> S::Vector;
}

impl Stored for f32 {
    #[inline(always)]
    fn of(number: f32) -> Self {
        number
    }

    #[inline(always)]
    fn number(self) -> f32 {
        self
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, source: *const Self) -> S::Vector {
        // SAFETY: as promised.
        unsafe { simd.load(source) }
    }
}

impl Stored for f16 {
    #[inline(always)]
    fn of(number: f32) -> Self {
        Self::from_f32(number)
    }

    #[inline(always)]
    fn number(self) -> f32 {
        self.to_f32()
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, source: *const Self) -> S::Vector {
        // SAFETY: as promised; half precision numbers are kept as their bits.
        unsafe { simd.load_half(source.cast::<u16>()) }
    }
}

/// The products of some rows with a vector of their length. Each is taken as a line of sums.
#[inline(always)]
pub(super) fn products<S: Simd, T: Stored, const ROWS: usize>(
    simd: S,
    rows: [&[T]; ROWS],
    vector: &[f32],
) -> [f32; ROWS] {
    let mut sums = [[simd.splat(0.0); 2]; ROWS];
    let whole = vector.len() / LINE * LINE;
    assert!(rows.iter().all(|row| row.len() == vector.len()), "rows as long as the vector");
    for at in (0..whole).step_by(S::LANES) {
        let part = at % LINE / S::LANES;
        // SAFETY: the vector and the rows hold `whole` numbers.
        unsafe {
            let number = simd.load(vector.as_ptr().add(at));
            for (sums, row) in sums.iter_mut().zip(&rows) {
                sums[part] = simd.multiply_add(T::load(simd, row.as_ptr().add(at)), number, sums[part]);
            }
        }
    }
    let mut products = [0.0; ROWS];
    for (row, product) in products.iter_mut().enumerate() {
        let mut line = [0.0; LINE];
        for (part, lanes) in line.chunks_exact_mut(S::LANES).enumerate() {
            // SAFETY: the part holds a vector.
            unsafe { simd.store(lanes.as_mut_ptr(), sums[row][part]) };
        }
        // In the same order for every width.
        let (near, far) = line.split_at(LINE / 2);
        let rest = rows[row][whole..].iter().zip(&vector[whole..]);
        let rest = rest.map(|(a, b)| a.number() * b).sum::<f32>();
        *product = near.iter().zip(far).map(|(a, b)| a + b).sum::<f32>() + rest;
    }
    products
}

/// Adds some rows, each times a number, to as many sums.
#[inline(always)]
pub(super) fn add_rows<S: Simd, T: Stored, const ROWS: usize>(
    simd: S,
    sums: &mut [f32],
    rows: [(f32, &[T]); ROWS],
) {
    let whole = sums.len() / S::LANES * S::LANES;
    assert!(rows.iter().all(|(_, row)| row.len() == sums.len()), "rows as long as their sums");
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: the sums and the rows hold `whole` numbers.
        unsafe {
            let mut sum = simd.load(sums.as_ptr().add(at));
            for (number, row) in rows {
                sum = simd.multiply_add(simd.splat(number), T::load(simd, row.as_ptr().add(at)), sum);
            }
            simd.store(sums.as_mut_ptr().add(at), sum);
        }
    }
    let count = sums.len() - whole;
    if count > 0 {
        // SAFETY: `count` sums follow the whole vectors, and a line holds at least a vector.
        unsafe {
            let rest = sums.as_mut_ptr().add(whole);
            let mut sum = simd.load_first(rest, count);
            for (number, row) in rows {
                let mut line = [T::default(); LINE];
                line[..count].copy_from_slice(&row[whole..]);
                sum = simd.multiply_add(simd.splat(number), T::load(simd, line.as_ptr()), sum);
            }
            simd.store_first(rest, count, sum);
        }
    }
}
