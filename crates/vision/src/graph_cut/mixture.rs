//! Gaussian mixtures of colours.

/// One Gaussian with a full covariance matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// The share of the pixels, in (0, 1].
    pub weight: f64,
    /// The mean colour, 0 to 255.
    pub mean: [f64; 3],
    /// The inverse of the covariance.
    pub precision: [[f64; 3]; 3],
    /// The determinant of the covariance.
    pub determinant: f64,
    /// The weighted density at the mean, without the constant `(2π)^{−3/2}`.
    height: f64,
    /// −2 times its logarithm.
    cost: f64,
}

/// A mixture of at most a few Gaussians.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Those that have pixels.
    pub components: Vec<Component>,
}

/// Added to the variance of each colour: what the rounding to whole levels adds, and what keeps a constant colour's
/// covariance invertible.
const REGULARISATION: f64 = 1.0 / 12.0 + 0.25;

/// The rounds of assignment and estimation.
const ROUNDS: usize = 10;

/// The most pixels that are learnt from; of more, every so manieth is taken.
const PIXELS: usize = 6000;

/// Densities below this count as this.
const LEAST: f64 = 1e-300;

impl Mixture {
    /// A mixture of known Gaussians. Those without weight are left out.
    pub fn of(components: impl IntoIterator<Item = Component>) -> Self {
        Self { components: components.into_iter().filter(|component| component.weight > 0.0).collect() }
    }

    /// Learns a mixture by expectation–maximisation with hard assignments (classification EM; Celeux and Govaert 1992), from a
    /// k-means++ start (Arthur and Vassilvitskii 2007). None where there are no pixels.
    pub fn learn(pixels: &[[f32; 3]], components: usize, seed: u64) -> Option<Self> {
        let step = pixels.len().div_ceil(PIXELS).max(1);
        let pixels: Vec<[f32; 3]> = pixels.iter().step_by(step).copied().collect();
        if pixels.is_empty() {
            return None;
        }
        let centres = spread(&pixels, components.max(1), seed);
        let nearest = |pixel: &[f32; 3]| {
            let distances = centres.iter().map(|centre| squared_distance(pixel, centre));
            smallest(distances)
        };
        let mut assigned: Vec<usize> = pixels.iter().map(nearest).collect();
        let mut mixture = Self::estimate(&pixels, &assigned, centres.len());
        for _ in 0..ROUNDS {
            let scores =
                |pixel: &[f32; 3]| smallest(mixture.components.iter().map(|component| component.cost(pixel)));
            let next: Vec<usize> = pixels.iter().map(scores).collect();
            if next == assigned {
                break;
            }
            assigned = next;
            mixture = Self::estimate(&pixels, &assigned, mixture.components.len());
        }
        Some(mixture)
    }

    /// The weights, means and covariances of assigned pixels; components without pixels are left out.
    fn estimate(pixels: &[[f32; 3]], assigned: &[usize], components: usize) -> Self {
        let mut counts = vec![0.0; components];
        let mut sums = vec![[0.0; 3]; components];
        let mut products = vec![[[0.0; 3]; 3]; components];
        for (pixel, &component) in pixels.iter().zip(assigned) {
            let pixel = pixel.map(f64::from);
            counts[component] += 1.0;
            for row in 0..3 {
                sums[component][row] += pixel[row];
                for column in 0..3 {
                    products[component][row][column] += pixel[row] * pixel[column];
                }
            }
        }
        let component = |index: usize| {
            let count: f64 = counts[index];
            let mean = sums[index].map(|sum: f64| sum / count);
            let mut covariance = [[0.0; 3]; 3];
            for row in 0..3 {
                for column in 0..3 {
                    covariance[row][column] = products[index][row][column] / count - mean[row] * mean[column];
                }
                covariance[row][row] += REGULARISATION;
            }
            Component::new(count / pixels.len() as f64, mean, covariance)
        };
        Self { components: (0..components).filter(|&index| counts[index] > 0.0).map(component).collect() }
    }

    /// `−ln p(colour)` without the constant `(2π)^{3/2}`.
    pub fn negative_log_likelihood(&self, pixel: &[f32; 3]) -> f64 {
        let density = |component: &Component| component.height * (-0.5 * component.distance(pixel)).exp();
        -self.components.iter().map(density).sum::<f64>().max(LEAST).ln()
    }
}

impl Component {
    /// A Gaussian by its weight, mean and covariance.
    pub fn new(weight: f64, mean: [f64; 3], covariance: [[f64; 3]; 3]) -> Self {
        let (precision, determinant) = inverse(covariance);
        let height = weight / determinant.sqrt();
        Self { weight, mean, precision, determinant, height, cost: -2.0 * height.ln() }
    }

