//! Gaussian mixtures of colours.
//!
//! Distances are computed for several pixels side by side, a colour's channels apart: the compiler makes vectors of that, of AVX2
//! where the processor has it. No sum depends on that, so results do not either.

use rayon::prelude::*;

use super::exponential::exponential;
use crate::vectorised::vectorised;

/// How many pixels lie side by side.
const LANES: usize = 8;

/// The channels of so many pixels.
type Block = [[f64; LANES]; 3];

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
    /// −2 times the logarithm of the weighted density at the mean, without the constant `(2π)^{−3/2}`.
    cost: f64,
}

/// A mixture of at most a few Gaussians.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Those that have pixels.
    pub components: Vec<Component>,
}

/// Added to the variance of each colour, in levels²: about what JPEG files and sensors leave of noise. Clusters of nearly one colour would
/// otherwise be so narrow that the same surface, a little lighter, is not theirs (`docs/methods/localise.md`); and a constant
/// colour's covariance could not be inverted.
const REGULARISATION: f64 = 6.0;

/// How far the covariances of clusters that are learnt again are moved towards their mean, weighted by pixels (after Friedman 1989): a cut's
/// labels are guesses, and clusters as narrow as theirs would only confirm them (`docs/methods/localise.md`).
const SHRINKAGE: f64 = 0.5;

/// The rounds of k-means at most.
const ROUNDS: usize = 10;

/// The starts from which it is tried, and the pixels that it is tried with.
const ATTEMPTS: usize = 3;
const SAMPLE: usize = 2_000;

/// The most pixels that are learnt from; of more, every so manieth is taken.
const PIXELS: usize = 20_000;

/// Densities below 1e-300 count as that: the negative logarithm.
const FARTHEST: f64 = 690.775_527_898_213_7;

/// A Gaussian whose cost is larger by this adds nothing to a density in single precision: 2 · 25 · ln 2, rounded up.
const NEGLIGIBLE: f64 = 35.0;

impl Mixture {
    /// A mixture of known Gaussians. Those without weight are left out.
    pub fn of(components: impl IntoIterator<Item = Component>) -> Self {
        Self { components: components.into_iter().filter(|component| component.weight > 0.0).collect() }
    }

    /// Learns a mixture of `components` Gaussians, at least 1: one for each cluster of colours that k-means finds (Lloyd 1982), and the
    /// last of all pixels, whose weight is one share among them. Of several k-means++ starts (Arthur and Vassilvitskii 2007), tried with
    /// some of the pixels, the one with the tightest clusters is taken. None where there are no pixels.
    ///
    /// Markers show a part of what they mark. The Gaussian of all pixels is there for colours in between, which no cluster has. Of
    /// expectation–maximisation the mixture becomes likelier and the cut no better (`docs/methods/localise.md`).
    pub fn learn(pixels: &[[f32; 3]], components: usize, seed: u64) -> Option<Self> {
        let pixels = at_most(PIXELS, pixels);
        if pixels.is_empty() {
            return None;
        }
        let clusters = components.saturating_sub(1);
        let centres =
            if clusters == 0 { Vec::new() } else { tightest(&at_most(SAMPLE, &pixels), clusters, seed) };
        Some(Self::around(&pixels, centres, 1.0 / components.max(1) as f64, 0.0))
    }

    /// Learns the mixture of other pixels, such as those of new labels: its clusters begin where this mixture's are, and chance has no
    /// part in it. None where there are no pixels.
    pub fn learn_again(&self, pixels: &[[f32; 3]]) -> Option<Self> {
        let (everything, clusters) = self.components.split_last()?;
        let pixels = at_most(PIXELS, pixels);
        let centres = clusters.iter().map(|cluster| cluster.mean).collect();
        (!pixels.is_empty()).then(|| Self::around(&pixels, centres, everything.weight, SHRINKAGE))
    }

    /// The Gaussians of clusters around some centres, shrunk towards what they have in common, and the one of all pixels with this weight;
    /// 1 where there are no centres.
    fn around(pixels: &[[f32; 3]], centres: Vec<[f64; 3]>, share: f64, shrinkage: f64) -> Self {
        let everything = Self::estimate(pixels, &vec![0; pixels.len()], 1, 0.0);
        if centres.is_empty() {
            return everything;
        }
        let clusters = centres.len();
        let assigned = k_means(pixels.len(), &blocks(pixels), centres).assigned;
        let tight = Self::estimate(pixels, &assigned, clusters, shrinkage);
        let weighed =
            |mixture: Self, share: f64| mixture.components.into_iter().map(move |own| own.times(share));
        Self { components: weighed(tight, 1.0 - share).chain(weighed(everything, share)).collect() }
    }

