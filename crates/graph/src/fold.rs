//! Constant folding: what an operator makes of operands that are all known.
//!
//! Files compute shapes from shapes (Shape → Gather → Concat → Reshape), cast and dequantise their weights, and write
//! numbers as little graphs. Importers fold all that while they read, so that it never becomes nodes.

use crate::op::{Binary, Eltwise, Reduce, Reduction, Rounding, Unary};
use crate::{Constant, Op, Shape};

/// The largest constant that is computed, in elements: 64 Mi, 512 MB in double precision while it is made.
const LARGEST: usize = 1 << 26;

/// What `op` computes from constants, in double precision.
///
/// `None` where the operator is none that is folded (convolutions and their like), where operands do not fit, or where the
/// result would be larger than 64 Mi elements; the operator then becomes a node, whose shape inference says what is
/// wrong.
pub fn fold(op: &Op, operands: &[&Constant]) -> Option<Vec<Constant>> {
    let shapes: Vec<&Shape> = operands.iter().map(|operand| operand.shape()).collect();
    let results = op.operator().infer(&shapes).ok()?;
    if results.iter().map(Shape::elements).sum::<usize>() > LARGEST {
        return None;
    }
    let first = || operands[0].numbers();
    let shape = &results[0];
    let single = |numbers: Vec<f64>| Some(vec![Constant::new(shape.clone(), numbers).ok()?]);
    match op {
        Op::Identity(_) => Some(vec![operands[0].clone()]),
        Op::Reshape(_) => Some(vec![operands[0].reshaped(shape.clone()).ok()?]),
        Op::Unary(function) => {
            single(first().iter().map(|&x| unary(function, x)).collect::<Option<Vec<f64>>>()?)
        }
        Op::Eltwise(function) => single(eltwise(function, operands, shape)),
        Op::Binary(function) => {
            let (a, b) = (spread(operands[0], shape), spread(operands[1], shape));
            single(a.zip(b).map(|(a, b)| binary(*function, a, b)).collect::<Option<Vec<f64>>>()?)
        }
        Op::Select(_) => {
            let choices = spread(operands[1], shape).zip(spread(operands[2], shape));
            let chosen = spread(operands[0], shape).zip(choices);
            single(chosen.map(|(condition, (a, b))| if condition != 0.0 { a } else { b }).collect())
        }
        Op::Transpose(transpose) => {
            let strides = strides(shapes[0].extents());
            let own: Vec<usize> = transpose.permutation.iter().map(|&axis| strides[axis]).collect();
            single(read(shape, &first(), |position| dot(position, &own)))
        }
        Op::Take(take) => {
            let strides = strides(shapes[0].extents());
            single(read(shape, &first(), |position| {
                let moved = take.positions[position[take.axis]] * strides[take.axis];
                dot(position, &strides) - position[take.axis] * strides[take.axis] + moved
            }))
        }
        Op::Slice(slice) => {
            let strides = strides(shapes[0].extents());
            let start: usize = slice.ranges.iter().map(|range| range.start * strides[range.axis]).sum();
            single(read(shape, &first(), |position| start + dot(position, &strides)))
        }
        Op::Tile(tile) => {
            let (strides, extent) = (strides(shapes[0].extents()), shapes[0].extents()[tile.axis]);
            single(read(shape, &first(), |position| {
                let own = position[tile.axis] % extent.max(1);
                dot(position, &strides) - (position[tile.axis] - own) * strides[tile.axis]
            }))
        }
        Op::Split(split) => {
            let (numbers, strides) = (first(), strides(shapes[0].extents()));
            let mut start = 0;
            let part = |(shape, size): (&Shape, &usize)| {
                let offset = start * strides[split.axis];
                start += size;
                Constant::new(
                    shape.clone(),
                    read(shape, &numbers, |position| offset + dot(position, &strides)),
                )
                .ok()
            };
            results.iter().zip(&split.sizes).map(part).collect()
        }
        Op::Concat(concat) => {
            let inner: usize = shape.product(concat.axis + 1..shape.rank());
            let numbers: Vec<_> = operands.iter().map(|operand| operand.numbers()).collect();
            let mut joined = Vec::with_capacity(shape.elements());
            for outer in 0..shape.product(0..concat.axis) {
                for (numbers, own) in numbers.iter().zip(&shapes) {
                    let row = own.extents()[concat.axis] * inner;
                    joined.extend_from_slice(&numbers[outer * row..(outer + 1) * row]);
                }
            }
            single(joined)
        }
        Op::Pad(pad) => {
            let numbers = first();
            let mut padded = vec![f64::from(pad.value); shape.elements()];
            let strides = strides(shape.extents());
            for_each_position(shapes[0].extents(), |index, position| {
                padded[dot(position, &strides) + dot(&pad.before, &strides)] = numbers[index];
            });
            single(padded)
        }
        Op::Reduce(op) => single(reduce(op, operands[0], shape)),
        Op::MatrixProduct(_) => single(matrix_product(operands, shape)),
        _ => None,
    }
}

