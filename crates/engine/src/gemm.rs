//! Products of matrices that are both computed, as attention has them.
//!
//! The right matrix is packed, a strip of two vectors' columns at a time, and multiplied with all rows of the left one while
//! it lies in the nearer caches. A tile of some rows × a strip is summed in registers over the whole inner extent. Numbers of
//! the left matrix are read where they lie, in whichever order.

use std::cell::RefCell;

use crate::aligned::Aligned;
use crate::simd::{BlockTransposition, Instructions, LINE, Simd, Work, load_some};

/// A matrix inside a slice: element (row, column) lies at `row × row_stride + column × column_stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix without gaps.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What becomes of the elements that the result had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulate {
    /// They are overwritten, never read.
    Overwrite,
    /// The product is added to them.
    Add,
}

thread_local! {
    /// The packed strip of a product.
    static STRIP: RefCell<Aligned> = RefCell::new(Aligned::zeros(0));
}

/// `result = left · right`, or `+=`; `result` is row-major with `row_stride`. Runs on the calling thread, and each
/// element is summed in an order that depends on the extents alone.
pub(crate) fn multiply(
    instructions: Instructions,
    left: Matrix<'_>,
    right: Matrix<'_>,
    result: &mut [f32],
    row_stride: usize,
    accumulate: Accumulate,
) {
    let (rows, inner, columns) = (left.rows, left.columns, right.columns);
    assert_eq!(inner, right.rows, "inner extents of a matrix product");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        reach(left) <= left.data.len() && reach(right) <= right.data.len(),
        "an operand leaves its slice"
    );
    assert!((rows - 1) * row_stride + columns <= result.len(), "the result leaves its slice");
    assert!(columns <= row_stride || rows == 1, "rows of the result overlap");
    STRIP.with_borrow_mut(|strip| {
        strip.resize(inner * 2 * LINE);
        let adds = accumulate == Accumulate::Add;
        let transposition = BlockTransposition::detect();
        instructions.run(Tiles { left, right, result, row_stride, adds, strip, transposition });
    });
}

/// How much of its slice a matrix reads.
fn reach(matrix: Matrix<'_>) -> usize {
    match (matrix.rows, matrix.columns) {
        (0, _) | (_, 0) => 0,
        (rows, columns) => (rows - 1) * matrix.row_stride + (columns - 1) * matrix.column_stride + 1,
    }
}

/// All tiles of a product, whose extents have been checked.
struct Tiles<'a> {
    left: Matrix<'a>,
    right: Matrix<'a>,
    result: &'a mut [f32],
    row_stride: usize,
    adds: bool,
    /// At least two vectors for each row of the right matrix.
    strip: &'a mut [f32],
    transposition: BlockTransposition,
}

impl Work for Tiles<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let columns = self.right.columns;
        for first in (0..columns).step_by(2 * S::LANES) {
            let width = (columns - first).min(2 * S::LANES);
            self.pack(first, width, 2 * S::LANES);
            if width > S::LANES {
                self.strip::<S, 2>(simd, first, width);
            } else {
                self.strip::<S, 1>(simd, first, width);
            }
        }
    }
}