    /// The weights, means and covariances of assigned pixels, these moved towards their mean by a share; components without pixels are left
    /// out.
    fn estimate(pixels: &[[f32; 3]], assigned: &[usize], components: usize, shrinkage: f64) -> Self {
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
        let found: Vec<usize> = (0..components).filter(|&index| counts[index] > 0.0).collect();
        let means: Vec<[f64; 3]> =
            found.iter().map(|&index| sums[index].map(|sum: f64| sum / counts[index])).collect();
        let total = pixels.len() as f64;
        // The components' products about their means, and of all together.
        let mut pooled = [[0.0; 3]; 3];
        for (&index, mean) in found.iter().zip(&means) {
            for row in 0..3 {
                for column in 0..3 {
                    products[index][row][column] -= counts[index] * mean[row] * mean[column];
                    pooled[row][column] += products[index][row][column] / total;
                }
            }
        }
        let component = |(&index, &mean): (&usize, &[f64; 3])| {
            let covariance = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    let own = products[index][row][column] / counts[index];
                    let noise = if row == column { REGULARISATION } else { 0.0 };
                    (1.0 - shrinkage) * own + shrinkage * pooled[row][column] + noise
                })
            });
            Component::new(counts[index] / total, mean, covariance)
        };
        Self { components: found.iter().zip(&means).map(component).collect() }
    }

    /// `−ln p(colour)` of each pixel without the constant `(2π)^{3/2}`, at most 690.8.
    pub fn negative_log_likelihoods(&self, pixels: &[[f32; 3]]) -> Vec<f64> {
        let blocks = blocks(pixels);
        let mut costs = vec![[f64::INFINITY; LANES]; self.components.len()];
        // The smallest cost of each pixel, and the sum of the densities when the largest is taken out of it.
        let mut found = Vec::with_capacity(blocks.len());
        vectorised(
            #[inline(always)]
            || {
                for block in &blocks {
                    let mut least = [f64::INFINITY; LANES];
                    for (costs, component) in costs.iter_mut().zip(&self.components) {
                        *costs = component.costs(block);
                        for lane in 0..LANES {
                            least[lane] = if costs[lane] < least[lane] { costs[lane] } else { least[lane] };
                        }
                    }
                    let mut sums = [0.0f32; LANES];
                    for costs in &costs {
                        // Of neighbouring pixels most are far from the same Gaussians.
                        let mut nearest = f64::INFINITY;
                        for lane in 0..LANES {
                            let beyond = costs[lane] - least[lane];
                            nearest = if beyond < nearest { beyond } else { nearest };
                        }
                        if nearest > NEGLIGIBLE {
                            continue;
                        }
                        for lane in 0..LANES {
                            sums[lane] += exponential(0.5 * (least[lane] - costs[lane]) as f32);
                        }
                    }
                    found.push((least, sums));
                }
            },
        );
        let mut result = Vec::with_capacity(blocks.len() * LANES);
        for (least, sums) in found {
            for lane in 0..LANES {
                // Mostly one Gaussian outweighs all others by far.
                let logarithm = if sums[lane] == 1.0 { 0.0 } else { f64::from(sums[lane].ln()) };
                result.push((0.5 * least[lane] - logarithm).min(FARTHEST));
            }
        }
        result.truncate(pixels.len());
        result
    }
}

/// Pixels side by side; what is missing of the last block repeats its last pixel.
fn blocks(pixels: &[[f32; 3]]) -> Vec<Block> {
    let block = |pixels: &[[f32; 3]]| {
        let pixel = |lane: usize| pixels[lane.min(pixels.len() - 1)];
        std::array::from_fn(|channel| std::array::from_fn(|lane| f64::from(pixel(lane)[channel])))
    };
    pixels.chunks(LANES).map(block).collect()
}

impl Component {
    /// A Gaussian by its weight, mean and covariance.
    pub fn new(weight: f64, mean: [f64; 3], covariance: [[f64; 3]; 3]) -> Self {
        let (precision, determinant) = inverse(covariance);
        Self { weight, mean, precision, determinant, cost: determinant.ln() - 2.0 * weight.ln() }
    }

    /// The same Gaussian with this multiple of the weight.
    fn times(self, factor: f64) -> Self {
        Self { weight: factor * self.weight, cost: self.cost - 2.0 * factor.ln(), ..self }
    }