/// How many elements lie between neighbours along each axis.
fn strides(extents: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; extents.len()];
    for axis in (1..extents.len()).rev() {
        strides[axis - 1] = strides[axis] * extents[axis];
    }
    strides
}

fn dot(position: &[usize], strides: &[usize]) -> usize {
    position.iter().zip(strides).map(|(position, stride)| position * stride).sum()
}

/// Calls `work` with every index and position in C order.
fn for_each_position(extents: &[usize], mut work: impl FnMut(usize, &[usize])) {
    let mut position = vec![0; extents.len()];
    for index in 0..extents.iter().product() {
        work(index, &position);
        for axis in (0..extents.len()).rev() {
            position[axis] += 1;
            if position[axis] < extents[axis] {
                break;
            }
            position[axis] = 0;
        }
    }
}

/// A tensor of that shape whose elements stand in `numbers` where `place` says.
fn read(shape: &Shape, numbers: &[f64], place: impl Fn(&[usize]) -> usize) -> Vec<f64> {
    let mut target = Vec::with_capacity(shape.elements());
    for_each_position(shape.extents(), |_, position| target.push(numbers[place(position)]));
    target
}

/// The elements of a constant broadcast to a shape.
fn spread(constant: &Constant, shape: &Shape) -> impl Iterator<Item = f64> {
    let own = constant.shape().extents();
    let lead = shape.rank() - own.len();
    let mut along = vec![0; shape.rank()];
    for (axis, stride) in strides(own).into_iter().enumerate() {
        along[lead + axis] = if own[axis] == 1 { 0 } else { stride };
    }
    read(shape, &constant.numbers(), |position| dot(position, &along)).into_iter()
}

fn eltwise(function: &Eltwise, operands: &[&Constant], shape: &Shape) -> Vec<f64> {
    let mut result: Vec<f64> = Vec::new();
    for (index, operand) in operands.iter().enumerate() {
        let factor = match function {
            Eltwise::Sum { coefficients } => f64::from(coefficients[index]),
            _ => 1.0,
        };
        let terms = spread(operand, shape).map(|term| factor * term);
        if index == 0 {
            result = terms.collect();
            continue;
        }
        for (result, term) in result.iter_mut().zip(terms) {
            *result = match function {
                Eltwise::Sum { .. } => *result + term,
                Eltwise::Product => *result * term,
                Eltwise::Maximum => result.max(term),
                Eltwise::Minimum => result.min(term),
            };
        }
    }
    result
}

fn binary(function: Binary, a: f64, b: f64) -> Option<f64> {
    Some(match function {
        Binary::Divide => a / b,
        Binary::Power => a.powf(b),
        Binary::Equal => f64::from(a == b),
        Binary::Greater => f64::from(a > b),
        Binary::GreaterOrEqual => f64::from(a >= b),
        Binary::Less => f64::from(a < b),
        Binary::LessOrEqual => f64::from(a <= b),
    })
}

