//! Convolution: a gathering pass forward, its adjoint backward; a pass of its own where each channel sees only itself.

use deepinside_graph::op::{Convolution, Window};
use deepinside_graph::{Inconsistency, Shape};

use super::activation::{Activation, Gate};
use super::col2im::Col2im;
use super::depthwise::{Depthwise, Reading};
use super::gather::{Finish, Gather};
use super::geometry::{Field, Geometry};
use super::merge_groups::{Groups, merge_groups, merges_groups};
use super::panels::Addend;
use super::parallel::{GRAIN, copy, for_each_piece};
use super::slab::Source;
use super::winograd::{Tile, Winograd};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};
use crate::Precision;

/// Prepares a convolution; its operand and result are channels-last.
pub(crate) fn lower(
    op: &Convolution,
    lowering: &Lowering<'_>,
    activation: Option<Activation>,
    placing: Placing,
    backward: bool,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let best = |geometry: &Geometry, batch| match lowering.precision {
        Precision::Even if Depthwise::fits(geometry) => Way::Depthwise(None),
        Precision::Even => Way::Direct,
        Precision::Exact | Precision::Fast => Way::best(geometry, batch, lowering.instructions.lanes()),
    };
    lower_by(best, op, lowering, activation, placing, backward)
}

/// Whether something may be added to the result of a convolution in the same pass.
pub(crate) fn adds(op: &Convolution, input: &Shape, output: &Shape) -> bool {
    geometry(&op.window, op.groups, input, output).is_ok_and(|geometry| !Depthwise::fits(&geometry))
}

/// What becomes of the result of a convolution besides its rectifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Placing {
    /// Where it lies, if not in an array of its own.
    pub part: Option<Part>,
    /// Whether there is a second operand, channels-last too and of the result's extents, that is added to it.
    pub adds: bool,
    /// Whether gradients that the rectifier stops never come, so that none has to be stopped here.
    pub is_open: bool,
}

/// Where the result lies when it is some channels of a larger array, which several convolutions write together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The number of its first channel there.
    pub first: usize,
    /// The channels of that array.
    pub of: usize,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Each channel by itself, reading as told or, in each direction, as is faster.
    Depthwise(Option<Reading>),
    /// With fewer multiplications.
    Winograd(Tile),
    /// By sums of products where they lie.
    Direct,
}

impl Way {
    /// The fastest with vectors of so many numbers.
    fn best(geometry: &Geometry, batch: usize, lanes: usize) -> Self {
        if Depthwise::fits(geometry) {
            return Self::Depthwise(None);
        }
        Tile::best(geometry, batch, lanes).map_or(Self::Direct, Self::Winograd)
    }
}

