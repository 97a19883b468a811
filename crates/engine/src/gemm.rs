//! Matrix products: the one door to the `gemm` crate.

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
        Self::strided(data, rows, columns, columns)
    }

    /// A row-major matrix whose rows start `row_stride` apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, column_stride: 1 }
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

/// `result = left · right`, or `+=`; `result` is row-major with `row_stride`. Runs on the calling thread, and each
/// element is summed in an order that depends on the extents alone.
pub(crate) fn multiply(
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
    let add = accumulate == Accumulate::Add;
    // SAFETY: the assertions above keep every element that is read or written inside the three slices; `result` is
    // borrowed mutably and thus overlaps neither operand, and its rows do not overlap each other.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            result.as_mut_ptr(),
            1,
            row_stride as isize,
            add,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// How much of its slice a matrix reads.
fn reach(matrix: Matrix<'_>) -> usize {
    match (matrix.rows, matrix.columns) {
        (0, _) | (_, 0) => 0,
        (rows, columns) => (rows - 1) * matrix.row_stride + (columns - 1) * matrix.column_stride + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_triple_loop() {
        let (rows, inner, columns, stride) = (7, 13, 9, 11);
        let left: Vec<f32> = (0..rows * inner).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
        let right: Vec<f32> = (0..inner * columns).map(|i| ((i * 29) % 23) as f32 - 11.0).collect();
        // The same right matrix stored by columns.
        let by_columns: Vec<f32> =
            (0..inner * columns).map(|i| right[i % inner * columns + i / inner]).collect();
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
            for right in
                [Matrix::new(&right, inner, columns), Matrix::new(&by_columns, columns, inner).transposed()]
            {
                let mut result = vec![5.0; rows * stride];
                for row in 0..rows {
                    result[row * stride..row * stride + columns].fill(3.0);
                }
                multiply(Matrix::new(&left, rows, inner), right, &mut result, stride, accumulate);
                assert_eq!(result, expected);
            }
        }
    }

    #[test]
    fn an_empty_inner_extent_gives_zeros() {
        let mut result = [7.0; 4];
        multiply(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 2), &mut result, 2, Accumulate::Overwrite);
        assert_eq!(result, [0.0; 4]);
    }
}
