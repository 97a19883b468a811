//! Smooth gates of rectifiers, [`BackwardRule::Smooth`](crate::BackwardRule).

use rayon::prelude::*;

use super::parallel::{GRAIN, map2};
use super::simd::vectorised;

/// The share of a gradient that passes a threshold which an argument exceeds by so many deviations: within 0.012 of the logistic
/// function of twice as much, but a quotient, which vectors of numbers have at the price of one, and 0 and 1 from 3 on.
#[inline(always)]
pub(super) fn openness(excess: f32) -> f32 {
    let excess = excess.clamp(-3.0, 3.0);
    let square = excess * excess;
    0.5 + 0.5 * excess * (27.0 + square) / (27.0 + 9.0 * square)
}

/// One over the standard deviation of some numbers; 0 where all are equal, which leaves every gate half open.
///
/// Sums are of fixed pieces in their order, so that the number of threads changes nothing.
pub(super) fn inverse_deviation(numbers: &[f32]) -> f32 {
    let pieces: Vec<[f64; 2]> = numbers.par_chunks(GRAIN).map(sums).collect();
    let [sum, squares] = pieces.iter().fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
    let count = numbers.len().max(1) as f64;
    let mean = sum / count;
    // Double precision leaves enough of this difference for single precision's numbers.
    let variance = squares / count - mean * mean;
    if variance > mean * mean * f64::from(f32::EPSILON).powi(2) {
        (1.0 / variance.sqrt()) as f32
    } else {
        0.0
    }
}

/// The sum of some numbers and that of their squares.
fn sums(numbers: &[f32]) -> [f64; 2] {
    const LANES: usize = 16;
    vectorised(
        #[inline(always)]
        || {
            let (mut sums, mut squares) = ([0.0f64; LANES], [0.0f64; LANES]);
            let blocks = numbers.chunks_exact(LANES);
            let rest = blocks.remainder();
            for block in blocks {
                for lane in 0..LANES {
                    let number = f64::from(block[lane]);
                    sums[lane] += number;
                    squares[lane] += number * number;
                }
            }
            for &number in rest {
                sums[0] += f64::from(number);
                squares[0] += f64::from(number).powi(2);
            }
            [sums.iter().sum(), squares.iter().sum()]
        },
    )
}

/// What comes back through a rectifier with some slope below zero, for the arguments and gradients of `pictures` pictures.
pub(super) fn backward_rectifier(pictures: usize, slope: f32, x: &[f32], g: &[f32], target: &mut [f32]) {
    for_each_picture(pictures, x, g, target, |scale, x, g, target| {
        map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| g * (slope + (1.0 - slope) * openness(scale * x)),
        );
    });
}

/// The same through a clip: both bounds are such gates.
pub(super) fn backward_clip(
    pictures: usize,
    [minimum, maximum]: [f32; 2],
    x: &[f32],
    g: &[f32],
    target: &mut [f32],
) {
    for_each_picture(pictures, x, g, target, |scale, x, g, target| {
        // A bound at infinity is none; no number of deviations leads there.
        let [has_minimum, has_maximum] = [minimum, maximum].map(f32::is_finite);
        let gate = move |is_there: bool, excess: f32| if is_there { openness(scale * excess) } else { 1.0 };
        map2(
            x,
            g,
            target,
            #[inline(always)]
            move |x, g| g * gate(has_minimum, x - minimum) * gate(has_maximum, maximum - x),
        );
    });
}

fn for_each_picture(
    pictures: usize,
    x: &[f32],
    g: &[f32],
    target: &mut [f32],
    work: impl Fn(f32, &[f32], &[f32], &mut [f32]),
) {
    let size = (x.len() / pictures.max(1)).max(1);
    for ((x, g), target) in x.chunks(size).zip(g.chunks(size)).zip(target.chunks_mut(size)) {
        work(inverse_deviation(x), x, g, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_the_definition() {
        let numbers: Vec<f32> = (0..100_000u32).map(|index| (index % 7) as f32).collect();
        let mean = numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|&number| (f64::from(number) - mean).powi(2)).sum::<f64>() / 1e5;
        assert!((f64::from(inverse_deviation(&numbers)) * variance.sqrt() - 1.0).abs() < 1e-6);
        assert_eq!(inverse_deviation(&[3.0; 5]), 0.0);
        assert_eq!(inverse_deviation(&[]), 0.0);
    }

    #[test]
    fn where_all_arguments_are_equal_gates_are_half_open_and_bounds_at_infinity_are_none() {
        for (bounds, expected) in [
            ([0.0, 6.0], 0.25),
            ([f32::NEG_INFINITY, 6.0], 0.5),
            ([0.0, f32::INFINITY], 0.5),
            ([f32::NEG_INFINITY, f32::INFINITY], 1.0),
        ] {
            let mut found = [f32::NAN; 4];
            backward_clip(2, bounds, &[3.0; 4], &[1.0; 4], &mut found);
            assert_eq!(found, [expected; 4]);
        }
    }

    #[test]
    fn gates_open_as_logistic_functions_do() {
        for step in -400..=400i16 {
            let excess = f32::from(step) / 100.0;
            let logistic = 1.0 / (1.0 + (-2.0 * excess).exp());
            assert!((openness(excess) - logistic).abs() < 0.012, "{excess}");
            assert!(openness(excess) + 1e-7 >= openness(excess - 0.01), "{excess}");
        }
        let ends = [-3.0, -f32::INFINITY, f32::MIN, 0.0, f32::MAX, f32::INFINITY, 3.0].map(openness);
        assert_eq!(ends, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]);
    }
}
