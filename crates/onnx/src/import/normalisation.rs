//! Normalisation.

use deepinside_graph::op::{
    BatchNormalization, Binary, Eltwise, EpsilonPlacement, Extent, LocalResponseNormalization,
    MeanVarianceNormalization, Reduce, Reduction, Reshape,
};

use super::activation::power;
use super::axes::{axis, sorted_axes};
use super::failure::{Failure, inconsistent, unsupported};
use super::importer::{Importer, Operand};
use super::node::Node;

fn epsilon(node: &Node<'_>) -> Result<f32, Failure> {
    Ok(node.float("epsilon")?.unwrap_or(1e-5))
}

fn normalise(axes: Vec<usize>, epsilon: f32) -> MeanVarianceNormalization {
    MeanVarianceNormalization { axes, variance: true, epsilon, placement: EpsilonPlacement::InsideRoot }
}

/// With stored statistics. Those of the batch itself belong to training, but for constants: so weights are
/// standardised.
pub(super) fn import_batch<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let operands = importer.operands(node)?;
    let [input, scale, shift, mean, variance] = operands.as_slice() else {
        return inconsistent("number of inputs", 5, operands.len());
    };
    let momentum = node.float("momentum")?.unwrap_or(0.9);
    if node.version < 7 {
        // Further results tell training, as this switch is often left at its default.
        let _ = node.flag("is_test")?;
    }
    if node.version < 9 && node.int("spatial")?.unwrap_or(1) == 0 {
        return unsupported("statistics for each element of a channel (spatial = 0)");
    }
    if node.flag("training_mode")? || (1..node.outputs()).any(|index| node.output(index).is_some()) {
        if input.constant().is_none() {
            return unsupported(
                "it is exported for training, and normalises by the statistics of its batch; export the network \
                 for inference",
            );
        }
        return batch_statistics(node, importer, &operands, momentum);
    }
    let parameters = [mean, variance, scale, shift];
    if parameters.iter().all(|operand| operand.constant().is_some()) {
        let operands = [input, mean, variance, scale, shift].map(Operand::clone);
        return importer.finish(node, BatchNormalization { epsilon: epsilon(node)? }, &operands);
    }
    // Parameters that the network computes are operands like any other.
    let rank = importer.shape(input).rank();
    let shaped = |importer: &mut Importer<'a>, step: &str, operand: &Operand| {
        per_channel(node, importer, step, operand.clone(), rank)
    };
    let mean = shaped(importer, "mean", mean)?;
    let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
    let centred = importer.step(node, "centred", difference, &[input.clone(), mean])?;
    let variance = shaped(importer, "variance", variance)?;
    let inverse = importer.step(node, "inverse_deviation", power(-0.5, 1.0, epsilon(node)?), &[variance])?;
    let normalised = importer.step(node, "normalised", Eltwise::Product, &[centred, inverse])?;
    let (scale, shift) = (shaped(importer, "scale", scale)?, shaped(importer, "shift", shift)?);
    scale_and_shift(node, importer, normalised, scale, Some(shift))
}

/// Normalised by its own mean and variance per channel, which also move the running ones.
fn batch_statistics<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    operands: &[Operand],
    momentum: f32,
) -> Result<(), Failure> {
    let [input, scale, shift, running @ ..] = operands else {
        return inconsistent("number of inputs", 5, operands.len());
    };
    let rank = importer.shape(input).rank();
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let mean = Reduce { reduction: Reduction::Mean, axes: axes.clone(), keep_axes: false, coefficient: 1.0 };
    let own = importer.step(node, "own_mean", mean.clone(), std::slice::from_ref(input))?;
    let kept = per_channel(node, importer, "mean", own.clone(), rank)?;
    let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
    let centred = importer.step(node, "centred", difference, &[input.clone(), kept])?;
    let squares = importer.step(node, "squares", power(2.0, 1.0, 0.0), &[centred])?;
    let variance = importer.step(node, "own_variance", mean, &[squares])?;
    for (index, (own, running)) in [own, variance].into_iter().zip(running).enumerate() {
        let mixed = Eltwise::Sum { coefficients: vec![momentum, 1.0 - momentum] };
        importer.finish_output(node, 1 + index, mixed, &[running.clone(), own], running.kind)?;
    }
    let normalised = normalise(axes, epsilon(node)?);
    let normalised = importer.step(node, "normalised", normalised, std::slice::from_ref(input))?;
    let scale = per_channel(node, importer, "scale", scale.clone(), rank)?;
    let shift = per_channel(node, importer, "shift", shift.clone(), rank)?;
    scale_and_shift(node, importer, normalised, scale, Some(shift))
}

