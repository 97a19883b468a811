//! What a network says of one picture.

use crate::score::Normalisation;
use crate::{Result, Score, expect_finite};

/// What a network thinks of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The unnormalised class scores.
    pub scores: Vec<f32>,
    /// The network's own probabilities; where it ends in scores, their softmax, or the sigmoid of a single one.
    pub probabilities: Vec<f32>,
}

impl Scores {
    /// Reads them from what the network computed for one picture: the value before normalisation, and its own result.
    ///
    /// # Errors
    /// When they are not finite.
    pub(crate) fn read(score: &Score, numbers: &[f32], output: &[f32]) -> Result<Self> {
        let scores = spatial_means(numbers, score.classes);
        let probabilities = match score.normalisation {
            // A single score without any normalisation is a logit.
            Normalisation::None if score.classes == 1 => {
                scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect()
            }
            Normalisation::None => softmax(&scores),
            Normalisation::Softmax | Normalisation::Sigmoid => spatial_means(output, score.classes),
        };
        expect_finite(|| "the class scores".to_owned(), &scores)?;
        expect_finite(|| "the class probabilities".to_owned(), &probabilities)?;
        Ok(Self { scores, probabilities })
    }
}

/// The mean of each class over the positions of a class map; one position for a vector of scores.
pub(crate) fn spatial_means(numbers: &[f32], classes: usize) -> Vec<f32> {
    let positions = numbers.len() / classes.max(1);
    let mean = |map: &[f32]| map.iter().map(|&number| f64::from(number)).sum::<f64>() / positions as f64;
    numbers.chunks_exact(positions.max(1)).map(|map| mean(map) as f32).collect()
}

/// Exponentials normalised to sum to one.
fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = scores.iter().map(|&score| f64::from(score - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|number| (number / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_without_overflow() {
        assert_eq!(softmax(&[1000.0, 1000.0]), [0.5, 0.5]);
        let sum: f32 = softmax(&[-3.0, 0.5, 2.0]).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn class_maps_are_averaged() {
        assert_eq!(spatial_means(&[1.0, 3.0, 5.0, 5.0], 2), [2.0, 5.0]);
    }
}
