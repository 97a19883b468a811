//! Gaussian smoothing of maps.
//!
//! A row is smoothed, then a column. What a wide Gaussian leaves is so smooth that a sum for every pixel would be waste: sums are
//! taken a tenth of the deviation apart, and between them goes the cubic through the four nearest ones. It is off by less than 2e-4
//! of the largest value, and by that only where the kernel of a single bright pixel ends.

use deepinside_files::{self as files, Array};
use rayon::prelude::*;

use crate::{Error, Result};

/// How many deviations a kernel reaches to either side.
const REACH: f64 = 4.0;

/// How many sums are taken for each deviation, at least.
const SUMS: f64 = 10.0;

/// Smooths a map, height × width, with a Gaussian of this deviation in pixels; 0 leaves it as it is. Behind the border the map
/// is reflected, edge pixels included, as SciPy's `gaussian_filter` does by default.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless it is a map; [`Error::Parameter`] for a deviation that is negative or not finite.
pub fn gaussian(map: &Array, deviation: f64) -> Result<Array> {
    let &[height, width] = map.shape() else {
        return Err(files::Error::Shape {
            what: "smoothing",
            expected: "height × width",
            found: map.shape().to_vec(),
        }
        .into());
    };
    if !(deviation >= 0.0 && deviation.is_finite()) {
        let (name, expected) = ("the deviation of a Gaussian", "a number of 0 or more");
        return Err(Error::Parameter { name, expected, found: deviation.to_string() });
    }
    if deviation == 0.0 {
        return Ok(map.clone());
    }
    let smoother = |extent| Smoother::new(extent, deviation);
    let across = smoother(width).run(map.data(), width);
    let down = smoother(height).run(&transposed(&across, width), height);
    Ok(Array::new([height, width], transposed(&down, height))?)
}

/// The columns of rows of this length as rows.
fn transposed(numbers: &[f32], width: usize) -> Vec<f32> {
    let height = numbers.len() / width;
    let mut result = vec![0.0; numbers.len()];
    result.par_chunks_exact_mut(height).enumerate().for_each(|(column, result)| {
        for (number, row) in result.iter_mut().zip(numbers.chunks_exact(width)) {
            *number = row[column];
        }
    });
    result
}

/// Smooths rows of one length.
struct Smoother {
    kernel: Vec<f32>,
    /// The pixel that stands at each place that a kernel touches.
    places: Vec<usize>,
    /// How many pixels lie between two sums.
    step: usize,
}

impl Smoother {
    fn new(extent: usize, deviation: f64) -> Self {
        let reach = (REACH * deviation + 0.5) as isize;
        let weight = |offset: isize| (-0.5 * (offset as f64 / deviation).powi(2)).exp();
        let sum: f64 = (-reach..=reach).map(weight).sum();
        let kernel = (-reach..=reach).map(|offset| (weight(offset) / sum) as f32).collect();
        let step = ((deviation / SUMS) as usize).max(1);
        // One sum before the row and two behind it carry the cubics at its ends.
        let before = if step > 1 { step as isize } else { 0 };
        let behind = if step > 1 { 3 * step as isize } else { 0 };
        Self { kernel, places: reflected(extent, reach + before, reach + behind), step }
    }

    fn run(&self, numbers: &[f32], extent: usize) -> Vec<f32> {
        let mut result = vec![0.0; numbers.len()];
        let rows = result.par_chunks_exact_mut(extent).zip(numbers.par_chunks_exact(extent));
        rows.for_each_init(Vec::new, |scratch, (target, source)| self.row(source, target, scratch));
        result
    }

    /// Smooths a row; `scratch` is memory to work in.
    fn row(&self, source: &[f32], target: &mut [f32], scratch: &mut Vec<f32>) {
        scratch.clear();
        scratch.extend(self.places.iter().map(|&place| source[place]));
        let sum = |at: usize| product(&scratch[at..][..self.kernel.len()], &self.kernel);
        if self.step == 1 {
            target.iter_mut().enumerate().for_each(|(at, target)| *target = sum(at));
            return;
        }
        let count = target.len().div_ceil(self.step) + 3;
        let sums: Vec<f32> = (0..count).map(|index| sum(index * self.step)).collect();
        for (pixels, sums) in target.chunks_mut(self.step).zip(sums.windows(4)) {
            for (at, pixel) in pixels.iter_mut().enumerate() {
                *pixel = cubic(sums, at as f32 / self.step as f32);
            }
        }
    }
}

/// The sum of the products of two rows of one length, in eight parts side by side.
fn product(numbers: &[f32], weights: &[f32]) -> f32 {
    let (blocks, rest) = numbers.as_chunks::<8>();
    let (weights, weights_of_rest) = weights.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (numbers, weights) in blocks.iter().zip(weights) {
        for lane in 0..8 {
            sums[lane] += numbers[lane] * weights[lane];
        }
    }
    let rest: f32 = rest.iter().zip(weights_of_rest).map(|(number, weight)| number * weight).sum();
    sums.iter().sum::<f32>() + rest
}

/// The cubic through four numbers at −1, 0, 1 and 2, at `x` (Lagrange).
fn cubic(numbers: &[f32], x: f32) -> f32 {
    let (a, b, c) = (x + 1.0, x - 1.0, x - 2.0);
    -x * b * c / 6.0 * numbers[0] + a * b * c / 2.0 * numbers[1] - a * x * c / 2.0 * numbers[2]
        + a * x * b / 6.0 * numbers[3]
}

/// The pixel that stands at each place from so many before the first to so many behind the last.
fn reflected(extent: usize, before: isize, behind: isize) -> Vec<usize> {
    let period = 2 * extent as isize;
    let place = |at: isize| {
        let at = at.rem_euclid(period);
        (if at < extent as isize { at } else { period - 1 - at }) as usize
    };
    (-before..extent as isize + behind).map(place).collect()
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

    /// By the definition, with odd sizes, a kernel wider than the map, and single bright pixels, which are the hardest.
    #[test]
    fn sums_taken_apart_are_those_of_every_pixel() {
        let (height, width, deviation) = (97, 203, 31.7);
        let mut numbers = vec![0.0; height * width];
        for (index, number) in [(0, 1.0), (5 * width + 190, 2.0), (96 * width + 100, 3.0)] {
            numbers[index] = number;
        }
        let map = Array::new([height, width], numbers.clone()).unwrap();
        let found = gaussian(&map, deviation).unwrap();
        let reach = (REACH * deviation + 0.5) as isize;
        let weight = |offset: isize| (-0.5 * (offset as f64 / deviation).powi(2)).exp();
        let sum: f64 = (-reach..=reach).map(weight).sum();
        // How much a pixel is of another along one axis: the weights of all its images.
        let share = |extent: usize, from: usize, to: usize| -> f64 {
            let at = |offset: isize| (to as isize + offset).rem_euclid(2 * extent as isize) as usize;
            let is_image = |offset: &isize| [from, 2 * extent - 1 - from].contains(&at(*offset));
            (-reach..=reach).filter(is_image).map(weight).sum::<f64>() / sum
        };
        let expected: Vec<f64> = (0..height * width)
            .map(|to| {
                let of = |(from, number): (usize, &f32)| {
                    f64::from(*number)
                        * share(height, from / width, to / width)
                        * share(width, from % width, to % width)
                };
                numbers.iter().enumerate().filter(|(_, number)| **number > 0.0).map(of).sum()
            })
            .collect();
        let largest = expected.iter().copied().fold(0.0, f64::max);
        for (found, expected) in found.data().iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-4 * largest, "{found} instead of {expected}");
        }
    }
}