/// `x / √(mean of squares + ε)` over all axes from `axis` on, and a scale (Zhang and Sennrich 2019).
pub(super) fn import_root_mean_square<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
) -> Result<(), Failure> {
    let (input, scale) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let shape = importer.shape(&input);
    let first = axis(node.int("axis")?.unwrap_or(-1), shape.rank())?;
    let _ = node.int("stash_type")?;
    let count = shape.product(first..shape.rank()).max(1);
    let squares = Reduce {
        reduction: Reduction::SquareSum,
        axes: (first..shape.rank()).collect(),
        keep_axes: true,
        coefficient: 1.0 / count as f32,
    };
    let squares = importer.step(node, "mean_square", squares, std::slice::from_ref(&input))?;
    let inverse = importer.step(node, "inverse_root", power(-0.5, 1.0, epsilon(node)?), &[squares])?;
    let normalised = importer.step(node, "normalised", Eltwise::Product, &[input, inverse])?;
    importer.finish(node, Eltwise::Product, &[normalised, scale])
}

/// One number per channel, shaped to meet `N × C × …`.
fn per_channel<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    step: &str,
    operand: Operand,
    rank: usize,
) -> Result<Operand, Failure> {
    let mut extents = vec![Extent::Copy(0)];
    extents.extend(vec![Extent::Fixed(1); rank.saturating_sub(2)]);
    importer.step(node, step, Reshape { extents }, &[operand])
}

/// `scale · x + shift`, the last result of the node.
fn scale_and_shift<'a>(
    node: &Node<'a>,
    importer: &mut Importer<'a>,
    normalised: Operand,
    scale: Operand,
    shift: Option<Operand>,
) -> Result<(), Failure> {
    let Some(shift) = shift else {
        return importer.finish(node, Eltwise::Product, &[normalised, scale]);
    };
    let scaled = importer.step(node, "scaled", Eltwise::Product, &[normalised, scale])?;
    importer.finish(node, Eltwise::Sum { coefficients: vec![1.0, 1.0] }, &[scaled, shift])
}

pub(super) fn import_instance<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (input, scale, shift) =
        (importer.operand(node, 0)?, importer.operand(node, 1)?, importer.operand(node, 2)?);
    let rank = importer.shape(&input).rank();
    let normalised = normalise((2..rank).collect(), epsilon(node)?);
    let normalised = importer.step(node, "normalised", normalised, &[input])?;
    let scale = per_channel(node, importer, "scale", scale, rank)?;
    let shift = per_channel(node, importer, "shift", shift, rank)?;
    scale_and_shift(node, importer, normalised, scale, Some(shift))
}

/// Over all axes from `axis` on (Ba, Kiros, Hinton 2016). Mean and inverse deviation are further results.
pub(super) fn import_layer<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (input, scale) = (importer.operand(node, 0)?, importer.operand(node, 1)?);
    let shift = importer.optional(node, 2)?;
    let rank = importer.shape(&input).rank();
    let first = axis(node.int("axis")?.unwrap_or(-1), rank)?;
    let (axes, epsilon): (Vec<usize>, f32) = ((first..rank).collect(), epsilon(node)?);
    let _ = node.int("stash_type")?;
    let mean = |reduction| Reduce { reduction, axes: axes.clone(), keep_axes: true, coefficient: 1.0 };
    let kind = input.kind;
    if node.output(1).is_some() {
        importer.finish_output(node, 1, mean(Reduction::Mean), std::slice::from_ref(&input), kind)?;
    }
    if node.output(2).is_some() {
        let own = importer.step(node, "mean", mean(Reduction::Mean), std::slice::from_ref(&input))?;
        let difference = Eltwise::Sum { coefficients: vec![1.0, -1.0] };
        let centred = importer.step(node, "centred", difference, &[input.clone(), own])?;
        let squares = importer.step(node, "squares", power(2.0, 1.0, 0.0), &[centred])?;
        let variance = importer.step(node, "variance", mean(Reduction::Mean), &[squares])?;
        importer.finish_output(node, 2, power(-0.5, 1.0, epsilon), &[variance], kind)?;
    }
    let normalised = importer.step(node, "normalised", normalise(axes, epsilon), &[input])?;
    scale_and_shift(node, importer, normalised, scale, shift)
}