    /// Twice the negative logarithm of the weighted density at each pixel: the squared Mahalanobis distance, and
    /// what the peak's height costs.
    #[inline(always)]
    fn costs(&self, block: &Block) -> [f64; LANES] {
        let [[rr, rg, rb], [_, gg, gb], [.., bb]] = self.precision;
        let (rg, rb, gb) = (2.0 * rg, 2.0 * rb, 2.0 * gb);
        let [red, green, blue] = block;
        std::array::from_fn(|lane| {
            let r = red[lane] - self.mean[0];
            let g = green[lane] - self.mean[1];
            let b = blue[lane] - self.mean[2];
            r * (rr * r + rg * g + rb * b) + g * (gg * g + gb * b) + bb * b * b + self.cost
        })
    }
}

/// Evenly spread ones of so many pixels.
fn at_most(count: usize, pixels: &[[f32; 3]]) -> Vec<[f32; 3]> {
    pixels.iter().step_by(pixels.len().div_ceil(count).max(1)).copied().collect()
}

/// Pixels by clusters.
struct Clusters {
    centres: Vec<[f64; 3]>,
    assigned: Vec<usize>,
    /// The sum of the squared distances of all pixels from their centres.
    spread: f64,
}

/// The centres of the tightest of some attempts to find so many clusters, at least 1.
fn tightest(pixels: &[[f32; 3]], clusters: usize, seed: u64) -> Vec<[f64; 3]> {
    let blocks = blocks(pixels);
    let mut uniform = uniform(seed);
    let starts: Vec<_> = (0..ATTEMPTS).map(|_| spread(pixels, clusters, &mut uniform)).collect();
    let attempts: Vec<Clusters> =
        starts.into_par_iter().map(|centres| k_means(pixels.len(), &blocks, centres)).collect();
    let tightest = attempts.into_iter().min_by(|a, b| a.spread.total_cmp(&b.spread));
    tightest.map_or_else(Vec::new, |tightest| tightest.centres)
}

/// Assigns `count` pixels to the nearest of some centres, moves these to the means of theirs, and so on.
fn k_means(count: usize, blocks: &[Block], centres: Vec<[f64; 3]>) -> Clusters {
    let (mut clusters, mut means) = assign(count, blocks, centres);
    for _ in 0..ROUNDS {
        let (next, next_means) = assign(count, blocks, means);
        let settled = next.assigned == clusters.assigned;
        (clusters, means) = (next, next_means);
        if settled {
            break;
        }
    }
    clusters
}

/// Sums, and shares of numbers.
#[inline(always)]
fn add(sums: [f64; LANES], shares: [f64; LANES], numbers: &[f64; LANES]) -> [f64; LANES] {
    std::array::from_fn(|lane| sums[lane] + shares[lane] * numbers[lane])
}

/// Assigns each of `count` pixels to the nearest centre, of equally near ones the first, and says where the means of each centre's are;
/// a centre without pixels stays.
fn assign(count: usize, blocks: &[Block], centres: Vec<[f64; 3]>) -> (Clusters, Vec<[f64; 3]>) {
    let (mut assigned, mut spread) = (Vec::with_capacity(blocks.len() * LANES), 0.0);
    // Per centre the sums of three channels, and the number of pixels, of each lane.
    let mut sums = vec![[[0.0; LANES]; 4]; centres.len()];
    vectorised(
        #[inline(always)]
        || {
            for block in blocks {
                let (mut least, mut best) = ([f64::INFINITY; LANES], [0.0; LANES]);
                for (index, centre) in centres.iter().enumerate() {
                    for lane in 0..LANES {
                        let offset = |channel: usize| block[channel][lane] - centre[channel];
                        let distance = offset(0) * offset(0) + offset(1) * offset(1) + offset(2) * offset(2);
                        let is_less = distance < least[lane];
                        least[lane] = if is_less { distance } else { least[lane] };
                        best[lane] = if is_less { index as f64 } else { best[lane] };
                    }
                }
                let own = LANES.min(count - assigned.len());
                assigned.extend(best[..own].iter().map(|&index| index as usize));
                spread += least[..own].iter().sum::<f64>();
                // What only fills the last block up belongs to no component.
                best[own..].fill(-1.0);
                for (index, sums) in sums.iter_mut().enumerate() {
                    let share = best.map(|best| if best == index as f64 { 1.0 } else { 0.0 });
                    let [red, green, blue] = block;
                    sums[0] = add(sums[0], share, red);
                    sums[1] = add(sums[1], share, green);
                    sums[2] = add(sums[2], share, blue);
                    sums[3] = add(sums[3], share, &[1.0; LANES]);
                }
            }
        },
    );
    let mean = |(sums, &centre): (&[[f64; LANES]; 4], &[f64; 3])| {
        let [red, green, blue, count] = sums.map(|lanes| lanes.iter().sum::<f64>());
        if count > 0.0 { [red, green, blue].map(|sum| sum / count) } else { centre }
    };
    let means = sums.iter().zip(&centres).map(mean).collect();
    (Clusters { centres, assigned, spread }, means)
}