/// The functions that files compute constants with; `None` for the others.
fn unary(function: &Unary, x: f64) -> Option<f64> {
    let f = f64::from;
    Some(match *function {
        Unary::Relu { negative_slope } => x.max(0.0) + f(negative_slope) * x.min(0.0),
        Unary::Clip { minimum, maximum } => x.max(f(minimum)).min(f(maximum)),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Tanh => x.tanh(),
        Unary::Absolute => x.abs(),
        Unary::Power { power, scale, shift } => {
            let base = f(scale) * x + f(shift);
            if power == 1.0 { base } else { base.powf(f(power)) }
        }
        Unary::Exponential { inner_scale, outer_scale } => f(outer_scale) * (f(inner_scale) * x).exp(),
        Unary::Logarithm { scale, shift, outer_scale } => f(outer_scale) * (f(scale) * x + f(shift)).ln(),
        Unary::Sign if x == 0.0 => 0.0,
        Unary::Sign => x.signum(),
        Unary::Round(Rounding::Down) => x.floor(),
        Unary::Round(Rounding::Up) => x.ceil(),
        Unary::Round(Rounding::Nearest) => x.round_ties_even(),
        Unary::Round(Rounding::TowardsZero) => x.trunc(),
        Unary::Threshold { threshold } => f64::from(x > f(threshold)),
        _ => return None,
    })
}

fn reduce(op: &Reduce, operand: &Constant, shape: &Shape) -> Vec<f64> {
    let extents = operand.shape().extents();
    let result_strides = strides(shape.extents());
    let mut along = vec![0; extents.len()];
    let mut kept = 0;
    for (axis, along) in along.iter_mut().enumerate() {
        let reduced = op.axes.contains(&axis);
        if !reduced {
            *along = result_strides[if op.keep_axes { axis } else { kept }];
            kept += 1;
        }
    }
    let start = match op.reduction {
        Reduction::Product => 1.0,
        Reduction::Maximum => f64::NEG_INFINITY,
        Reduction::Minimum => f64::INFINITY,
        _ => 0.0,
    };
    let mut result = vec![start; shape.elements()];
    let numbers = operand.numbers();
    for_each_position(extents, |index, position| {
        let (target, x) = (&mut result[dot(position, &along)], numbers[index]);
        *target = match op.reduction {
            Reduction::Sum | Reduction::Mean => *target + x,
            Reduction::AbsoluteSum => *target + x.abs(),
            Reduction::SquareSum => *target + x * x,
            Reduction::Product => *target * x,
            Reduction::Maximum => target.max(x),
            Reduction::Minimum => target.min(x),
        };
    });
    let count = match op.reduction {
        Reduction::Mean => op.axes.iter().map(|&axis| extents[axis]).product::<usize>() as f64,
        _ => 1.0,
    };
    result.into_iter().map(|sum| sum * f64::from(op.coefficient) / count).collect()
}

