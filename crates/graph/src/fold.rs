//! Constant folding: what an operator makes of operands that are all known.
//!
//! Files compute shapes from shapes (Shape → Gather → Concat → Reshape), cast and dequantise their weights, and write
//! numbers as little graphs. Importers fold all that while they read, so that it never becomes nodes.

mod indexed;
mod layers;
mod lines;

use std::borrow::Cow;

use self::lines::each_line;
use crate::cost::operations_of;
use crate::op::{Binary, Eltwise, Function, Places, Reduce, Reduction, Unary, Visitor};
use crate::{Budget, Constant, Op, OverBudget, Shape};

/// What `op` computes from constants, in double precision. The results hold memory of the budget
/// while they live.
///
/// `None` where the operator is none that is folded (convolutions and their like), or where operands do not fit; the
/// operator then becomes a node, whose shape inference says what is wrong.
///
/// # Errors
/// When the work or the memory is more than the budget has left.
pub fn fold(op: &Op, operands: &[&Constant], budget: &Budget) -> Result<Option<Vec<Constant>>, OverBudget> {
    let shapes: Vec<&Shape> = operands.iter().map(|operand| operand.shape()).collect();
    let Ok(results) = op.operator().infer(&shapes) else { return Ok(None) };
    if let Some(number) = uniform(op, operands, &results) {
        return Ok(Some(results.into_iter().map(|shape| Constant::filled(shape, number)).collect()));
    }
    if matches!(op, Op::Identity(_) | Op::Reshape(_)) {
        // Nothing is computed or copied.
        return Ok(compute(op, operands, &results));
    }
    let elements =
        |shapes: &mut dyn Iterator<Item = &Shape>| shapes.map(|shape| shape.elements() as u64).sum::<u64>();
    let made = elements(&mut results.iter());
    let products = operations_of(op, &shapes, &results) / 2;
    budget.spend(elements(&mut shapes.iter().copied()) + function_cost(op) * made, products)?;
    let copies: u64 = operands
        .iter()
        .filter(|operand| !operand.is_computed())
        .map(|operand| operand.computed_bytes())
        .sum();
    let copies = budget.hold(copies)?;
    // Tried here, held by the results.
    drop(budget.hold(made * size_of::<f64>() as u64)?);
    let Some(constants) = compute(op, operands, &results) else { return Ok(None) };
    drop(copies);
    constants.into_iter().map(|constant| constant.held_by(budget)).collect::<Result<_, _>>().map(Some)
}

/// How many elements could be copied while one result is computed, about.
fn function_cost(op: &Op) -> u64 {
    match op {
        Op::Unary(
            Unary::Relu { .. } | Unary::Clip { .. } | Unary::Absolute | Unary::Sign | Unary::Round(_),
        )
        | Op::Unary(Unary::Threshold { .. } | Unary::Power { power: 1.0, .. })
        | Op::Binary(Binary::Divide) => 1,
        Op::Unary(_) | Op::Binary(Binary::Power) => 8,
        _ => 1,
    }
}

