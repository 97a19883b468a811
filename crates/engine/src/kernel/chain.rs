//! Two operators as one kernel: a convolution to many channels, and what reads its result channel by channel. So begin inverted
//! residuals (a pointwise convolution, then a depthwise one; Sandler et al. 2018), and many networks (a convolution of a picture, then
//! maxima or a depthwise convolution).
//!
//! What lies between is never in memory as a whole, which takes less time than writing and reading it; but no backward pass can
//! follow, for that reads it.

use deepinside_graph::op::{Convolution, Pool, PoolKind};
use deepinside_graph::{Inconsistency, Node, Op, Shape};

use super::activation::Activation;
use super::convolution::{ConvolutionKernel, Part, constant, geometry};
use super::depthwise::{Depthwise, Expansion};
use super::gather::Finish;
use super::geometry::Geometry;
use super::{Kernel, Lowering};
use crate::Layout;

/// A picture has at most so many channels. Convolutions of more, unless they are pointwise, have faster ways.
const PICTURE: usize = 4;

/// One of the two operators, what is known of its node, and its rectifier.
#[derive(Clone, Copy)]
pub(crate) struct Link<'graph> {
    pub node: &'graph Node,
    pub lowering: &'graph Lowering<'graph>,
    pub activation: Option<Activation>,
}

/// Whether an operator can be the first one.
pub(crate) fn can_begin(op: &Op, input: &Shape, output: &Shape) -> bool {
    let Op::Convolution(Convolution { window, groups: 1 }) = op else { return false };
    geometry(window, 1, input, output)
        .is_ok_and(|geometry| geometry.is_pointwise() || geometry.large.channels <= PICTURE)
}

/// Whether an operator can be the second one.
pub(crate) fn can_end(op: &Op, input: &Shape, output: &Shape) -> bool {
    match op {
        Op::Convolution(Convolution { window, groups }) => {
            geometry(window, *groups, input, output).is_ok_and(|geometry| Depthwise::fits(&geometry))
        }
        Op::Pool(Pool { kind: PoolKind::Maximum, window, with_positions: false, .. }) => {
            geometry(window, 1, input, output).is_ok_and(|geometry| geometry.reads_somewhere())
        }
        _ => false,
    }
}

/// The layout in which the operand is best read, where it lies in another: copied into place by parts anyway, a picture need not be
/// brought into another order first.
pub(crate) fn operand_layout(input: &Shape, layout: Layout) -> Layout {
    if input.extents()[1] <= PICTURE { layout } else { Layout::ChannelsLast }
}

/// Prepares both as one kernel, whose operand is the first one's ([`operand_layout`]) and whose result, channels-last and possibly a
/// part of a larger array, is the second one's.
pub(crate) fn lower(
    first: Link<'_>,
    second: Link<'_>,
    place: Option<Part>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let expansion = match &first.node.op {
        Op::Convolution(op) => {
            let geometry = first.geometry(&op.window, op.groups)?;
            let (filters, finish) = first.weights()?;
            let is_plain = first.lowering.operands[0].layout == Layout::Plain;
            Expansion::new(geometry, is_plain, &filters, finish)
        }
        other => return Err(refused("first", other)),
    };
    let Lowering { operands, instructions, .. } = second.lowering;
    let batch = operands[0].shape.extents()[0];
    let pass = match &second.node.op {
        Op::Convolution(op) => {
            let mut geometry = second.geometry(&op.window, op.groups)?;
            geometry.small = geometry.small.placed(place);
            let (filters, finish) = second.weights()?;
            Depthwise::correlation_of(expansion, *instructions, &geometry, batch, &filters, finish)
        }
        Op::Pool(op) => {
            Depthwise::maxima_of(expansion, *instructions, &second.geometry(&op.window, 1)?, batch)
        }
        other => return Err(refused("second", other)),
    };
    Ok(Box::new(ConvolutionKernel::forward_only(pass)))
}

impl Link<'_> {
    fn geometry(
        &self,
        window: &deepinside_graph::op::Window,
        groups: usize,
    ) -> Result<Geometry, Inconsistency> {
        geometry(window, groups, self.lowering.operands[0].shape, self.lowering.results[0].shape)
    }

    /// A convolution's filters, and what becomes of its sums.
    fn weights(&self) -> Result<(Vec<f32>, Finish), Inconsistency> {
        let operands = &self.lowering.operands;
        let filters = constant("weights", &operands[1])?;
        let bias = operands.get(2).map(|bias| constant("bias", bias)).transpose()?;
        Ok((filters, Finish { bias, activation: self.activation, ..Finish::default() }))
    }
}

fn refused(place: &str, op: &Op) -> Inconsistency {
    Inconsistency::new(
        "operators in one kernel",
        "a convolution, and one by channels",
        format!("{place} {op:?}"),
    )
}
