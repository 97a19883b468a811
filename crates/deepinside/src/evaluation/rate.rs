//! Rates with the intervals that come from having seen only some pictures.

use serde::Serialize;

use crate::random::Random;

/// How many times pictures are drawn anew for an interval.
const RESAMPLES: usize = 2000;

/// A rate with its 95 % bootstrap interval over pictures (Efron 1979, percentiles), as fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// The rate.
    pub rate: f64,
    /// From and to.
    pub interval95: [f64; 2],
}

impl Rate {
    /// The share of what is true, with the interval in which 95 % of the shares of resampled pictures lie.
    pub fn of(outcomes: impl IntoIterator<Item = bool>) -> Self {
        Self::mean(&outcomes.into_iter().map(|outcome| f64::from(u8::from(outcome))).collect::<Vec<f64>>())
    }

    /// How much larger the first share is than the second, over the same pictures: pictures are drawn in pairs, so that what
    /// makes a picture hard for both does not widen the interval.
    pub fn difference(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let one = |outcome: bool| f64::from(u8::from(outcome));
        Self::mean(&pairs.into_iter().map(|(first, second)| one(first) - one(second)).collect::<Vec<f64>>())
    }

    /// The mean of a number for each picture, with its interval; 0 without pictures.
    pub fn mean(numbers: &[f64]) -> Self {
        let count = numbers.len().max(1);
        let mut random = Random::new(0);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw = |_| numbers.get((random.bits() % count as u64) as usize).copied().unwrap_or(0.0);
                (0..count).map(draw).sum::<f64>() / count as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |quantile: f64| means[(quantile * (RESAMPLES - 1) as f64).round() as usize];
        Self { rate: numbers.iter().sum::<f64>() / count as f64, interval95: [at(0.025), at(0.975)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_interval_of_its_pictures() {
        let Rate { rate, interval95: [low, high] } = Rate::of((0..300).map(|index| index % 3 == 0));
        // The normal approximation: 1.96 · √(p (1 − p) / n).
        let half = 1.96 * (2.0f64 / 9.0 / 300.0).sqrt();
        assert!((rate - 1.0 / 3.0).abs() < 1e-12);
        assert!((low - (rate - half)).abs() < 0.01 && (high - (rate + half)).abs() < 0.01, "{low} {high}");
        assert_eq!(Rate::of([]), Rate { rate: 0.0, interval95: [0.0, 0.0] });
    }

    #[test]
    fn what_is_hard_for_both_does_not_widen_a_difference() {
        // Wrong on the same 100 of 400 pictures, the first also on ten more.
        let pairs = (0..400).map(|index| (index < 110, index < 100));
        let Rate { rate, interval95: [low, high] } = Rate::difference(pairs);
        let share = 10.0f64 / 400.0;
        let half = 1.96 * (share * (1.0 - share) / 400.0).sqrt();
        assert!((rate - share).abs() < 1e-12);
        assert!((low - (rate - half)).abs() < 0.005 && (high - (rate + half)).abs() < 0.005, "{low} {high}");
    }
}
