//! Small dense linear algebra in double precision.

use crate::{Error, Result};

/// The solution of `A x = b` for a positive definite `A` in row-major order (Cholesky).
///
/// # Errors
/// When `A` is not positive definite.
pub(super) fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Result<Vec<f64>> {
    let size = b.len();
    for row in 0..size {
        for column in 0..=row {
            let products = (0..column).map(|k| a[row * size + k] * a[column * size + k]);
            let rest = a[row * size + column] - products.sum::<f64>();
            a[row * size + column] = if row > column {
                rest / a[column * size + column]
            } else if rest > 1e-12 {
                rest.sqrt()
            } else {
                return Err(Error::Option(
                    "the samples do not tell the segments apart: give more of them, or fewer segments"
                        .to_owned(),
                ));
            };
        }
    }
    for row in 0..size {
        let known: f64 = (0..row).map(|k| a[row * size + k] * b[k]).sum();
        b[row] = (b[row] - known) / a[row * size + row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| a[k * size + row] * b[k]).sum();
        b[row] = (b[row] - known) / a[row * size + row];
    }
    Ok(b)
}

/// The coefficients of a weighted least-squares fit `y ≈ Σ xᵢ bᵢ` with a ridge on each coefficient: rows of `x` have as many numbers
/// as `ridge`.
///
/// # Errors
/// When the rows do not determine the coefficients.
pub(super) fn least_squares(x: &[f64], y: &[f64], weights: &[f64], ridge: &[f64]) -> Result<Vec<f64>> {
    let size = ridge.len();
    let (mut a, mut b) = (vec![0.0; size * size], vec![0.0; size]);
    for ((row, &y), &weight) in x.chunks_exact(size).zip(y).zip(weights) {
        for (i, &own) in row.iter().enumerate().filter(|(_, own)| **own != 0.0) {
            b[i] += weight * own * y;
            for (j, &other) in row.iter().enumerate() {
                a[i * size + j] += weight * own * other;
            }
        }
    }
    for (i, ridge) in ridge.iter().enumerate() {
        a[i * size + i] += ridge;
    }
    solve(a, b)
}

/// The projection of each row of `x` (`rows × columns`, row-major) on the direction in which rows vary most: the first principal
/// component's scores. Their sign is such that the largest magnitude is positive.
pub(super) fn first_principal_component(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut centred = x.to_vec();
    for column in 0..columns {
        let mean = centred[column..].iter().step_by(columns).sum::<f64>() / rows as f64;
        centred[column..].iter_mut().step_by(columns).for_each(|number| *number -= mean);
    }
    // X Xᵀ or Xᵀ X, whichever is smaller, has the same largest eigenvalue.
    let of_rows = rows <= columns;
    let size = rows.min(columns);
    let mut gram = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            let product: f64 = match of_rows {
                true => dot(&centred[i * columns..][..columns], &centred[j * columns..][..columns]),
                false => centred.chunks_exact(columns).map(|row| row[i] * row[j]).sum(),
            };
            gram[i * size + j] = product;
            gram[j * size + i] = product;
        }
    }
    let vector = largest_eigenvector(gram, size);
    let mut scores = match of_rows {
        // The left singular vector times the singular value.
        true => {
            let mut direction = vec![0.0; columns];
            for (row, &share) in centred.chunks_exact(columns).zip(&vector) {
                direction.iter_mut().zip(row).for_each(|(sum, number)| *sum += share * number);
            }
            let length = dot(&direction, &direction).sqrt();
            vector.iter().map(|share| share * length).collect::<Vec<f64>>()
        }
        false => centred.chunks_exact(columns).map(|row| dot(row, &vector)).collect(),
    };
    let (low, high) = scores.iter().fold((0.0f64, 0.0f64), |(low, high), &x| (low.min(x), high.max(x)));
    if -low > high {
        scores.iter_mut().for_each(|score| *score = -*score);
    }
    scores
}

/// The eigenvector of the largest eigenvalue of a symmetric positive semidefinite matrix, by squaring the matrix again and again.
fn largest_eigenvector(mut a: Vec<f64>, size: usize) -> Vec<f64> {
    let trace: f64 = (0..size).map(|i| a[i * size + i]).sum();
    if trace <= 0.0 {
        return vec![0.0; size];
    }
    // Squaring squares the ratio of eigenvalues: after 40 times it has the power 2⁴⁰, and the matrix is v vᵀ to the last bit.
    let mut squared = vec![0.0; size * size];
    for _ in 0..40 {
        let largest = a.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
        a.iter_mut().for_each(|number| *number /= largest);
        squared.fill(0.0);
        for i in 0..size {
            let (row, sums) = (&a[i * size..][..size], &mut squared[i * size..][..size]);
            for (k, &factor) in row.iter().enumerate() {
                let other = &a[k * size..][..size];
                sums.iter_mut().zip(other).for_each(|(sum, number)| *sum += factor * number);
            }
        }
        let scale: f64 = (0..size).map(|i| squared[i * size + i]).sum();
        squared.iter_mut().for_each(|number| *number /= scale);
        let change: f64 = {
            let trace: f64 = (0..size).map(|i| a[i * size + i]).sum();
            a.iter().zip(&squared).map(|(old, new)| (old / trace - new).abs()).fold(0.0, f64::max)
        };
        std::mem::swap(&mut a, &mut squared);
        if change < 1e-15 {
            break;
        }
    }
    // Every column is a multiple of the vector; the longest loses least.
    let best = (0..size).max_by(|&i, &j| a[i * size + i].total_cmp(&a[j * size + j])).unwrap_or(0);
    let column = a[best * size..][..size].to_vec();
    let length = dot(&column, &column).sqrt();
    column.into_iter().map(|number| number / length).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_says_what_it_cannot() {
        let x = solve(vec![4.0, 2.0, 2.0, 3.0], vec![8.0, 7.0]).unwrap();
        assert!((x[0] - 1.25).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12, "{x:?}");
        assert!(solve(vec![1.0, 1.0, 1.0, 1.0], vec![1.0, 1.0]).is_err());
    }

    /// `numpy.linalg.svd` of [[3, 1], [-1, 2], [0, -3]] less its column means.
    #[test]
    fn the_first_component_is_that_of_the_singular_value_decomposition() {
        let x = [3.0, 1.0, -1.0, 2.0, 0.0, -3.0];
        let expected = [-1.400_278_1, -1.670_532_42, 3.070_810_52];
        let scores = first_principal_component(&x, 3, 2);
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-7, "{scores:?}");
        }
        // More columns than rows: another Gram matrix, the same component.
        let wide = [3.0, 1.0, 0.0, 0.0, -1.0, 2.0, 0.0, 0.0, 0.0, -3.0, 0.0, 0.0];
        for (score, expected) in first_principal_component(&wide, 3, 4).iter().zip(expected) {
            assert!((score - expected).abs() < 1e-7);
        }
        assert_eq!(first_principal_component(&[1.0; 6], 2, 3), [0.0, 0.0]);
    }
}