fn squared_distance(a: &[f32; 3], b: &[f32; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Random numbers in [0, 1): SplitMix64 (Steele, Lea and Flood 2014).
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Starting points, each chosen with a probability proportional to its squared distance from those before; fewer where
/// there are fewer colours.
fn spread(pixels: &[[f32; 3]], count: usize, uniform: &mut impl FnMut() -> f64) -> Vec<[f64; 3]> {
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
    centres.into_iter().map(|centre| centre.map(f64::from)).collect()
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
        let mixture = Mixture::learn(&pixels, 3, 0).unwrap();
        let (everything, tight) = mixture.components.split_last().unwrap();
        let mut means: Vec<[f64; 3]> = tight.iter().map(|component| component.mean).collect();
        means.sort_by(|a, b| a[0].total_cmp(&b[0]));
        for (found, expected) in means.iter().flatten().zip([50.0, 60.0, 70.0, 200.0, 20.0, 20.0]) {
            assert!((found - expected).abs() < 0.01, "{means:?}");
        }
        assert!(mixture.components.iter().all(|component| (component.weight - 1.0 / 3.0).abs() < 1e-12));
        // The variance of two halves around means that lie 150 apart.
        assert!((everything.mean[0] - 125.0).abs() < 0.01);
        let covariance = inverse(everything.precision).0;
        assert!((covariance[0][0] - (75.0 * 75.0 + 33.25 + REGULARISATION)).abs() < 0.1, "{covariance:?}");
        let costs = mixture.negative_log_likelihoods(&[[52.0, 61.0, 71.0], [120.0, 120.0, 120.0]]);
        assert!(costs[0] < costs[1]);
    }

    /// One cluster is wide along red, one along green and has half the pixels.
    #[test]
    fn shrunk_covariances_lie_between_their_own_and_the_mean_one() {
        let pixel = |index: usize, [red, green]: [f32; 2]| {
            let offset = [-1.0, 0.0, 1.0][index % 3];
            [100.0 + red * offset, 100.0 + green * offset, 50.0]
        };
        let pixels: Vec<[f32; 3]> =
            (0..90).map(|index| pixel(index, if index < 60 { [9.0, 0.0] } else { [0.0, 6.0] })).collect();
        let assigned: Vec<usize> = (0..90).map(|index| usize::from(index >= 60)).collect();
        let own = [81.0 * 2.0 / 3.0, 36.0 * 2.0 / 3.0];
        let mean = [own[0] * 2.0 / 3.0, own[1] / 3.0];
        let mixture = Mixture::estimate(&pixels, &assigned, 2, 0.25);
        for (cluster, component) in mixture.components.iter().enumerate() {
            let covariance = inverse(component.precision).0;
            for channel in 0..2 {
                let own = if channel == cluster { own[channel] } else { 0.0 };
                let expected = 0.75 * own + 0.25 * mean[channel] + REGULARISATION;
                assert!((covariance[channel][channel] - expected).abs() < 1e-6, "{covariance:?}");
            }
            assert!((covariance[2][2] - REGULARISATION).abs() < 1e-6 && covariance[0][1].abs() < 1e-6);
        }
    }

    #[test]
    fn what_is_learnt_again_follows_its_colours() {
        let square = |centre: [f32; 3]| {
            (0..100).map(move |index| {
                [centre[0] + (index % 10) as f32, centre[1] + (index / 10) as f32, centre[2]]
            })
        };
        let before: Vec<[f32; 3]> = square([40.0; 3]).chain(square([160.0; 3])).collect();
        let after: Vec<[f32; 3]> = square([50.0; 3]).chain(square([150.0; 3]).take(50)).collect();
        let mixture = Mixture::learn(&before, 3, 0).unwrap();
        assert_eq!(mixture.learn_again(&before), Some(mixture.clone()));
        let again = mixture.learn_again(&after).unwrap();
        // In the order that they had; the last is that of all pixels.
        let is_dark = |component: &Component| component.mean[2] < 100.0;
        let order = |mixture: &Mixture| mixture.components.iter().map(is_dark).collect::<Vec<_>>();
        assert_eq!(order(&again)[..2], order(&mixture)[..2]);
        let dark = again.components.iter().find(|component| is_dark(component)).unwrap();
        assert!((dark.weight - 2.0 / 3.0 * 2.0 / 3.0).abs() < 1e-12, "{again:?}");
        assert!((dark.mean[0] - 54.5).abs() < 1e-9 && (dark.mean[2] - 50.0).abs() < 1e-9, "{again:?}");
        let everything = again.components.last().unwrap();
        assert!((everything.weight - 1.0 / 3.0).abs() < 1e-12);
        assert!((everything.mean[2] - (50.0 * 2.0 + 150.0) / 3.0).abs() < 1e-9);
        assert_eq!(mixture.learn_again(&[]), None);
        assert_eq!(Mixture::of([]).learn_again(&before), None);
    }

    /// By the definition, for more pixels than lie side by side, a tie, and a centre without pixels.
    #[test]
    fn clusters_are_the_nearest_centres_and_move_to_their_means() {
        let pixels: Vec<[f32; 3]> =
            (0..21).map(|i| [i as f32, (i * i % 7) as f32, 20.0 - i as f32]).collect();
        let centres = vec![[4.0, 3.0, 16.0], [16.0, 3.0, 4.0], [16.0, 3.0, 4.0]];
        let (clusters, means) = assign(pixels.len(), &blocks(&pixels), centres.clone());
        let distance = |pixel: &[f32; 3], centre: &[f64; 3]| -> f64 {
            (0..3).map(|channel| (f64::from(pixel[channel]) - centre[channel]).powi(2)).sum()
        };
        let (mut sums, mut counts, mut spread) = ([[0.0; 3]; 3], [0.0; 3], 0.0);
        for (pixel, &cluster) in pixels.iter().zip(&clusters.assigned) {
            let own = distance(pixel, &centres[cluster]);
            assert!(centres.iter().all(|centre| own <= distance(pixel, centre)) && cluster < 2);
            (0..3).for_each(|channel| sums[cluster][channel] += f64::from(pixel[channel]));
            counts[cluster] += 1.0;
            spread += own;
        }
        assert_eq!((clusters.assigned.len(), clusters.spread), (21, spread));
        for cluster in 0..2 {
            assert_eq!(means[cluster], sums[cluster].map(|sum| sum / counts[cluster]));
        }
        assert_eq!(means[2], centres[2]);
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

    /// By the formula, `−ln Σ w / √|Σ| · exp(−½ (c − μ)ᵀ Σ⁻¹ (c − μ))`, for more pixels than lie side by side.
    #[test]
    fn the_cost_of_a_colour_is_that_of_the_formula() {
        let covariances = [
            [[40.0, 10.0, -5.0], [10.0, 30.0, 2.0], [-5.0, 2.0, 20.0]],
            [[9.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 1.0]],
        ];
        let means = [[100.0, 90.0, 80.0], [110.0, 100.0, 70.0]];
        let mixture = Mixture::of([0, 1].map(|k| Component::new([0.7, 0.3][k], means[k], covariances[k])));
        let pixels: Vec<[f32; 3]> = (0..21)
            .map(|index| [95.0 + index as f32, 100.0 - index as f32, 60.0 + 2.0 * index as f32])
            .collect();
        let found = mixture.negative_log_likelihoods(&pixels);
        assert_eq!(found.len(), pixels.len());
        for (found, pixel) in found.iter().zip(&pixels) {
            let density: f64 = (0..2)
                .map(|k| {
                    let (inverse, determinant) = inverse(covariances[k]);
                    let offset: [f64; 3] =
                        std::array::from_fn(|channel| f64::from(pixel[channel]) - means[k][channel]);
                    let distance: f64 =
                        (0..9).map(|e| offset[e / 3] * inverse[e / 3][e % 3] * offset[e % 3]).sum();
                    [0.7, 0.3][k] / determinant.sqrt() * (-0.5 * distance).exp()
                })
                .sum();
            let expected = -density.max(1e-300).ln();
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }

    #[test]
    fn one_colour_and_none_are_no_trouble() {
        assert_eq!(Mixture::learn(&[], 5, 0), None);
        let mixture = Mixture::learn(&[[7.0, 8.0, 9.0]; 30], 5, 0).unwrap();
        assert_eq!(mixture.components.len(), 2);
        assert_eq!(Mixture::learn(&[[7.0, 8.0, 9.0]; 30], 1, 0).unwrap().components.len(), 1);
        let costs = mixture.negative_log_likelihoods(&[[7.0, 8.0, 9.0], [255.0, 0.0, 0.0]]);
        assert!(costs.iter().all(|cost| cost.is_finite()), "{costs:?}");
    }
}
