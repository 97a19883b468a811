//! Reproducible random numbers.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use wide::f64x4;

/// Random numbers of a seed (xoshiro256++, Blackman and Vigna 2018): the same on every machine, the normal ones up to the
/// rounding of its logarithm and sine.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    bits: Xoshiro256PlusPlus,
    /// The second number of the last normal pair.
    kept: Option<f64>,
}

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self { bits: Xoshiro256PlusPlus::seed_from_u64(seed), kept: None }
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A number of the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.kept = Some(radius * sine);
        radius * cosine
    }

    /// Fills a slice with what as many calls of [`Self::normal`] would give, four pairs at a time.
    pub fn fill_normal(&mut self, numbers: &mut [f32]) {
        let kept = usize::from(self.kept.is_some()).min(numbers.len());
        let (kept, others) = numbers.split_at_mut(kept);
        kept.fill_with(|| self.normal() as f32);
        let (eights, rest) = others.as_chunks_mut::<8>();
        for eight in eights {
            let uniform: [[f64; 2]; 4] = std::array::from_fn(|_| [self.uniform(), self.uniform()]);
            let radius = (f64x4::new(uniform.map(|[first, _]| 1.0 - first)).ln() * -2.0).sqrt();
            let angle = f64x4::new(uniform.map(|[_, second]| second)) * std::f64::consts::TAU;
            let (sine, cosine) = angle.sin_cos();
            let [sine, cosine] = [sine, cosine].map(|part| (radius * part).to_array());
            *eight = std::array::from_fn(|at| [cosine, sine][at % 2][at / 2] as f32);
        }
        rest.fill_with(|| self.normal() as f32);
    }

    /// Goes past as many normal numbers.
    pub fn skip_normal(&mut self, count: usize) {
        let others = count - usize::from(count > 0 && self.kept.take().is_some());
        for _ in 0..others / 2 * 2 {
            self.bits();
        }
        if others % 2 == 1 {
            self.normal();
        }
    }

    /// Random bits, as the seed of something else.
    pub fn bits(&mut self) -> u64 {
        self.bits.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_distribution() {
        let mut random = Random::new(3);
        let numbers: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 2e4;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 2e4;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    /// Noise was drawn number by number on one thread, a fifth of the time of SmoothGrad on a small network.
    #[test]
    fn many_normal_numbers_are_the_single_ones() {
        let mut single = Random::new(7);
        let mut together = single.clone();
        let mut passing = single.clone();
        for count in [0, 1, 2, 7, 0, 8, 1001, 16, 4098] {
            let expected: Vec<f32> = (0..count).map(|_| single.normal() as f32).collect();
            let mut found = vec![0.0; count];
            together.fill_normal(&mut found);
            assert_eq!(found, expected, "{count}");
            passing.skip_normal(count);
            assert_eq!(passing.clone().normal(), single.clone().normal(), "{count}");
        }
    }
}
