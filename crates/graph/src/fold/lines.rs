//! What is computed line by line along an axis, of constants.

use crate::Shape;
use crate::op::{CumulativeSum, Resample, TieRule, TopK};

/// What `work` makes of each line along an axis; all of one length.
pub(super) fn each_line(
    numbers: &[f64],
    shape: &Shape,
    axis: usize,
    mut work: impl FnMut(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let (outer, extent) = (shape.product(0..axis), shape.extents()[axis]);
    let inner = shape.product(axis + 1..shape.rank());
    let mut result = Vec::new();
    let mut line = vec![0.0; extent];
    for block in 0..outer {
        for lane in 0..inner {
            for (at, number) in line.iter_mut().enumerate() {
                *number = numbers[(block * extent + at) * inner + lane];
            }
            let made = work(&line);
            let first = block * made.len() * inner + lane;
            result.resize(outer * made.len() * inner, 0.0);
            made.into_iter().enumerate().for_each(|(at, number)| result[first + at * inner] = number);
        }
    }
    result
}

pub(super) fn softmax(line: &[f64]) -> Vec<f64> {
    let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = line.iter().map(|number| (number - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|number| number / sum).collect()
}

pub(super) fn log_softmax(line: &[f64]) -> Vec<f64> {
    let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = line.iter().map(|number| (number - largest).exp()).sum();
    line.iter().map(|number| number - largest - sum.ln()).collect()
}

pub(super) fn cumulative_sum(op: &CumulativeSum, line: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; line.len()];
    let mut sum = 0.0;
    for step in 0..line.len() {
        let at = if op.reverse { line.len() - 1 - step } else { step };
        sums[at] = if op.exclusive { sum } else { sum + line[at] };
        sum += line[at];
    }
    sums
}

pub(super) fn resample(op: &Resample, line: &[f64]) -> Vec<f64> {
    let sum = |taps: &Vec<(usize, f32)>| taps.iter().map(|&(at, weight)| line[at] * f64::from(weight)).sum();
    op.taps.iter().map(sum).collect()
}

/// The positions of the largest numbers.
pub(super) fn largest(op: &TopK, line: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..line.len()).collect();
    order.sort_by(|&a, &b| {
        let ties = match op.ties {
            TieRule::LargerPosition => b.cmp(&a),
            TieRule::SmallerPosition => a.cmp(&b),
        };
        // What is no number comes last.
        let by_value = line[b].partial_cmp(&line[a]);
        by_value.unwrap_or_else(|| line[a].is_nan().cmp(&line[b].is_nan())).then(ties)
    });
    order.truncate(op.k);
    order
}
