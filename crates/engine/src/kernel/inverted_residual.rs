//! The first half of an inverted residual (Sandler et al. 2018): a pointwise convolution to several times as many channels, a
//! rectifier, and a depthwise convolution, in one kernel. What lies between is never in memory as a whole, which takes less time than
//! writing and reading it; but no backward pass can follow, for that reads it.

use deepinside_graph::op::Convolution;
use deepinside_graph::{Inconsistency, Shape};

use super::activation::Activation;
use super::convolution::{ConvolutionKernel, Part, constant, geometry};
use super::depthwise::{Depthwise, Expansion};
use super::gather::Finish;
use super::geometry::Geometry;
use super::{Kernel, Lowering};

/// A convolution, what is known of its node, and its rectifier.
pub(crate) struct Half<'graph> {
    pub op: &'graph Convolution,
    pub lowering: &'graph Lowering<'graph>,
    pub activation: Option<Activation>,
}

/// Whether a convolution can be the first one.
pub(crate) fn expands(op: &Convolution, input: &Shape, output: &Shape) -> bool {
    geometry(&op.window, op.groups, input, output)
        .is_ok_and(|geometry| geometry.groups == 1 && geometry.is_pointwise())
}

/// Whether a convolution can be the second one: each channel sees only itself.
pub(crate) fn is_depthwise(op: &Convolution, input: &Shape, output: &Shape) -> bool {
    geometry(&op.window, op.groups, input, output).is_ok_and(|geometry| Depthwise::fits(&geometry))
}

/// Prepares both as one kernel, whose operand is the first one's and whose result, which may be a part of a larger array, the second
/// one's; both channels-last.
pub(crate) fn lower(
    first: Half<'_>,
    second: Half<'_>,
    place: Option<Part>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let expansion = {
        let (geometry, filters, finish) = prepared(&first)?;
        Expansion::new(geometry.large, geometry.small.channels, &filters, finish)
    };
    let (mut geometry, filters, finish) = prepared(&second)?;
    geometry.small = geometry.small.placed(place);
    let Lowering { operands, instructions, .. } = second.lowering;
    let batch = operands[0].shape.extents()[0];
    let pass = Depthwise::correlation_of(expansion, *instructions, &geometry, batch, &filters, finish);
    Ok(Box::new(ConvolutionKernel::forward_only(pass)))
}

fn prepared(half: &Half<'_>) -> Result<(Geometry, Vec<f32>, Finish), Inconsistency> {
    let Half { op, lowering: Lowering { operands, results, .. }, activation } = *half;
    let geometry = geometry(&op.window, op.groups, operands[0].shape, results[0].shape)?;
    let filters = constant("weights", &operands[1])?;
    let bias = operands.get(2).map(|bias| constant("bias", bias)).transpose()?;
    Ok((geometry, filters, Finish { bias, activation }))
}
