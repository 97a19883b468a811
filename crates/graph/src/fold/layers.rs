//! Layers whose operands are all constant.

use super::{dot, for_each_position, matrix_product, spread, strides};
use crate::op::{BatchNormalization, EpsilonPlacement, InnerProduct, MeanVarianceNormalization};
use crate::{Constant, Shape};

pub(super) fn normalise(op: &MeanVarianceNormalization, operand: &Constant) -> Vec<f64> {
    let extents = operand.shape().extents();
    let own = strides(extents);
    let kept: Vec<usize> =
        (0..own.len()).map(|axis| if op.axes.contains(&axis) { 0 } else { own[axis] }).collect();
    let count: usize = op.axes.iter().map(|&axis| extents[axis]).product();
    let mut numbers = operand.numbers().into_owned();
    // One place for each group, where its first element stands.
    let sums = |numbers: &[f64], term: fn(f64) -> f64| {
        let mut sums = vec![0.0; numbers.len()];
        for_each_position(extents, |index, position| sums[dot(position, &kept)] += term(numbers[index]));
        sums
    };
    let means = sums(&numbers, |x| x);
    for_each_position(extents, |index, position| {
        numbers[index] -= means[dot(position, &kept)] / count as f64;
    });
    if op.variance {
        let squares = sums(&numbers, |x| x * x);
        let epsilon = f64::from(op.epsilon);
        for_each_position(extents, |index, position| {
            let variance = squares[dot(position, &kept)] / count as f64;
            numbers[index] /= match op.placement {
                EpsilonPlacement::InsideRoot => (variance + epsilon).sqrt(),
                EpsilonPlacement::OutsideRoot => variance.sqrt() + epsilon,
            };
        });
    }
    numbers
}

pub(super) fn batch_normalise(op: &BatchNormalization, operands: &[&Constant]) -> Vec<f64> {
    let shape = operands[0].shape();
    let axis = BatchNormalization::channel_axis(shape.rank());
    let parameters: Vec<_> = operands[1..].iter().map(|operand| operand.numbers()).collect();
    let mut numbers = operands[0].numbers().into_owned();
    for_each_position(shape.extents(), |index, position| {
        let of = |parameter: usize| parameters.get(parameter).map(|numbers| numbers[position[axis]]);
        let deviation = (of(1).unwrap_or(1.0) + f64::from(op.epsilon)).sqrt();
        let normalised = (numbers[index] - of(0).unwrap_or(0.0)) / deviation;
        numbers[index] = normalised * of(2).unwrap_or(1.0) + of(3).unwrap_or(0.0);
    });
    numbers
}

pub(super) fn inner_product(op: &InnerProduct, operands: &[&Constant]) -> Vec<f64> {
    let shape = operands[0].shape();
    let (rows, inner) = (shape.product(0..op.axis), shape.product(op.axis..shape.rank()));
    let outputs = operands[1].shape().extents()[usize::from(op.transposed)];
    let reshaped = |constant: &Constant, extents: [usize; 2]| {
        Shape::new(extents).and_then(|shape| constant.reshaped(shape))
    };
    let weights = operands[1].numbers();
    let turned = (!op.transposed).then(|| {
        let turned = (0..inner * outputs).map(|at| weights[at % outputs * inner + at / outputs]).collect();
        Constant::new(Shape::new([inner, outputs])?, turned)
    });
    let right = turned.unwrap_or_else(|| Ok(operands[1].clone()));
    let (Ok(left), Ok(right), Ok(result)) =
        (reshaped(operands[0], [rows, inner]), right, Shape::new([rows, outputs]))
    else {
        return Vec::new();
    };
    let mut numbers = matrix_product(&[&left, &right], &result);
    if let Some(bias) = operands.get(2) {
        numbers.iter_mut().zip(spread(bias, &result)).for_each(|(number, bias)| *number += bias);
    }
    numbers
}