/// Prepares a convolution in a way that the caller chooses.
pub(super) fn lower_by(
    way: impl Fn(&Geometry, usize) -> Way,
    op: &Convolution,
    lowering: &Lowering<'_>,
    activation: Option<Activation>,
    Placing { part, adds, is_open }: Placing,
    backward: bool,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, output) = (&lowering.operands[0], &lowering.results[0]);
    let geometry = geometry(&op.window, op.groups, input.shape, output.shape)?;
    let (mut geometry, filters) = geometry.trimmed(constant("weights", &lowering.operands[1])?);
    geometry.small = geometry.small.placed(part);
    let bias = lowering.operands.get(2).map(|bias| constant("bias", bias)).transpose()?;
    let (batch, instructions) = (input.shape.extents()[0], lowering.instructions);
    let in_one_chain = merges_groups(&geometry);
    let parts = merge_groups(geometry, &filters, instructions.lanes());
    let ways: Vec<Way> = parts.iter().map(|part| way(&part.geometry, batch)).collect();
    let adjoint = |(part, way): (&Groups<'_>, &Way)| -> Result<Box<dyn Pass>, Inconsistency> {
        let (geometry, filters) = (&part.geometry, &part.filters[..]);
        Ok(match *way {
            Way::Depthwise(reading) => {
                Box::new(Depthwise::adjoint(instructions, reading, geometry, batch, filters))
            }
            Way::Winograd(tile) => Box::new(Winograd::adjoint(instructions, tile, geometry, batch, filters)),
            Way::Direct if Col2im::fits(geometry) => {
                Box::new(Col2im::adjoint(instructions, geometry, batch, filters))
            }
            Way::Direct => {
                let finish = Finish { in_one_chain, ..Finish::default() };
                Box::new(Gather::adjoint(instructions, geometry, batch, filters, finish).bounded()?)
            }
        })
    };
    let correlation = |(part, way): (&Groups<'_>, &Way)| -> Result<Box<dyn Pass>, Inconsistency> {
        let (geometry, filters) = (&part.geometry, &part.filters[..]);
        let bias = bias.as_ref().map(|bias| bias[part.outputs.clone()].to_vec());
        let finish = Finish { bias, activation, in_one_chain };
        Ok(match *way {
            Way::Depthwise(reading) => {
                Box::new(Depthwise::correlation(instructions, reading, geometry, batch, filters, finish))
            }
            Way::Winograd(tile) => {
                Box::new(Winograd::correlation(instructions, tile, geometry, batch, filters, finish))
            }
            Way::Direct => {
                Box::new(Gather::correlation(instructions, geometry, batch, filters, finish).bounded()?)
            }
        })
    };
    let each = || parts.iter().zip(&ways);
    let backward = match backward {
        true => Some(one_after_the_other(each().map(adjoint).collect::<Result<_, _>>()?)),
        false => None,
    };
    let forward = one_after_the_other(each().map(correlation).collect::<Result<_, _>>()?);
    if adds && !forward.adds() {
        return Err(Inconsistency::new(
            "convolution that adds",
            "a direct one, or Winograd's",
            format!("{ways:?}"),
        ));
    }
    Ok(Box::new(ConvolutionKernel { forward, backward, gate: activation.filter(|_| !is_open), adds }))
}

/// Prepares the product of a matrix, `positions × inputs`, with filters, `outputs × inputs`.
pub(super) fn pointwise(
    lowering: &Lowering<'_>,
    [positions, inputs, outputs]: [usize; 3],
    filters: &[f32],
    finish: Finish,
    adds: bool,
) -> Box<dyn Kernel> {
    let field = |channels| Field::new([1, positions, 1], channels);
    let geometry = Geometry {
        large: field(inputs),
        small: field(outputs),
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0; 3],
        groups: 1,
    };
    let (by, gate) = (lowering.instructions, finish.activation);
    let adjoint = || -> Box<dyn Pass> {
        if Col2im::fits(&geometry) {
            Box::new(Col2im::adjoint(by, &geometry, 1, filters))
        } else {
            Box::new(Gather::adjoint(by, &geometry, 1, filters, Finish::default()))
        }
    };
    let backward = lowering.backward.then(adjoint);
    let forward = Box::new(Gather::correlation(by, &geometry, 1, filters, finish));
    Box::new(ConvolutionKernel { forward, backward, gate, adds })
}

/// A packed pass from one field to another.
pub(super) trait Pass: Send + Sync {
    /// The numbers of working memory that it needs.
    fn workspace(&self) -> usize {
        0
    }

    /// Whether something can be added to the result.
    fn adds(&self) -> bool {
        false
    }

    /// Computes the result for the whole batch, on top of an addend.
    fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], workspace: &mut [f32]);
}

/// Passes that write different channels of one result.
struct OneAfterTheOther(Vec<Box<dyn Pass>>);

/// All of these passes, as one.
fn one_after_the_other(mut passes: Vec<Box<dyn Pass>>) -> Box<dyn Pass> {
    match passes.len() {
        1 => passes.remove(0),
        _ => Box::new(OneAfterTheOther(passes)),
    }
}

impl Pass for OneAfterTheOther {
    fn workspace(&self) -> usize {
        self.0.iter().map(|pass| pass.workspace()).max().unwrap_or(0)
    }

    fn adds(&self) -> bool {
        self.0.iter().all(|pass| pass.adds())
    }

    fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], workspace: &mut [f32]) {
        for pass in &self.0 {
            pass.run(source, addend, result, &mut workspace[..pass.workspace()]);
        }
    }
}

impl Pass for Winograd {
    fn workspace(&self) -> usize {
        Winograd::workspace(self)
    }

    fn adds(&self) -> bool {
        true
    }

    fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], workspace: &mut [f32]) {
        Winograd::run(self, source, addend, result, workspace);
    }
}