fn matrix_product(operands: &[&Constant], shape: &Shape) -> Vec<f64> {
    let batch = Shape::new(&shape.extents()[..shape.rank() - 2]).unwrap_or_default();
    let own_strides = |constant: &Constant| {
        let extents = constant.shape().extents();
        let strides = strides(extents);
        let count = extents.len() - 2;
        let mut along = vec![0; batch.rank()];
        for axis in 0..count {
            along[batch.rank() - count + axis] = if extents[axis] == 1 { 0 } else { strides[axis] };
        }
        along
    };
    let (left, right) = (operands[0].numbers(), operands[1].numbers());
    let (left_strides, right_strides) = (own_strides(operands[0]), own_strides(operands[1]));
    let inner = operands[0].shape().extents().last().copied().unwrap_or(1);
    let [rows, columns] = [shape.extents()[shape.rank() - 2], shape.extents()[shape.rank() - 1]];
    let mut result = Vec::with_capacity(shape.elements());
    for_each_position(batch.extents(), |_, position| {
        let (left, right) = (&left[dot(position, &left_strides)..], &right[dot(position, &right_strides)..]);
        for row in 0..rows {
            for column in 0..columns {
                let terms = (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]);
                result.push(terms.sum());
            }
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{
        AxisRange, Concat, Extent, MatrixProduct, Pad, Reshape, Select, Slice, Split, Take, Tile, Transpose,
    };

    fn constant(extents: &[usize], numbers: &[f64]) -> Constant {
        Constant::new(Shape::new(extents).unwrap(), numbers.to_vec()).unwrap()
    }

    #[track_caller]
    fn folds(op: impl Into<Op>, operands: &[&Constant], expected: &[(&[usize], &[f64])]) {
        let results = fold(&op.into(), operands).unwrap();
        let results: Vec<(&[usize], Vec<f64>)> =
            results.iter().map(|result| (result.shape().extents(), result.numbers().to_vec())).collect();
        let expected: Vec<(&[usize], Vec<f64>)> =
            expected.iter().map(|(extents, numbers)| (*extents, numbers.to_vec())).collect();
        assert_eq!(results, expected);
    }

    /// The results are what NumPy gives.
    #[test]
    fn elements_go_where_they_belong() {
        let x = constant(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        folds(Transpose { permutation: vec![1, 0] }, &[&x], &[(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])]);
        folds(Take { axis: 1, positions: vec![2, 0] }, &[&x], &[(&[2, 2], &[3.0, 1.0, 6.0, 4.0])]);
        let ranges = vec![AxisRange { axis: 1, start: 1, size: 2 }, AxisRange { axis: 0, start: 1, size: 1 }];
        folds(Slice { ranges }, &[&x], &[(&[1, 2], &[5.0, 6.0])]);
        folds(
            Tile { axis: 0, repeats: 2 },
            &[&constant(&[2, 1], &[1.0, 2.0])],
            &[(&[4, 1], &[1.0, 2.0, 1.0, 2.0])],
        );
        folds(
            Split { axis: 1, sizes: vec![1, 2] },
            &[&x],
            &[(&[2, 1], &[1.0, 4.0]), (&[2, 2], &[2.0, 3.0, 5.0, 6.0])],
        );
        let y = constant(&[2, 1], &[7.0, 8.0]);
        folds(Concat { axis: 1 }, &[&x, &y], &[(&[2, 4], &[1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0, 8.0])]);
        let pad = Pad { before: vec![0, 1], behind: vec![1, 0], value: 9.0 };
        folds(pad, &[&y], &[(&[3, 2], &[9.0, 7.0, 9.0, 8.0, 9.0, 9.0])]);
        let reshape = Reshape { extents: vec![Extent::Infer, Extent::Fixed(2)] };
        folds(reshape, &[&x], &[(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
    }

    /// The results are what NumPy gives.
    #[test]
    fn numbers_are_computed_with_broadcasting() {
        let x = constant(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let y = constant(&[2], &[10.0, 20.0]);
        let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
        folds(difference, &[&x, &y], &[(&[2, 2], &[-9.0, -18.0, -7.0, -16.0])]);
        folds(Binary::Divide, &[&y, &x], &[(&[2, 2], &[10.0, 10.0, 10.0 / 3.0, 5.0])]);
        let condition = constant(&[2, 1], &[0.0, 1.0]);
        folds(Select, &[&condition, &x, &y], &[(&[2, 2], &[10.0, 20.0, 3.0, 4.0])]);
        folds(MatrixProduct, &[&x, &x], &[(&[2, 2], &[7.0, 10.0, 15.0, 22.0])]);
        let mean = Reduce { reduction: Reduction::Mean, axes: vec![0], keep_axes: false, coefficient: 1.0 };
        folds(mean, &[&x], &[(&[2], &[2.0, 3.0])]);
        let root = Unary::Power { power: 0.5, scale: 1.0, shift: 0.0 };
        folds(root, &[&constant(&[], &[9.0])], &[(&[], &[3.0])]);
    }

    #[test]
    fn what_would_be_enormous_is_left_alone() {
        let x = constant(&[1], &[1.0]);
        assert!(fold(&Tile { axis: 0, repeats: LARGEST + 1 }.into(), &[&x]).is_none());
        let misfit = Op::from(Binary::Divide);
        assert!(fold(&misfit, &[&constant(&[2], &[1.0, 2.0]), &constant(&[3], &[1.0; 3])]).is_none());
    }
}
