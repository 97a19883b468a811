//! Small dense linear algebra in double precision.

use crate::{Error, Result};

/// The lower triangle `L` of a positive definite `A = L Lᵀ` in row-major order (Cholesky).
struct Factor {
    a: Vec<f64>,
    size: usize,
}

impl Factor {
    fn of(mut a: Vec<f64>, size: usize) -> Result<Self> {
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
        Ok(Self { a, size })
    }

    fn solve(&self, mut b: Vec<f64>) -> Vec<f64> {
        let (a, size) = (&self.a, self.size);
        for row in 0..size {
            let known: f64 = (0..row).map(|k| a[row * size + k] * b[k]).sum();
            b[row] = (b[row] - known) / a[row * size + row];
        }
        for row in (0..size).rev() {
            let known: f64 = (row + 1..size).map(|k| a[k * size + row] * b[k]).sum();
            b[row] = (b[row] - known) / a[row * size + row];
        }
        b
    }
}

/// A weighted least-squares fit `y ≈ Σ xᵢ bᵢ` with a ridge on each coefficient.
pub(super) struct LeastSquares<'a> {
    /// Rows with one number for each coefficient.
    pub x: &'a [f64],
    /// What is fitted, one number a row.
    pub y: &'a [f64],
    /// What each row counts.
    pub weights: &'a [f64],
    /// How much the square of each coefficient is punished.
    pub ridge: &'a [f64],
}

/// The coefficients of a fit, and how far they would vary with other samples.
pub(super) struct Fit {
    pub coefficients: Vec<f64>,
    /// Row-major; none where there are not twice as many groups of rows as coefficients.
    pub covariance: Option<Vec<f64>>,
}

impl Fit {
    /// The standard errors of the coefficients.
    pub fn errors(&self) -> Option<Vec<f64>> {
        let size = self.coefficients.len();
        let covariance = self.covariance.as_ref()?;
        Some((0..size).map(|i| covariance[i * size + i].max(0.0).sqrt()).collect())
    }
}

impl LeastSquares<'_> {
    /// Fits. Rows are random and no linear model is true, so the covariance is White's (1980), `A⁻¹ (Σ s sᵀ) A⁻¹` with the sums `s` of
    /// weighted residuals times rows over `together` rows each that depend on each other.
    ///
    /// # Errors
    /// When the rows do not determine the coefficients.
    pub fn fit(&self, together: usize) -> Result<Fit> {
        let size = self.ridge.len();
        let (mut a, mut b) = (vec![0.0; size * size], vec![0.0; size]);
        let rows = || self.x.chunks_exact(size).zip(self.y).zip(self.weights);
        for ((row, &y), &weight) in rows() {
            for (i, &own) in row.iter().enumerate().filter(|(_, own)| **own != 0.0) {
                b[i] += weight * own * y;
                for (j, &other) in row.iter().enumerate() {
                    a[i * size + j] += weight * own * other;
                }
            }
        }
        for (i, ridge) in self.ridge.iter().enumerate() {
            a[i * size + i] += ridge;
        }
        let factor = Factor::of(a, size)?;
        let coefficients = factor.solve(b);
        let groups = self.y.len().div_ceil(together);
        // Of hardly more rows than coefficients a fit leaves no residuals, whatever the errors are.
        if groups < 2 * size {
            return Ok(Fit { coefficients, covariance: None });
        }
        let (mut middle, mut sum) = (vec![0.0; size * size], vec![0.0; size]);
        for (position, ((row, &y), &weight)) in rows().enumerate() {
            let residual = weight * (y - dot(row, &coefficients));
            sum.iter_mut().zip(row).for_each(|(sum, own)| *sum += residual * own);
            if (position + 1).is_multiple_of(together) || position + 1 == self.y.len() {
                for (i, &own) in sum.iter().enumerate().filter(|(_, own)| **own != 0.0) {
                    let line = &mut middle[i * size..][..size];
                    line.iter_mut().zip(&sum).for_each(|(product, other)| *product += own * other);
                }
                sum.fill(0.0);
            }
        }
        // A⁻¹ of the rows, which then are columns, twice; for the numbers that the coefficients take from the samples.
        let once: Vec<f64> = middle.chunks_exact(size).flat_map(|row| factor.solve(row.to_vec())).collect();
        let column = |i: usize| once.iter().skip(i).step_by(size).copied().collect();
        let scale = groups as f64 / (groups - size) as f64;
        let covariance = (0..size).flat_map(|i| factor.solve(column(i))).map(|own| own * scale).collect();
        Ok(Fit { coefficients, covariance: Some(covariance) })
    }
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
        let x = Factor::of(vec![4.0, 2.0, 2.0, 3.0], 2).unwrap().solve(vec![8.0, 7.0]);
        assert!((x[0] - 1.25).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12, "{x:?}");
        assert!(Factor::of(vec![1.0, 1.0, 1.0, 1.0], 2).is_err());
    }

    /// `WLS(y, X, weights).fit(cov_type=…)` of statsmodels 0.15: `HC1`, and `cluster` of pairs without correction, times √(4 / (4 − 2)).
    #[test]
    fn errors_of_coefficients_are_those_of_statsmodels() {
        let x = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let y = [1.0, 2.5, 1.2, 2.9, 0.1, 2.2, 0.7, 1.9];
        let weights = [1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 2.0, 1.0];
        let squares = LeastSquares { x: &x, y: &y, weights: &weights, ridge: &[0.0, 0.0] };
        let close = |found: &[f64], expected: [f64; 2]| {
            let is_close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(is_close, "{found:?} {expected:?}");
        };
        let alone = squares.fit(1).unwrap();
        close(&alone.coefficients, [0.836170212766, 1.604255319149]);
        close(&alone.errors().unwrap(), [0.126501785821, 0.176894265068]);
        close(&squares.fit(2).unwrap().errors().unwrap(), [0.203713595890, 0.213552249075]);
        assert!(
            LeastSquares { x: &x[..4], y: &y[..2], weights: &weights[..2], ..squares }
                .fit(1)
                .unwrap()
                .errors()
                .is_none()
        );
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