impl Tiles<'_> {
    /// Copies some columns of the right matrix side by side, and fills them up with zeros.
    #[inline(always)]
    fn pack(&mut self, first: usize, width: usize, wide: usize) {
        let Matrix { data, rows: inner, row_stride, column_stride, .. } = self.right;
        let strip = &mut self.strip[..inner * wide];
        if width < wide {
            strip.fill(0.0);
        }
        if column_stride == 1 {
            for (row, line) in strip.chunks_exact_mut(wide).enumerate() {
                line[..width].copy_from_slice(&data[row * row_stride + first..][..width]);
            }
        } else if row_stride == 1 {
            let columns = &data[(first * column_stride).min(data.len())..];
            self.transposition.run(columns, column_stride, [width, inner], strip, wide);
        } else {
            for (row, line) in strip.chunks_exact_mut(wide).enumerate() {
                for (column, number) in (first..).zip(&mut line[..width]) {
                    *number = data[row * row_stride + column * column_stride];
                }
            }
        }
    }

    /// The tiles of a strip of `V` vectors, of almost equal size.
    #[inline(always)]
    fn strip<S: Simd, const V: usize>(&mut self, simd: S, first: usize, width: usize) {
        let rows = self.left.rows;
        let most = if V == 1 { S::ROWS.min(10) } else { S::ROWS };
        let tiles = rows.div_ceil(most);
        for tile in 0..tiles {
            let own = tile * rows / tiles..(tile + 1) * rows / tiles;
            let place = (own.start, first, width);
            match own.len() {
                1 => self.tile::<S, 1, V>(simd, place),
                2 => self.tile::<S, 2, V>(simd, place),
                3 => self.tile::<S, 3, V>(simd, place),
                4 => self.tile::<S, 4, V>(simd, place),
                5 => self.tile::<S, 5, V>(simd, place),
                _ if S::ROWS == 6 => self.tile::<S, 6, V>(simd, place),
                6 => self.tile::<S, 6, V>(simd, place),
                7 => self.tile::<S, 7, V>(simd, place),
                8 => self.tile::<S, 8, V>(simd, place),
                9 => self.tile::<S, 9, V>(simd, place),
                10 => self.tile::<S, 10, V>(simd, place),
                11 => self.tile::<S, 11, V>(simd, place),
                12 => self.tile::<S, 12, V>(simd, place),
                13 => self.tile::<S, 13, V>(simd, place),
                _ => self.tile::<S, 14, V>(simd, place),
            }
        }
    }

    /// One tile of `R` rows from a row on, and `V` vectors from a column on, of which `width` numbers exist.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        (row, column, width): (usize, usize, usize),
    ) {
        let Matrix { data, columns: inner, row_stride, column_stride, .. } = self.left;
        let mut sums = [[simd.splat(0.0); V]; R];
        // SAFETY: the rows lie in the left matrix, which lies in its slice, and the strip holds two vectors for each number of
        // the inner extent (`multiply`).
        unsafe {
            let mut left = data.as_ptr().add(if inner == 0 { 0 } else { row * row_stride });
            let mut right = self.strip.as_ptr();
            for _ in 0..inner {
                let columns = load_some::<S, V>(simd, right, S::LANES);
                for row in 0..R {
                    let number = simd.splat(*left.add(row * row_stride));
                    for vector in 0..V {
                        sums[row][vector] = simd.multiply_add(number, columns[vector], sums[row][vector]);
                    }
                }
                left = left.wrapping_add(column_stride);
                right = right.wrapping_add(2 * S::LANES);
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            let target = &mut self.result[(row + index) * self.row_stride + column..][..width];
            for (vector, mut sum) in sums.into_iter().enumerate() {
                let first = vector * S::LANES;
                if first >= width {
                    break;
                }
                let count = (width - first).min(S::LANES);
                // SAFETY: `count` numbers of the row are the target's from `first` on.
                unsafe {
                    let target = target.as_mut_ptr().add(first);
                    if count == S::LANES {
                        if self.adds {
                            sum = simd.add(sum, simd.load(target));
                        }
                        simd.store(target, sum);
                    } else {
                        if self.adds {
                            sum = simd.add(sum, simd.load_first(target, count));
                        }
                        simd.store_first(target, count, sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_triple_loop() {
        for (rows, inner, columns) in [(7, 13, 9), (1, 1, 1), (14, 64, 32), (29, 17, 49), (15, 33, 100)] {
            let stride = columns + 2;
            let left: Vec<f32> = (0..rows * inner).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            let right: Vec<f32> = (0..inner * columns).map(|i| ((i * 29) % 23) as f32 - 11.0).collect();
            // The same matrices stored by columns.
            let turned = |numbers: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|i| numbers[i % rows * columns + i / rows]).collect()
            };
            let (left_turned, right_turned) = (turned(&left, rows, inner), turned(&right, inner, columns));
            let lefts =
                [Matrix::new(&left, rows, inner), Matrix::new(&left_turned, inner, rows).transposed()];
            let rights = [
                Matrix::new(&right, inner, columns),
                Matrix::new(&right_turned, columns, inner).transposed(),
            ];
            for accumulate in [Accumulate::Overwrite, Accumulate::Add] {
                let start = if accumulate == Accumulate::Add { 3.0 } else { 0.0 };
                let mut expected = vec![5.0; rows * stride];
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f32 =
                            (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum();
                        expected[row * stride + column] = sum + start;
                    }
                }
                for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
                    for instructions in Instructions::ALL {
                        let mut result = vec![5.0; rows * stride];
                        for row in 0..rows {
                            result[row * stride..row * stride + columns].fill(3.0);
                        }
                        multiply(instructions, left, right, &mut result, stride, accumulate);
                        assert_eq!(result, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_inner_extent_gives_zeros() {
        let mut result = [7.0; 4];
        let (left, right) = (Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 2));
        multiply(Instructions::Detected, left, right, &mut result, 2, Accumulate::Overwrite);
        assert_eq!(result, [0.0; 4]);
    }
}