/// Over groups of channels (Wu and He 2018). Scale and shift are per group before operator set 21, per channel since.
pub(super) fn import_group<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let (input, scale, shift) =
        (importer.operand(node, 0)?, importer.operand(node, 1)?, importer.operand(node, 2)?);
    let shape = importer.shape(&input);
    let groups = usize::try_from(node.int("num_groups")?.unwrap_or(0)).unwrap_or(0);
    let channels = shape.extent(1).unwrap_or(0);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return inconsistent("attribute 'num_groups'", format!("a divisor of {channels} channels"), groups);
    }
    let _ = node.int("stash_type")?;
    let mut grouped = vec![Extent::Copy(0), Extent::Fixed(groups), Extent::Fixed(channels / groups)];
    grouped.extend((2..shape.rank()).map(Extent::Copy));
    let grouped = importer.step(node, "grouped", Reshape { extents: grouped }, &[input])?;
    let normalise = normalise((2..=shape.rank()).collect(), epsilon(node)?);
    let normalised = importer.step(node, "grouped_normalised", normalise, &[grouped])?;
    let whole = |mut extents: Vec<Extent>| {
        extents.extend((3..=shape.rank()).map(Extent::Copy));
        Reshape { extents }
    };
    let whole = whole(vec![Extent::Copy(0), Extent::Merge(1, 3)]);
    if importer.shape(&scale).elements() == channels {
        let normalised = importer.step(node, "normalised", whole, &[normalised])?;
        let scale = per_channel(node, importer, "scale", scale, shape.rank())?;
        let shift = per_channel(node, importer, "shift", shift, shape.rank())?;
        return scale_and_shift(node, importer, normalised, scale, Some(shift));
    }
    let scale = per_channel(node, importer, "scale", scale, shape.rank() + 1)?;
    let shift = per_channel(node, importer, "shift", shift, shape.rank() + 1)?;
    let scaled = importer.step(node, "scaled", Eltwise::Product, &[normalised, scale])?;
    let sum = Eltwise::Sum { coefficients: vec![1.0, 1.0] };
    let shifted = importer.step(node, "shifted", sum, &[scaled, shift])?;
    importer.finish(node, whole, &[shifted])
}

/// `(x − mean) / (deviation + 1e-9)` over some axes.
pub(super) fn import_mean_variance<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let input = importer.operand(node, 0)?;
    let rank = importer.shape(&input).rank();
    let axes = sorted_axes(node.ints("axes")?.unwrap_or(&[0, 2, 3]), rank)?;
    let placement = EpsilonPlacement::OutsideRoot;
    importer.finish(
        node,
        MeanVarianceNormalization { axes, variance: true, epsilon: 1e-9, placement },
        &[input],
    )
}

/// `x / ‖x‖` along an axis.
pub(super) fn import_lp<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let input = importer.operand(node, 0)?;
    let rank = importer.shape(&input).rank();
    let axes = vec![axis(node.int("axis")?.unwrap_or(-1), rank)?];
    let reduction = match node.int("p")?.unwrap_or(2) {
        1 => Reduction::AbsoluteSum,
        2 => Reduction::SquareSum,
        other => return inconsistent("attribute 'p'", "1 or 2", other),
    };
    let sum = Reduce { reduction, axes, keep_axes: true, coefficient: 1.0 };
    let mut norm = importer.step(node, "sum", sum, std::slice::from_ref(&input))?;
    if reduction == Reduction::SquareSum {
        norm = importer.step(node, "norm", power(0.5, 1.0, 0.0), &[norm])?;
    }
    importer.finish(node, Binary::Divide, &[input, norm])
}

pub(super) fn import_local_response<'a>(node: &Node<'a>, importer: &mut Importer<'a>) -> Result<(), Failure> {
    let input = importer.operand(node, 0)?;
    let size = usize::try_from(node.int("size")?.unwrap_or(0)).unwrap_or(0);
    let normalisation = LocalResponseNormalization::AcrossChannels {
        size,
        alpha: node.float("alpha")?.unwrap_or(1e-4),
        beta: node.float("beta")?.unwrap_or(0.75),
        k: node.float("bias")?.unwrap_or(1.0),
    };
    importer.finish(node, normalisation, &[input])
}
