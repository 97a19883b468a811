//! A picture as a spectrum of decorrelated colours (Olah, Mordvintsev and Schubert 2017): steepest ascent in these numbers changes
//! large and small structures alike, where in pixels the highest frequencies always win.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

/// What the inverse transform is divided by, so that a normal start of deviation 0.01 is faint (the constant of that article's code).
const CONTRAST: f32 = 4.0;

/// The square root of the covariance of colours in ImageNet's photographs, red first, as that article measured it.
const COLOUR_COVARIANCE: [[f32; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// From spectra to pictures and back.
#[derive(Clone)]
pub(super) struct Spectrum {
    channels: usize,
    /// Rows and columns of the picture.
    picture: [usize; 2],
    /// Rows and columns that are transformed: the picture's, up to sizes that transform fast.
    grid: [usize; 2],
    /// What each complex number is multiplied by, rows × (columns / 2 + 1).
    scale: Vec<f32>,
    across: [Arc<dyn Fft<f32>>; 2],
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Colour from decorrelated colour.
    colours: [[f32; 3]; 3],
}

impl Spectrum {
    /// For pictures of this size; frequencies are damped by their power of `decay`, differences between colours multiplied by
    /// `chroma`.
    pub fn new(channels: usize, picture: [usize; 2], decay: f64, chroma: f64) -> Self {
        let grid = picture.map(fast_size);
        let [rows, columns] = grid;
        let half = columns / 2 + 1;
        let lowest = 1.0 / rows.max(columns) as f64;
        let area = (rows * columns) as f64;
        let scale = (0..rows * half).map(|index| {
            let [row, column] = [index / half, index % half];
            let y = row.min(rows - row) as f64 / rows as f64;
            let x = column as f64 / columns as f64;
            (area.sqrt() / y.hypot(x).max(lowest).powf(decay)) as f32 / (area as f32 * CONTRAST)
        });
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        // The longest column of the matrix gets length one.
        let length =
            |column: usize| COLOUR_COVARIANCE.iter().map(|row| row[column].powi(2)).sum::<f32>().sqrt();
        let longest = (0..3).map(length).fold(0.0, f32::max);
        Self {
            channels,
            picture,
            grid,
            scale: scale.collect(),
            across: [complex.plan_fft_forward(rows), complex.plan_fft_inverse(rows)],
            forward: real.plan_fft_forward(columns),
            inverse: real.plan_fft_inverse(columns),
            // The first of the decorrelated colours is brightness.
            colours: COLOUR_COVARIANCE.map(|row| {
                let [brightness, first, second] = row.map(|number| number / longest);
                [brightness, first * chroma as f32, second * chroma as f32]
            }),
        }
    }

    /// How many numbers a spectrum has: real and imaginary parts, channel by channel.
    pub fn parameters(&self) -> usize {
        2 * self.channels * self.scale.len()
    }

    /// The picture of a spectrum, channels × rows × columns, red first, in (0, 1).
    pub fn picture(&self, parameters: &[f64]) -> Vec<f32> {
        let mut planes: Vec<Vec<f32>> = parameters
            .par_chunks_exact(2 * self.scale.len())
            .map(|channel| {
                let numbers = channel.chunks_exact(2).zip(&self.scale);
                let spectrum =
                    numbers.map(|(pair, scale)| Complex::new(pair[0] as f32, pair[1] as f32) * scale);
                self.cut(&self.inverse_transform(spectrum.collect()))
            })
            .collect();
        self.mix(&mut planes, |colours, to, from| colours[to][from]);
        planes.par_iter_mut().flatten().for_each(|number| *number = 1.0 / (1.0 + (-*number).exp()));
        planes.concat()
    }

    /// The gradient with respect to the spectrum from that with respect to its picture.
    pub fn back(&self, picture: &[f32], gradient: &[f32]) -> Vec<f64> {
        let [rows, columns] = self.picture;
        let slopes = picture.iter().zip(gradient).map(|(number, slope)| slope * number * (1.0 - number));
        let slopes: Vec<f32> = slopes.collect();
        let mut planes: Vec<Vec<f32>> = slopes.chunks_exact(rows * columns).map(<[f32]>::to_vec).collect();
        self.mix(&mut planes, |colours, to, from| colours[from][to]);
        let half = self.grid[1] / 2 + 1;
        let even = self.grid[1].is_multiple_of(2);
        let channel = |plane: &Vec<f32>| -> Vec<f64> {
            let spectrum = self.transform(self.padded(plane));
            let scaled = spectrum.iter().zip(&self.scale).enumerate().map(|(index, (number, scale))| {
                let column = index % half;
                // All columns but the first and the middle one stand for two frequencies, themselves and their mirror.
                let times = if column == 0 || (even && column == half - 1) { 1.0 } else { 2.0 };
                number * (scale * times)
            });
            scaled.flat_map(|number| [f64::from(number.re), f64::from(number.im)]).collect()
        };
        planes.par_iter().map(channel).collect::<Vec<_>>().concat()
    }

    /// Mixes colours in place; a grey picture has none.
    fn mix(&self, planes: &mut [Vec<f32>], weight: impl Fn(&[[f32; 3]; 3], usize, usize) -> f32) {
        let [first, second, third] = planes else { return };
        for ((a, b), c) in first.iter_mut().zip(second).zip(third) {
            let from = [*a, *b, *c];
            let to =
                [0, 1, 2].map(|to| (0..3).map(|index| weight(&self.colours, to, index) * from[index]).sum());
            [*a, *b, *c] = to;
        }
    }

    /// A plane of the picture's size from one of the grid's.
    fn cut(&self, plane: &[f32]) -> Vec<f32> {
        let rows = plane.chunks_exact(self.grid[1]).take(self.picture[0]);
        rows.flat_map(|row| &row[..self.picture[1]]).copied().collect()
    }

    /// The transpose of [`Spectrum::cut`].
    fn padded(&self, plane: &[f32]) -> Vec<f32> {
        let mut padded = vec![0.0; self.grid[0] * self.grid[1]];
        for (to, from) in padded.chunks_exact_mut(self.grid[1]).zip(plane.chunks_exact(self.picture[1])) {
            to[..from.len()].copy_from_slice(from);
        }
        padded
    }

    /// The real transform of all rows, then the complex one of all columns.
    fn transform(&self, mut plane: Vec<f32>) -> Vec<Complex<f32>> {
        let columns = self.grid[1];
        let half = columns / 2 + 1;
        let mut spectrum = vec![Complex::default(); self.grid[0] * half];
        let mut scratch = self.forward.make_scratch_vec();
        for (from, to) in plane.chunks_exact_mut(columns).zip(spectrum.chunks_exact_mut(half)) {
            // Lengths fit by construction, which is all that can go wrong.
            let _ = self.forward.process_with_scratch(from, to, &mut scratch);
        }
        self.columns(&mut spectrum, &self.across[0]);
        spectrum
    }

    /// The inverse, not divided by the number of pixels.
    fn inverse_transform(&self, mut spectrum: Vec<Complex<f32>>) -> Vec<f32> {
        let columns = self.grid[1];
        let half = columns / 2 + 1;
        self.columns(&mut spectrum, &self.across[1]);
        let mut plane = vec![0.0; self.grid[0] * columns];
        let mut scratch = self.inverse.make_scratch_vec();
        for (from, to) in spectrum.chunks_exact_mut(half).zip(plane.chunks_exact_mut(columns)) {
            // What a real row cannot have, an imaginary part of its mean and middle frequency, is left out.
            from[0].im = 0.0;
            if columns.is_multiple_of(2) {
                from[half - 1].im = 0.0;
            }
            let _ = self.inverse.process_with_scratch(from, to, &mut scratch);
        }
        plane
    }

    /// Transforms every column in place.
    fn columns(&self, spectrum: &mut [Complex<f32>], transform: &Arc<dyn Fft<f32>>) {
        let rows = self.grid[0];
        let half = self.grid[1] / 2 + 1;
        let mut turned = vec![Complex::default(); spectrum.len()];
        for (row, numbers) in spectrum.chunks_exact(half).enumerate() {
            for (column, number) in numbers.iter().enumerate() {
                turned[column * rows + row] = *number;
            }
        }
        transform.process(&mut turned);
        for (row, numbers) in spectrum.chunks_exact_mut(half).enumerate() {
            for (column, number) in numbers.iter_mut().enumerate() {
                *number = turned[column * rows + row];
            }
        }
    }
}

/// The next number of which 2, 3 and 5 are the only factors.
fn fast_size(extent: usize) -> usize {
    let is_fast = |size: &usize| {
        let mut rest = *size;
        for factor in [2, 3, 5] {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
        }
        rest == 1
    };
    (extent.max(1)..).find(is_fast).unwrap_or(extent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_gradient_is_that_of_central_differences() {
        for (channels, picture, chroma) in [(3, [6, 7], 1.0), (1, [5, 8], 1.0), (3, [7, 5], 0.4)] {
            let spectrum = Spectrum::new(channels, picture, 1.0, chroma);
            let mut random = Random::new(2);
            let parameters: Vec<f64> = (0..spectrum.parameters()).map(|_| random.normal()).collect();
            let weights: Vec<f32> =
                (0..channels * picture[0] * picture[1]).map(|_| random.normal() as f32).collect();
            let value = |parameters: &[f64]| -> f64 {
                let picture = spectrum.picture(parameters);
                picture.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let gradient = spectrum.back(&spectrum.picture(&parameters), &weights);
            for index in 0..parameters.len() {
                let moved = |by: f64| {
                    let mut moved = parameters.clone();
                    moved[index] += by;
                    value(&moved)
                };
                let slope = (moved(0.05) - moved(-0.05)) / 0.1;
                assert!((slope - gradient[index]).abs() < 2e-3, "{index}: {slope} {}", gradient[index]);
            }
        }
    }

    /// `numpy.fft.irfft2(scale * z, s=(4, 6)) / 4` with scale as in the article, one grey channel, z = (1 + 2i) at row 1, column 2
    /// and 0.5 at the origin, then the sigmoid.
    #[test]
    fn a_picture_is_that_of_numpy() {
        let spectrum = Spectrum::new(1, [4, 6], 1.0, 1.0);
        let mut parameters = vec![0.0; spectrum.parameters()];
        parameters[0] = 0.5;
        let at = 2 * (4 + 2);
        parameters[at] = 1.0;
        parameters[at + 1] = 2.0;
        let picture = spectrum.picture(&parameters);
        for (found, expected) in picture.iter().zip(NUMPY) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[rustfmt::skip]
    const NUMPY: [f32; 24] = [
        0.598217, 0.402840, 0.611800, 0.598217, 0.402840, 0.611800, 0.416586, 0.546344, 0.647981, 0.416586, 0.546344, 0.647981,
        0.477052, 0.668150, 0.462894, 0.477052, 0.668150, 0.462894, 0.655429, 0.530033, 0.424583, 0.655429, 0.530033, 0.424583,
    ];

    /// Without chroma only the small differences are left that the article's brightness has itself.
    #[test]
    fn chroma_is_the_share_of_colour() {
        let spread = |chroma: f64| {
            let spectrum = Spectrum::new(3, [8, 8], 1.0, chroma);
            let mut random = Random::new(7);
            let parameters: Vec<f64> = (0..spectrum.parameters()).map(|_| random.normal()).collect();
            let picture = spectrum.picture(&parameters);
            (0..64).map(|at| (picture[at] - picture[at + 128]).abs()).sum::<f32>() / 64.0
        };
        let (none, half, all) = (spread(0.0), spread(0.5), spread(1.0));
        assert!(none < 0.1 * all && none < half && half < 0.7 * all, "{none} {half} {all}");
    }

    #[test]
    fn sizes_transform_fast() {
        assert_eq!([1, 7, 224, 251].map(fast_size), [1, 8, 225, 256]);
    }
}
