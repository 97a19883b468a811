//! Reductions.

use deepinside_graph::op::{
    AverageDivisor, Eltwise, Identity, Pool, PoolKind, Reduce, Reduction, Unary, Window,
};

use super::activation::power;
use super::axes::sorted_axes;
use super::failure::{Failure, unsupported};
use super::importer::Importer;
use super::node::Node;

/// Axes are an attribute in earlier operator sets, and an input since 13 (sums) or 18 (the others).
pub(super) fn import<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operand = importer.operand(node, 0)?;
    let shape = importer.shape(&operand);
    let numbers = match node.ints("axes")? {
        Some(axes) => Some(axes.to_vec()),
        None => importer.whole_numbers(node, 1, "the axes")?,
    };
    let keep_axes = node.int("keepdims")?.unwrap_or(1) != 0;
    let keeps_all = node.flag("noop_with_empty_axes")?;
    let axes: Vec<usize> = match numbers.filter(|numbers| !numbers.is_empty()) {
        Some(numbers) => sorted_axes(&numbers, shape.rank())?,
        None if keeps_all => Vec::new(),
        None => (0..shape.rank()).collect(),
    };
    let reduce = |reduction| Reduce { reduction, axes: axes.clone(), keep_axes, coefficient: 1.0 };
    let logarithm = Unary::Logarithm { scale: 1.0, shift: 0.0, outer_scale: 1.0 };
    let reduction = match node.operator() {
        "ReduceL1" => Reduction::AbsoluteSum,
        "ReduceL2" => {
            let sum = importer.step(node, "sum", reduce(Reduction::SquareSum), &[operand])?;
            return importer.finish(node, power(0.5, 1.0, 0.0), &[sum]);
        }
        "ReduceLogSum" => {
            let sum = importer.step(node, "sum", reduce(Reduction::Sum), &[operand])?;
            return importer.finish(node, logarithm, &[sum]);
        }
        "ReduceLogSumExp" => {
            // The largest is taken off before, and put on again behind, so that no exponential overflows.
            let kept = Reduce { keep_axes: true, ..reduce(Reduction::Maximum) };
            let largest = importer.step(node, "largest", kept, std::slice::from_ref(&operand))?;
            let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
            let relative = importer.step(node, "relative", difference, &[operand.clone(), largest])?;
            let exponential = Unary::Exponential { inner_scale: 1.0, outer_scale: 1.0 };
            let exponentials = importer.step(node, "exponentials", exponential, &[relative])?;
            let sum = importer.step(node, "sum", reduce(Reduction::Sum), &[exponentials])?;
            let logarithms = importer.step(node, "logarithms", logarithm, &[sum])?;
            let offset = importer.step(node, "offset", reduce(Reduction::Maximum), &[operand])?;
            let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
            return importer.finish(node, sum, &[logarithms, offset]);
        }
        "ReduceMax" => Reduction::Maximum,
        "ReduceMean" => Reduction::Mean,
        "ReduceMin" => Reduction::Minimum,
        "ReduceProd" => Reduction::Product,
        "ReduceSum" => Reduction::Sum,
        "ReduceSumSquare" => Reduction::SquareSum,
        other => return unsupported(format!("{other} is no reduction")),
    };
    if axes.is_empty()
        && shape.rank() > 0
        && !matches!(reduction, Reduction::AbsoluteSum | Reduction::SquareSum)
    {
        return importer.finish(node, Identity, &[operand]);
    }
    let spatial: Vec<usize> = (2..shape.rank()).collect();
    if reduction == Reduction::Mean
        && keep_axes
        && axes == spatial
        && operand.constant().is_none()
        && !axes.is_empty()
    {
        // The global average of image networks: pooling does it where the channels lie.
        let window = Window::new(&shape.extents()[2..]);
        let (kind, output) = (PoolKind::Average(AverageDivisor::Input), vec![1; axes.len()]);
        return importer.finish(node, Pool { kind, window, output, with_positions: false }, &[operand]);
    }
    importer.finish(node, reduce(reduction), &[operand])
}