/// The number that all elements of all results have, where every operand is one number many times: such
/// tensors stay one number, however large they are.
fn uniform(op: &Op, operands: &[&Constant], results: &[Shape]) -> Option<f64> {
    let numbers: Vec<f64> = operands.iter().map(|operand| operand.uniform()).collect::<Option<_>>()?;
    let &first = numbers.first()?;
    let elements = operands[0].shape().elements();
    let made = results.first()?.elements();
    match op {
        Op::Unary(function) => function.accept(Map(&[first])).first().copied(),
        Op::Binary(function) => binary(*function, first, *numbers.get(1)?),
        Op::Eltwise(_) | Op::Select(_) => {
            let scalars: Vec<Constant> =
                numbers.iter().map(|&number| Constant::filled(Shape::scalar(), number)).collect();
            let scalars: Vec<&Constant> = scalars.iter().collect();
            compute(op, &scalars, &[Shape::scalar()])?.first()?.uniform()
        }
        Op::Identity(_)
        | Op::Reshape(_)
        | Op::Slice(_)
        | Op::Split(_)
        | Op::Take(_)
        | Op::Tile(_)
        | Op::Transpose(_) => Some(first),
        Op::Concat(_) => numbers.iter().all(|number| number.to_bits() == first.to_bits()).then_some(first),
        Op::Pad(pad) => (f64::from(pad.value).to_bits() == first.to_bits()).then_some(first),
        Op::Reduce(op) if elements > 0 && made > 0 => {
            let count = (elements / made) as f64;
            let reduced = match op.reduction {
                Reduction::Sum => first * count,
                Reduction::AbsoluteSum => first.abs() * count,
                Reduction::SquareSum => first * first * count,
                Reduction::Product => first.powf(count),
                Reduction::Mean | Reduction::Maximum | Reduction::Minimum => first,
            };
            Some(reduced * f64::from(op.coefficient))
        }
        Op::MatrixProduct(_) => {
            let inner = operands[0].shape().extents().last().copied().unwrap_or(1);
            Some(first * *numbers.get(1)? * inner as f64)
        }
        _ => None,
    }
}

/// What `op` computes, where it is folded; its operands are known to fit.
fn compute(op: &Op, operands: &[&Constant], results: &[Shape]) -> Option<Vec<Constant>> {
    let shapes: Vec<&Shape> = operands.iter().map(|operand| operand.shape()).collect();
    let first = || operands[0].numbers();
    let shape = &results[0];
    let single = |numbers: Vec<f64>| Some(vec![Constant::new(shape.clone(), numbers).ok()?]);
    match op {
        Op::Identity(_) => Some(vec![operands[0].clone()]),
        Op::Reshape(_) => Some(vec![operands[0].reshaped(shape.clone()).ok()?]),
        Op::Unary(function) => single(function.accept(Map(&first()))),
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
        Op::GatherElements(op) => {
            let places = Places::of_elements(shapes[0], shapes[1], op.axis).ok()?;
            single(indexed::gather(&places, operands[0], operands[1]))
        }
        Op::GatherNd(op) => {
            let places = Places::of_slices(shapes[0], shapes[1], op.batch_axes).ok()?;
            single(indexed::gather(&places, operands[0], operands[1]))
        }
        Op::ScatterElements(op) => {
            let places = Places::of_elements(shapes[0], shapes[1], op.axis).ok()?;
            single(indexed::scatter(&places, op.reduction, [operands[0], operands[1], operands[2]]))
        }
        Op::ScatterNd(op) => {
            let places = Places::of_slices(shapes[0], shapes[1], 0).ok()?;
            single(indexed::scatter(&places, op.reduction, [operands[0], operands[1], operands[2]]))
        }
        Op::CumulativeSum(op) => {
            single(each_line(&first(), shapes[0], op.axis, |line| lines::cumulative_sum(op, line)))
        }
        Op::Softmax(op) => single(each_line(&first(), shapes[0], op.axis, lines::softmax)),
        Op::LogSoftmax(op) => single(each_line(&first(), shapes[0], op.axis, lines::log_softmax)),
        Op::Resample(op) => single(each_line(&first(), shapes[0], op.axis, |line| lines::resample(op, line))),
        Op::TopK(op) => {
            let numbers = first();
            let of = |choose: fn(&[f64], usize) -> f64| {
                let line =
                    |line: &[f64]| lines::largest(op, line).iter().map(|&at| choose(line, at)).collect();
                Constant::new(shape.clone(), each_line(&numbers, shapes[0], op.axis, line)).ok()
            };
            Some(vec![of(|line, at| line[at])?, of(|_, at| at as f64)?])
        }
        Op::MeanVarianceNormalization(op) => single(layers::normalise(op, operands[0])),
        Op::BatchNormalization(op) => single(layers::batch_normalise(op, operands)),
        Op::InnerProduct(op) => single(layers::inner_product(op, operands)),
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

/// The elements of a constant broadcast to a shape, in C order.
fn spread<'a>(constant: &'a Constant, shape: &Shape) -> impl Iterator<Item = f64> + use<'a> {
    let own = constant.shape().extents();
    let lead = shape.rank() - own.len();
    let mut along = vec![0; shape.rank()];
    for (axis, stride) in strides(own).into_iter().enumerate() {
        along[lead + axis] = if own[axis] == 1 { 0 } else { stride };
    }
    let uniform = constant.uniform();
    let numbers = if uniform.is_some() { Cow::Borrowed(&[][..]) } else { constant.numbers() };
    let extents = shape.extents().to_vec();
    let (mut position, mut place) = (vec![0; extents.len()], 0);
    (0..shape.elements()).map(move |_| {
        if let Some(number) = uniform {
            return number;
        }
        let number = numbers[place];
        for axis in (0..extents.len()).rev() {
            position[axis] += 1;
            place += along[axis];
            if position[axis] < extents[axis] {
                break;
            }
            place -= along[axis] * extents[axis];
            position[axis] = 0;
        }
        number
    })
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
        Binary::BitwiseAnd => (a as i64 & b as i64) as f64,
        Binary::BitwiseOr => (a as i64 | b as i64) as f64,
        Binary::BitwiseXor => (a as i64 ^ b as i64) as f64,
    })
}

