//! Reproducible normal noise.

use rand_mt::Mt64;

/// Numbers of the standard normal distribution (Box and Muller 1958), from the Mersenne Twister.
pub(crate) struct Normal {
    uniform: Mt64,
    /// The second number of the last pair.
    kept: Option<f64>,
}

impl Normal {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self { uniform: Mt64::new(seed), kept: None }
    }

    /// The next number.
    pub fn next(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let mut uniform = || (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * uniform()).sin_cos();
        self.kept = Some(radius * sine);
        radius * cosine
    }

    /// Random bits, as the seed of something else.
    pub fn bits(&mut self) -> u64 {
        self.uniform.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_distribution() {
        let mut normal = Normal::new(3);
        let numbers: Vec<f64> = (0..20_000).map(|_| normal.next()).collect();
        let mean = numbers.iter().sum::<f64>() / 2e4;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 2e4;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