    /// The squared Mahalanobis distance.
    fn distance(&self, pixel: &[f32; 3]) -> f64 {
        let offset: [f64; 3] = std::array::from_fn(|channel| f64::from(pixel[channel]) - self.mean[channel]);
        let row =
            |row: usize| -> f64 { (0..3).map(|column| self.precision[row][column] * offset[column]).sum() };
        (0..3).map(|index| offset[index] * row(index)).sum()
    }

    /// Twice the negative logarithm of the weighted density.
    fn cost(&self, pixel: &[f32; 3]) -> f64 {
        self.distance(pixel) + self.cost
    }
}

fn smallest(numbers: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (index, number) in numbers.enumerate() {
        if number < best.1 {
            best = (index, number);
        }
    }
    best.0
}

fn squared_distance(a: &[f32; 3], b: &[f32; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Starting points, each chosen with a probability proportional to its squared distance from those before; fewer where
/// there are fewer colours.
fn spread(pixels: &[[f32; 3]], count: usize, seed: u64) -> Vec<[f32; 3]> {
    let mut state = seed;
    // SplitMix64 (Steele, Lea and Flood 2014), as a number in [0, 1).
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut centres = vec![pixels[(uniform() * pixels.len() as f64) as usize]];
    let mut distances = vec![f64::INFINITY; pixels.len()];
    while centres.len() < count {
        let newest = centres[centres.len() - 1];
        for (distance, pixel) in distances.iter_mut().zip(pixels) {
            *distance = distance.min(squared_distance(pixel, &newest));
        }
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = uniform() * total;
        let chosen = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        centres.push(pixels[chosen.unwrap_or(pixels.len() - 1)]);
    }
    centres
}

/// The inverse of a symmetric positive matrix, and its determinant.
fn inverse(m: [[f64; 3]; 3]) -> ([[f64; 3]; 3], f64) {
    let minor = |row: usize, column: usize| {
        let [r, s] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant =
        (0..3).map(|column| m[0][column] * minor(0, column)).sum::<f64>().max(f64::MIN_POSITIVE);
    // The transposed matrix of cofactors: cyclic indices carry the signs.
    (std::array::from_fn(|row| std::array::from_fn(|column| minor(column, row) / determinant)), determinant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_colours_are_told_apart() {
        let mut pixels = Vec::new();
        for index in 0..400 {
            let noise = (index % 20) as f32 - 9.5;
            let other = (index / 20) as f32 - 9.5;
            pixels.push([50.0 + noise, 60.0 + other, 70.0 + 0.5 * noise]);
            pixels.push([200.0 + other, 20.0 + noise, 20.0]);
        }
        let mixture = Mixture::learn(&pixels, 2, 0).unwrap();
        let mut means: Vec<[f64; 3]> = mixture.components.iter().map(|component| component.mean).collect();
        means.sort_by(|a, b| a[0].total_cmp(&b[0]));
        for (found, expected) in means.iter().flatten().zip([50.0, 60.0, 70.0, 200.0, 20.0, 20.0]) {
            assert!((found - expected).abs() < 0.01, "{means:?}");
        }
        assert!(mixture.components.iter().all(|component| (component.weight - 0.5).abs() < 1e-12));
        let likely = mixture.negative_log_likelihood(&[52.0, 61.0, 71.0]);
        assert!(likely < mixture.negative_log_likelihood(&[120.0, 120.0, 120.0]));
    }

    #[test]
    fn the_inverse_is_one() {
        let m = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        let (inverse, determinant) = inverse(m);
        for row in 0..3 {
            for column in 0..3 {
                let product: f64 = (0..3).map(|k| m[row][k] * inverse[k][column]).sum();
                assert!((product - f64::from(u8::from(row == column))).abs() < 1e-12);
            }
        }
        assert!((determinant - (4.0 * (6.0 - 0.04) - (2.0 + 0.1) + 0.5 * (-0.2 - 1.5))).abs() < 1e-12);
    }

    #[test]
    fn one_colour_and_none_are_no_trouble() {
        assert_eq!(Mixture::learn(&[], 5, 0), None);
        let mixture = Mixture::learn(&[[7.0, 8.0, 9.0]; 30], 5, 0).unwrap();
        assert_eq!(mixture.components.len(), 1);
        assert!(mixture.negative_log_likelihood(&[7.0, 8.0, 9.0]).is_finite());
        assert!(mixture.negative_log_likelihood(&[255.0, 0.0, 0.0]).is_finite());
    }
}
