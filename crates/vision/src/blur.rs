//! Gaussian smoothing of maps.

use crate::{Array, Error, Result};

/// How many deviations a kernel reaches to either side.
const REACH: f64 = 4.0;

/// Smooths a map, height × width, with a Gaussian of this deviation in pixels; 0 leaves it as it is. Behind the border the map
/// is reflected, edge pixels included, as SciPy's `gaussian_filter` does by default.
///
/// # Errors
/// [`Error::Shape`] unless it is a map; [`Error::Parameter`] for a deviation that is negative or not finite.
pub fn gaussian(map: &Array, deviation: f64) -> Result<Array> {
    let &[height, width] = map.shape() else {
        return Err(Error::Shape {
            what: "smoothing",
            expected: "height × width",
            found: map.shape().to_vec(),
        });
    };
    if !(deviation >= 0.0 && deviation.is_finite()) {
        let (name, expected) = ("the deviation of a Gaussian", "a number of 0 or more");
        return Err(Error::Parameter { name, expected, found: deviation.to_string() });
    }
    if deviation == 0.0 {
        return Ok(map.clone());
    }
    let reach = (REACH * deviation + 0.5) as isize;
    let weight = |offset: isize| (-0.5 * (offset as f64 / deviation).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<f32> = (-reach..=reach).map(|offset| (weight(offset) / sum) as f32).collect();
    let rows: Vec<usize> = reflected(height, reach);
    let columns: Vec<usize> = reflected(width, reach);
    let mut across = vec![0.0f32; height * width];
    for (target, source) in across.chunks_exact_mut(width).zip(map.data().chunks_exact(width)) {
        for (column, target) in target.iter_mut().enumerate() {
            let taps = columns[column..].iter().zip(&kernel);
            *target = taps.map(|(&at, weight)| weight * source[at]).sum();
        }
    }
    let mut down = vec![0.0f32; height * width];
    for (row, target) in down.chunks_exact_mut(width).enumerate() {
        for (&at, weight) in rows[row..].iter().zip(&kernel) {
            for (target, number) in target.iter_mut().zip(&across[at * width..][..width]) {
                *target += weight * number;
            }
        }
    }
    Array::new([height, width], down)
}

/// The pixel that stands at each place from −reach to extent + reach.
fn reflected(extent: usize, reach: isize) -> Vec<usize> {
    let period = 2 * extent as isize;
    let place = |at: isize| {
        let at = at.rem_euclid(period);
        (if at < extent as isize { at } else { period - 1 - at }) as usize
    };
    (-reach..extent as isize + reach).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of `scipy.ndimage.gaussian_filter([[0, 0, 1, 0], [0, 0, 0, 0], [0, 2, 0, 0]], 0.8)`.
    #[test]
    fn equals_scipy() {
        let map =
            Array::new([3, 4], vec![0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0]).unwrap();
        let found = gaussian(&map, 0.8).unwrap();
        let expected = [
            0.027655, 0.188731, 0.373259, 0.182926, 0.130814, 0.306907, 0.239146, 0.073796, 0.364324,
            0.730907, 0.343334, 0.038201,
        ];
        for (found, expected) in found.data().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
        assert_eq!(gaussian(&map, 0.0).unwrap().data(), map.data());
        assert!(gaussian(&map, f64::NAN).is_err());
    }
}
