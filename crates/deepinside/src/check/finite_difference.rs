//! Central differences in single precision.

use crate::random::Random;

/// Steps relative to the size of what is moved. Rounding spoils the small ones and rectifiers that switch the large ones, so of
/// several the one that agrees best is meant: a wrong gradient agrees at none.
pub const STEPS: [f64; 3] = [3e-2, 3e-3, 3e-4];

/// The points before and behind `origin`, and the way between them as single precision really has it. Its root mean square is `2 ·
/// step` times that of the origin.
pub fn along(origin: &[f32], direction: &[f32], step: f64) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let size = |numbers: &[f32]| norm(numbers) / (numbers.len().max(1) as f64).sqrt();
    let reach = match (size(origin), size(direction)) {
        (_, 0.0) => 0.0,
        (0.0, own) => step / own,
        (whole, own) => step * whole / own,
    } as f32;
    let plus: Vec<f32> = origin.iter().zip(direction).map(|(at, way)| at + reach * way).collect();
    let minus: Vec<f32> = origin.iter().zip(direction).map(|(at, way)| at - reach * way).collect();
    let moved = difference(&plus, &minus);
    (plus, minus, moved)
}

/// The first minus the second.
pub fn difference(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

/// As many normal numbers.
pub fn random_direction(count: usize, random: &mut Random) -> Vec<f32> {
    (0..count).map(|_| random.normal() as f32).collect()
}

/// The scalar product.
pub fn product(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(&one, &other)| f64::from(one) * f64::from(other)).sum()
}

/// The Euclidean norm.
pub fn norm(numbers: &[f32]) -> f64 {
    product(numbers, numbers).sqrt()
}

/// An error as a share of the whole; none of nothing is 0.
pub fn share(error: f64, whole: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_twice_the_step_of_the_origins_size() {
        let (plus, minus, moved) = along(&[3.0, -3.0, 3.0, 3.0], &[1.0, 1.0, -1.0, 1.0], 0.5);
        assert_eq!(plus, [4.5, -1.5, 1.5, 4.5]);
        assert_eq!(minus, [1.5, -4.5, 4.5, 1.5]);
        assert_eq!(moved, [3.0, 3.0, -3.0, 3.0]);
        assert_eq!(along(&[0.0; 2], &[2.0, 2.0], 0.5).0, [0.5; 2]);
        assert_eq!(along(&[1.0; 2], &[0.0; 2], 0.5).2, [0.0; 2]);
    }
}