impl Pass for Gather {
    fn adds(&self) -> bool {
        Gather::adds(self)
    }

    fn run(&self, source: Source<'_>, addend: Addend<'_>, result: &mut [f32], _: &mut [f32]) {
        Gather::run(self, source, addend, result);
    }
}

impl Pass for Col2im {
    fn run(&self, source: Source<'_>, _: Addend<'_>, result: &mut [f32], _: &mut [f32]) {
        Col2im::run(self, source, result);
    }
}

impl Pass for Depthwise {
    fn run(&self, source: Source<'_>, _: Addend<'_>, result: &mut [f32], _: &mut [f32]) {
        Depthwise::run(self, source, result);
    }
}

/// The extents of a convolution from `large` to `small`, with leading spatial axes of extent 1 added up to three.
pub(super) fn geometry(
    window: &Window,
    groups: usize,
    large: &Shape,
    small: &Shape,
) -> Result<Geometry, Inconsistency> {
    let axes = window.axes();
    if axes > 3 {
        return Err(Inconsistency::new("spatial axes", "at most 3", axes));
    }
    let pad = |numbers: &[usize], default: usize| -> [usize; 3] {
        std::array::from_fn(|axis| (axis + axes).checked_sub(3).map_or(default, |own| numbers[own]))
    };
    let field = |shape: &Shape| Field::new(pad(&shape.extents()[2..], 1), shape.extents()[1]);
    Ok(Geometry {
        large: field(large),
        small: field(small),
        kernel: pad(&window.kernel, 1),
        stride: pad(&window.stride, 1),
        dilation: pad(&window.dilation, 1),
        pad: pad(&window.pad_begin, 0),
        groups,
    })
}

/// The numbers of an operand that must be constant; its file pages are given back.
pub(super) fn constant(what: &str, operand: &Operand<'_>) -> Result<Vec<f32>, Inconsistency> {
    let weights =
        operand.weights.ok_or_else(|| Inconsistency::new(what, "a constant", "a computed value"))?;
    let numbers = weights.to_vec();
    weights.release(0, numbers.len());
    Ok(numbers)
}

pub(super) struct ConvolutionKernel {
    forward: Box<dyn Pass>,
    backward: Option<Box<dyn Pass>>,
    /// The rectifier that gradients pass.
    gate: Option<Activation>,
    /// Whether the second operand, which lies as the result does, is added before the rectifier.
    adds: bool,
}

impl ConvolutionKernel {
    /// A kernel for plans without a backward pass.
    pub fn forward_only(forward: impl Pass + 'static) -> Self {
        Self { forward: Box::new(forward), backward: None, gate: None, adds: false }
    }
}

impl Kernel for ConvolutionKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: self.gate.is_some() }
    }

    fn accumulates(&self, operand: usize) -> bool {
        operand == 0 && self.backward.as_ref().is_some_and(|adjoint| adjoint.adds())
    }

    fn workspace(&self) -> usize {
        self.forward.workspace().max(self.backward.as_ref().map_or(0, |adjoint| adjoint.workspace()))
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let addend = if self.adds { Addend::Array(context.operands[1]) } else { Addend::Nothing };
        let source = Source::plain(context.operands[0]);
        self.forward.run(source, addend, context.results[0], context.workspace);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (rule, results, numbers) = (context.rule, context.results[0], context.result_gradients[0]);
        let gate = Gate::of(self.gate, rule, results);
        let mut source = Source { numbers, gate };
        let (own, others) = context.operand_gradients.split_at_mut(1);
        if let (true, Some(Some(gradient))) = (self.adds, others.first_mut()) {
            match gate {
                Some(gate) => for_each_piece(
                    gradient,
                    GRAIN,
                    #[inline(always)]
                    |start, piece| gate.pass(numbers, start, piece),
                ),
                None => copy(numbers, gradient),
            }
            // What passes the gate need not pass it again.
            source = Source::plain(gradient);
        }
        if let (Some(adjoint), Some(Some(gradient))) = (&self.backward, own.first_mut()) {
            let addend = if context.accumulates[0] { Addend::Result } else { Addend::Nothing };
            adjoint.run(source, addend, gradient, context.workspace);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