/// A function of each number of a constant.
struct Map<'a>(&'a [f64]);

impl Visitor for Map<'_> {
    type Output = Vec<f64>;

    fn visit(self, function: impl Function) -> Vec<f64> {
        self.0.iter().map(|&x| function.value(x)).collect()
    }
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
            let start = result.len();
            result.resize(start + columns, 0.0);
            let sums = &mut result[start..];
            // Row by row of the right matrix, so that what is read lies side by side.
            for k in 0..inner {
                let factor = left[row * inner + k];
                for (sum, term) in sums.iter_mut().zip(&right[k * columns..]) {
                    *sum += factor * term;
                }
            }
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interrupt;
    use crate::op::{
        AxisRange, Concat, Extent, MatrixProduct, Pad, Reshape, Select, Slice, Split, Take, Tile, Transpose,
        Unary,
    };

    fn constant(extents: &[usize], numbers: &[f64]) -> Constant {
        Constant::new(Shape::new(extents).unwrap(), numbers.to_vec()).unwrap()
    }

    #[track_caller]
    fn folds(op: impl Into<Op>, operands: &[&Constant], expected: &[(&[usize], &[f64])]) {
        let budget = Budget::for_file(0, Interrupt::default());
        let results = fold(&op.into(), operands, &budget).unwrap().unwrap();
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

    /// `0, 1, 2, …`, which is not one number many times.
    fn range(count: usize) -> Constant {
        let numbers: Vec<f64> = (0..count).map(|index| index as f64).collect();
        constant(&[count], &numbers)
    }

    #[test]
    fn what_would_be_enormous_is_refused() {
        let budget = Budget::for_file(0, Interrupt::default());
        let tile = Tile { axis: 0, repeats: 1 << 26 };
        let error = fold(&tile.into(), &[&range(2)], &budget).unwrap_err().to_string();
        assert!(error.contains("elements") || error.contains("bytes"), "{error}");
        let column = constant(&[2048, 1], range(2048).numbers().as_ref());
        let square = fold(&Tile { axis: 1, repeats: 2048 }.into(), &[&column], &budget).unwrap().unwrap();
        let error = fold(&MatrixProduct.into(), &[&square[0], &square[0]], &budget).unwrap_err().to_string();
        assert!(error.contains("multiplications"), "{error}");
    }

    #[test]
    fn operands_that_do_not_fit_are_left_to_shape_inference() {
        let budget = Budget::for_file(0, Interrupt::default());
        let misfit = Op::from(Binary::Divide);
        let operands = [&constant(&[2], &[1.0, 2.0]), &constant(&[3], &[1.0; 3])];
        assert!(fold(&misfit, &operands, &budget).unwrap().is_none());
    }

    #[test]
    fn memory_of_constants_that_are_gone_is_free_again() {
        let budget = Budget::for_file(0, Interrupt::default());
        let mut last = range(1 << 21);
        for _ in 0..20 {
            let negated = Eltwise::Sum { coefficients: vec![-1.0] };
            last = fold(&negated.into(), &[&last], &budget).unwrap().unwrap().remove(0);
        }
        assert_eq!(last.numbers()[3], 3.0);
    }

    /// What all operators make of tensors that are one number is what they make of the same tensors written out.
    #[test]
    fn one_number_many_times_stays_one_number() {
        let (two, three) = ([2usize, 3].as_slice(), [3usize, 2].as_slice());
        let reduce = |reduction| Reduce { reduction, axes: vec![0], keep_axes: false, coefficient: 0.5 };
        type Filled<'a> = (&'a [usize], f64);
        let cases: Vec<(Op, Vec<Filled<'_>>)> = vec![
            (Unary::Sigmoid.into(), vec![(two, 0.25)]),
            (Binary::Power.into(), vec![(two, 1.5), (&[3], 2.0)]),
            (Eltwise::Sum { coefficients: vec![2.0, -1.0] }.into(), vec![(two, 1.5), (&[1], 4.0)]),
            (Select.into(), vec![(&[1], 0.0), (two, 1.0), (two, 7.0)]),
            (Transpose { permutation: vec![1, 0] }.into(), vec![(two, 3.0)]),
            (Take { axis: 1, positions: vec![2, 0, 0, 1] }.into(), vec![(two, 3.0)]),
            (Split { axis: 1, sizes: vec![1, 2] }.into(), vec![(two, 3.0)]),
            (Tile { axis: 0, repeats: 4 }.into(), vec![(two, 3.0)]),
            (Concat { axis: 0 }.into(), vec![(two, 3.0), (two, 3.0)]),
            (Pad { before: vec![0, 1], behind: vec![1, 0], value: 3.0 }.into(), vec![(two, 3.0)]),
            (MatrixProduct.into(), vec![(two, 3.0), (three, -0.5)]),
            (reduce(Reduction::Sum).into(), vec![(two, 3.0)]),
            (reduce(Reduction::Mean).into(), vec![(two, 3.0)]),
            (reduce(Reduction::AbsoluteSum).into(), vec![(two, -3.0)]),
            (reduce(Reduction::SquareSum).into(), vec![(two, 3.0)]),
            (reduce(Reduction::Product).into(), vec![(two, -3.0)]),
            (reduce(Reduction::Maximum).into(), vec![(two, 3.0)]),
        ];
        let budget = Budget::for_file(0, Interrupt::default());
        for (op, operands) in cases {
            let filled: Vec<Constant> = operands
                .iter()
                .map(|(extents, number)| Constant::filled(Shape::new(*extents).unwrap(), *number))
                .collect();
            let written: Vec<Constant> =
                filled.iter().map(|filled| constant(filled.shape().extents(), &filled.numbers())).collect();
            let results = fold(&op, &filled.iter().collect::<Vec<_>>(), &budget).unwrap().unwrap();
            let shapes: Vec<&Shape> = written.iter().map(Constant::shape).collect();
            let inferred = op.operator().infer(&shapes).unwrap();
            let expected = compute(&op, &written.iter().collect::<Vec<_>>(), &inferred).unwrap();
            assert_eq!(results.len(), expected.len());
            for (result, expected) in results.iter().zip(&expected) {
                assert!(result.uniform().is_some(), "{op:?}");
                assert_eq!(result.shape(), expected.shape(), "{op:?}");
                assert_eq!(result.numbers(), expected.numbers(), "{op:?}");
            }
        }
    }
}
