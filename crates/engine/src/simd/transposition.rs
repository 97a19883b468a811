//! Transposing blocks of 8 × 8 numbers, of which any transposition of a matrix is made.

/// The side of a block.
pub(crate) const SIDE: usize = 8;

/// How blocks are transposed on this processor. It moves numbers and computes none, so that it has no part in which bits
/// results have.
#[derive(Clone, Copy)]
pub(crate) struct BlockTransposition(unsafe fn(*const f32, usize, *mut f32, usize));

impl BlockTransposition {
    /// The fastest that the processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            return Self(shuffled);
        }
        Self(one_by_one)
    }

    /// Writes `columns × rows` numbers, `target_stride` between rows, from `rows × columns` with `source_stride`.
    #[inline]
    pub fn run(
        self,
        source: &[f32],
        source_stride: usize,
        [rows, columns]: [usize; 2],
        target: &mut [f32],
        target_stride: usize,
    ) {
        if rows == 0 || columns == 0 {
            return;
        }
        assert!((rows - 1) * source_stride + columns <= source.len(), "a matrix beyond its slice");
        assert!((columns - 1) * target_stride + rows <= target.len(), "a transposed matrix beyond its slice");
        let (whole_rows, whole_columns) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
        for column in (0..whole_columns).step_by(SIDE) {
            for row in (0..whole_rows).step_by(SIDE) {
                // SAFETY: the block lies in the matrix, which lies in its slice; so in the transposed one. The slices do not
                // overlap, for one of them is borrowed alone.
                unsafe {
                    let from = source.as_ptr().add(row * source_stride + column);
                    let to = target.as_mut_ptr().add(column * target_stride + row);
                    (self.0)(from, source_stride, to, target_stride);
                }
            }
        }
        let mut one = |row: usize, column: usize| {
            target[column * target_stride + row] = source[row * source_stride + column];
        };
        for column in 0..columns {
            let first = if column < whole_columns { whole_rows } else { 0 };
            (first..rows).for_each(|row| one(row, column));
        }
    }
}

/// # Safety
/// Eight rows of eight numbers are readable, and writable, at their strides.
unsafe fn one_by_one(source: *const f32, source_stride: usize, target: *mut f32, target_stride: usize) {
    for row in 0..SIDE {
        for column in 0..SIDE {
            // SAFETY: as promised.
            unsafe { *target.add(column * target_stride + row) = *source.add(row * source_stride + column) };
        }
    }
}

/// # Safety
/// As for [`one_by_one`], on a processor that has AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn shuffled(source: *const f32, source_stride: usize, target: *mut f32, target_stride: usize) {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
        _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    let mut rows: [__m256; SIDE] = [_mm256_setzero_ps(); SIDE];
    for (index, row) in rows.iter_mut().enumerate() {
        // SAFETY: as promised.
        *row = unsafe { _mm256_loadu_ps(source.add(index * source_stride)) };
    }
    // Pairs of neighbouring rows, then fours, then both halves.
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab, cd) = (
        [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)],
        [_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)],
    );
    let (ef, gh) = (
        [_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f)],
        [_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h)],
    );
    let mut first = [_mm256_setzero_ps(); 4];
    let mut second = [_mm256_setzero_ps(); 4];
    for half in 0..2 {
        first[2 * half] = _mm256_shuffle_ps::<0x44>(ab[half], cd[half]);
        first[2 * half + 1] = _mm256_shuffle_ps::<0xee>(ab[half], cd[half]);
        second[2 * half] = _mm256_shuffle_ps::<0x44>(ef[half], gh[half]);
        second[2 * half + 1] = _mm256_shuffle_ps::<0xee>(ef[half], gh[half]);
    }
    for column in 0..4 {
        // SAFETY: as promised.
        unsafe {
            let low = _mm256_permute2f128_ps::<0x20>(first[column], second[column]);
            let high = _mm256_permute2f128_ps::<0x31>(first[column], second[column]);
            _mm256_storeu_ps(target.add(column * target_stride), low);
            _mm256_storeu_ps(target.add((column + 4) * target_stride), high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_transposed() {
        for by in [BlockTransposition::detect(), BlockTransposition(one_by_one)] {
            for (rows, columns) in [(8, 8), (1, 9), (9, 1), (16, 24), (23, 41), (7, 7), (0, 3)] {
                let (source_stride, target_stride) = (columns + 3, rows + 2);
                let source: Vec<f32> = (0..rows * source_stride).map(|number| number as f32).collect();
                let mut target = vec![-1.0; columns * target_stride];
                by.run(&source, source_stride, [rows, columns], &mut target, target_stride);
                for (at, &number) in target.iter().enumerate() {
                    let (column, row) = (at / target_stride, at % target_stride);
                    let expected = if row < rows { source[row * source_stride + column] } else { -1.0 };
                    assert_eq!(number, expected, "{rows} × {columns}");
                }
            }
        }
    }
}
