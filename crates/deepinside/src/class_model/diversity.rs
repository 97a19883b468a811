//! Pictures that maximise the same and differ: a penalty on how alike their textures are (Olah, Mordvintsev and Schubert 2017).

/// The gradient, for each picture, of minus the mean cosine between its Gram matrix and those of the others, with respect to its
/// activations. `activations` are channels × positions of each picture.
pub(super) fn gradients(activations: &[&[f32]], channels: usize) -> Vec<Vec<f32>> {
    let others = activations.len().saturating_sub(1).max(1) as f64;
    let grams: Vec<(Vec<f64>, f64)> =
        activations.iter().map(|numbers| normalised_gram(numbers, channels)).collect();
    let mut sum = vec![0.0; channels * channels];
    for (gram, _) in &grams {
        sum.iter_mut().zip(gram).for_each(|(sum, number)| *sum += number);
    }
    activations
        .iter()
        .zip(&grams)
        .map(|(numbers, (gram, norm))| {
            // Towards the others' mean, less what would only change the length.
            let to: Vec<f64> = sum.iter().zip(gram).map(|(sum, own)| (sum - own) / others).collect();
            let along: f64 = to.iter().zip(gram).map(|(to, own)| to * own).sum();
            let slope = to.iter().zip(gram).map(|(to, own)| -2.0 * (to - along * own) / norm);
            product(&slope.collect::<Vec<f64>>(), numbers, channels)
        })
        .collect()
}

/// The Gram matrix of the channels, of length one, and its length before.
fn normalised_gram(numbers: &[f32], channels: usize) -> (Vec<f64>, f64) {
    let positions = (numbers.len() / channels.max(1)).max(1);
    let mut gram = vec![0.0; channels * channels];
    for (row, first) in numbers.chunks_exact(positions).enumerate() {
        for (column, second) in numbers.chunks_exact(positions).enumerate().take(row + 1) {
            let product = first.iter().zip(second).map(|(a, b)| f64::from(a * b)).sum();
            gram[row * channels + column] = product;
            gram[column * channels + row] = product;
        }
    }
    let norm = gram.iter().map(|number| number * number).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    gram.iter_mut().for_each(|number| *number /= norm);
    (gram, norm)
}

/// A square matrix times channels × positions.
fn product(matrix: &[f64], numbers: &[f32], channels: usize) -> Vec<f32> {
    let positions = (numbers.len() / channels.max(1)).max(1);
    let mut result = vec![0.0f32; numbers.len()];
    for (weights, to) in matrix.chunks_exact(channels.max(1)).zip(result.chunks_exact_mut(positions)) {
        for (weight, from) in weights.iter().zip(numbers.chunks_exact(positions)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += *weight as f32 * from);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_gradient_is_that_of_central_differences() {
        let mut random = Random::new(4);
        let pictures: Vec<Vec<f32>> =
            (0..3).map(|_| (0..12).map(|_| random.normal() as f32).collect()).collect();
        let likeness = |pictures: &[Vec<f32>]| -> f64 {
            let grams: Vec<Vec<f64>> = pictures.iter().map(|numbers| normalised_gram(numbers, 3).0).collect();
            let cosine =
                |a: usize, b: usize| -> f64 { grams[a].iter().zip(&grams[b]).map(|(a, b)| a * b).sum() };
            -(cosine(0, 1) + cosine(0, 2)) / 2.0
        };
        let slices: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
        let found = &gradients(&slices, 3)[0];
        for index in 0..12 {
            let moved = |by: f32| {
                let mut moved = pictures.clone();
                moved[0][index] += by;
                likeness(&moved)
            };
            let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!((slope - f64::from(found[index])).abs() < 1e-3, "{slope} {}", found[index]);
        }
    }
}
