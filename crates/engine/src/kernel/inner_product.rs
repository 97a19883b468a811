//! Fully connected layers.
//!
//! The weights are packed once as *panels*: `K × P` blocks of up to [`PANEL`] neighbouring outputs, inputs in the memory
//! order of the operand. One copy serves both directions. With a few pictures the work is reading the weights, so the
//! forward pass reads only the rows of active inputs: after a rectifier most are exactly zero, and a term of zero adds
//! nothing. With more pictures both directions are matrix products, and panels narrower;
//! many positions with one layer each, as the tokens of a transformer, are a pointwise convolution.
//!
//! Under the fast precision the weights for a few pictures are kept in half precision, which halves what is read: each is then off
//! by up to 2⁻¹¹ of itself, and sums over many by about 2e-4 of the largest.

mod batch;
mod stored;

use deepinside_graph::op::InnerProduct;
use deepinside_graph::{Inconsistency, Shape, Weights};
use half::f16;
use rayon::prelude::*;

use self::batch::Extents;
use self::stored::{Stored, add_rows, products};
use super::activation::Activation;
use super::gather::Finish;
use super::{Backward, Forward, Kernel, Lowering, Needs, Saved};
use crate::aligned::Aligned;
use crate::simd::{Instructions, Simd, Work};
use crate::{Layout, Precision};

/// The outputs of a panel for a few pictures: 4 kB of partial sums, which stay in the first-level cache, and rows of weights long enough to
/// be read at the memory's full speed.
const PANEL: usize = 1024;

/// Up to this many pictures rows of weights are read one by one; beyond, matrix products win.
const ROW_BY_ROW: usize = 2;

/// From so many on they are the positions of a pointwise convolution: reading weights no longer is what takes long, and
/// its tiles of sums multiply faster than panels do.
const POSITIONS: usize = 48;

/// Up to one of so many outputs are taken one by one on the way back: as many numbers as a cache line holds are read for one.
const FEW: usize = 16;

/// The outputs packed at a time: one cache line of a panel's row.
const STRIP: usize = 16;

/// Whether a fully connected layer from an axis on is computed as a pointwise convolution of what lies before that axis:
/// something can then be added to its result.
pub(crate) fn is_pointwise(op: &InnerProduct, input: &Shape, output: &Shape) -> bool {
    let elements = |shape: &Shape| shape.product(op.axis..shape.rank());
    op.axis > 1 && input.product(0..op.axis) >= POSITIONS && elements(input) > 0 && elements(output) > 0
}

/// The weights as `O × K`, whichever way they lie.
fn by_outputs(weights: &Weights, [inputs, outputs]: [usize; 2], transposed: bool) -> Vec<f32> {
    let numbers = weights.to_vec();
    weights.release(0, numbers.len());
    if !transposed {
        return numbers;
    }
    let mut turned = vec![0.0; numbers.len()];
    turned.par_chunks_mut(STRIP * inputs).enumerate().for_each(|(strip, turned)| {
        for (input, row) in numbers.chunks_exact(outputs).enumerate() {
            let row = &row[strip * STRIP..];
            for (output, &number) in (0..turned.len() / inputs).zip(row) {
                turned[output * inputs + input] = number;
            }
        }
    });
    turned
}

/// Prepares a fully connected layer. `behind` may only be given where it [`is_pointwise`]. `dead_at_zero` tells that gradients of operands that are zero are never used, as
/// behind a rectifier: they are left zero, and their weights unread.
pub(crate) fn lower(
    op: &InnerProduct,
    lowering: &Lowering<'_>,
    dead_at_zero: bool,
    (activation, adds): (Option<Activation>, bool),
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, output) = (&lowering.operands[0], &lowering.results[0]);
    let rank = input.shape.rank();
    let inputs = input.shape.product(op.axis..rank);
    let outputs = output.shape.product(op.axis..output.shape.rank());
    let weights = lowering.operands[1]
        .weights
        .ok_or_else(|| Inconsistency::new("weights", "a constant", "a computed value"))?;
    let bias = lowering.operands.get(2).map(|bias| super::convolution::constant("bias", bias)).transpose()?;
    if is_pointwise(op, input.shape, output.shape) {
        super::expect_plain(lowering)?;
        let filters = by_outputs(weights, [inputs, outputs], op.transposed);
        let finish = Finish { bias, activation, ..Finish::default() };
        let extents = [input.shape.product(0..op.axis), inputs, outputs];
        return Ok(super::convolution::pointwise(lowering, extents, &filters, finish, adds));
    }
    if adds || activation.is_some() {
        return Err(Inconsistency::new("fully connected layer that adds", "many positions", input.shape));
    }
    let channels = match input.layout {
        Layout::ChannelsLast if rank > 2 => input.shape.extents()[1],
        _ => 1,
    };
    let pictures = input.shape.product(0..op.axis);
    let panel = if pictures <= ROW_BY_ROW { PANEL } else { batch::OUTPUTS };
    let mut panels = None;
    if lowering.precision == Precision::Fast && pictures <= ROW_BY_ROW {
        let half: Aligned<f16> = pack(weights, [inputs, outputs], op.transposed, channels, PANEL);
        // Weights beyond the range of half precision, which no trained layer has, are kept as they are.
        panels = half.iter().all(|number| number.is_finite()).then_some(Panels::Half(half));
    }
    Ok(Box::new(InnerProductKernel {
        instructions: lowering.instructions,
        pictures,
        inputs,
        outputs,
        panels: panels.unwrap_or_else(|| {
            Panels::Single(pack(weights, [inputs, outputs], op.transposed, channels, panel))
        }),
        bias,
        dead_at_zero,
    }))
}

/// Packed weights.
enum Panels {
    Single(Aligned),
    /// For a few pictures alone: with more, reading weights is not what takes long.
    Half(Aligned<f16>),
}

/// How many numbers of transposed weights are read at once: 1 MiB, which the caches hold.
const READ_AT_ONCE: usize = 1 << 18;

/// Packs `O × K` (or `K × O`) weights into panels of so many outputs; where that is the width of a [`STRIP`], the last is
/// filled up with zeros. With `channels` above 1 the operand is channels-last, and the input `c · positions + p` of the file is the
/// input `p · channels + c` in memory.
fn pack<T: Stored>(
    weights: &Weights,
    [inputs, outputs]: [usize; 2],
    transposed: bool,
    channels: usize,
    panel: usize,
) -> Aligned<T> {
    let filled = if panel == STRIP { outputs.next_multiple_of(STRIP) } else { outputs };
    let mut panels = Aligned::pooled(inputs * filled);
    if panels.is_empty() {
        return panels;
    }
    let positions = inputs / channels;
    let in_memory = |input: usize| input % positions * channels + input / positions;
    if transposed {
        // Rows of all outputs are read a block at a time: each panel takes a few numbers of each.
        let rows = (READ_AT_ONCE / outputs).clamp(1, inputs);
        let mut block = vec![0.0; rows * outputs];
        for from in (0..inputs).step_by(rows) {
            let block = &mut block[..rows.min(inputs - from) * outputs];
            weights.read(from * outputs, block);
            weights.release(from * outputs, block.len());
            panels.par_chunks_mut(inputs * panel).enumerate().for_each(|(index, numbers)| {
                let (stride, first) = (numbers.len() / inputs, index * panel);
                let width = stride.min(outputs - first);
                for (input, read) in (from..).zip(block.chunks_exact(outputs)) {
                    let row = in_memory(input) * stride;
                    for (number, &weight) in numbers[row..row + width].iter_mut().zip(&read[first..]) {
                        *number = T::of(weight);
                    }
                }
            });
        }
        return panels;
    }
    panels.par_chunks_mut(inputs * panel).enumerate().for_each(|(index, numbers)| {
        let stride = numbers.len() / inputs;
        let first = index * panel;
        let width = stride.min(outputs - first);
        let mut strip = vec![0.0; STRIP * inputs];
        for start in (0..width).step_by(STRIP) {
            let count = STRIP.min(width - start);
            let strip = &mut strip[..count * inputs];
            let from = (first + start) * inputs;
            weights.read(from, strip);
            weights.release(from, strip.len());
            for input in 0..inputs {
                let row = in_memory(input) * stride + start;
                for (output, number) in numbers[row..row + count].iter_mut().enumerate() {
                    *number = T::of(strip[output * inputs + input]);
                }
            }
        }
    });
    weights.release(0, inputs * outputs);
    panels
}

/// The weights of some neighbouring outputs, for a few pictures: `K × width`.
struct Panel<'a, T> {
    /// The first output.
    first: usize,
    width: usize,
    numbers: &'a [T],
}

struct InnerProductKernel {
    instructions: Instructions,
    pictures: usize,
    inputs: usize,
    outputs: usize,
    panels: Panels,
    bias: Option<Vec<f32>>,
    /// Whether gradients of operands that are zero are never used.
    dead_at_zero: bool,
}

impl InnerProductKernel {
    fn panels<'a, T>(&self, panels: &'a [T]) -> Vec<Panel<'a, T>> {
        let panels = panels.chunks((self.inputs * PANEL).max(1)).enumerate();
        panels
            .map(|(panel, numbers)| Panel {
                first: panel * PANEL,
                width: numbers.len() / self.inputs,
                numbers,
            })
            .collect()
    }

    fn extents(&self) -> Extents {
        Extents { pictures: self.pictures, inputs: self.inputs, outputs: self.outputs }
    }

    /// A few pictures forward, one after the other.
    fn forward_rows<T: Stored>(
        &self,
        panels: &[T],
        operand: &[f32],
        result: &mut [f32],
        positions: &mut [u32],
    ) {
        for (operand, result) in operand.chunks_exact(self.inputs).zip(result.chunks_exact_mut(self.outputs))
        {
            self.forward_row(panels, operand, result, positions);
        }
    }

    /// One picture forward: sums the rows of active inputs.
    fn forward_row<T: Stored>(
        &self,
        panels: &[T],
        operand: &[f32],
        result: &mut [f32],
        positions: &mut [u32],
    ) {
        let mut count = 0;
        for (input, &number) in operand.iter().enumerate() {
            positions[count] = input as u32;
            count += usize::from(number != 0.0);
        }
        let active = &positions[..count];
        let size = self.inputs * PANEL;
        result.par_chunks_mut(PANEL).zip(panels.par_chunks(size)).enumerate().for_each(
            |(panel, (sums, rows))| {
                match &self.bias {
                    Some(bias) => sums.copy_from_slice(&bias[panel * PANEL..][..sums.len()]),
                    None => sums.fill(0.0),
                }
                self.instructions.run(AddRows { sums, rows, operand, active });
            },
        );
    }

    /// A few pictures backward, one after the other.
    fn backward_rows<T: Stored>(
        &self,
        panels: &[T],
        result_gradient: &[f32],
        operands: &[f32],
        operand_gradient: &mut [f32],
    ) {
        let pictures = result_gradient.chunks_exact(self.outputs);
        let gradients = operand_gradient.chunks_exact_mut(self.inputs);
        for (picture, (result, gradient)) in pictures.zip(gradients).enumerate() {
            let operand = self.dead_at_zero.then(|| &operands[picture * self.inputs..][..self.inputs]);
            self.backward_row(panels, result, operand, gradient);
        }
    }

    /// One picture backward: the gradient of an input is the product of its row with the gradient of the result. Only the
    /// gradients of active inputs are computed; all are, where there is no operand that tells which they are. Where the gradient of
    /// the result is zero but for a few outputs, as a class score's is, only their weights are read.
    fn backward_row<T: Stored>(
        &self,
        panels: &[T],
        result_gradient: &[f32],
        operand: Option<&[f32]>,
        operand_gradient: &mut [f32],
    ) {
        const INPUTS: usize = 256;
        let numbers = result_gradient.iter().copied().enumerate();
        let few: Vec<(usize, f32)> =
            numbers.filter(|&(_, number)| number != 0.0).take(self.outputs / FEW + 1).collect();
        operand_gradient.par_chunks_mut(INPUTS).enumerate().for_each(|(block, gradients)| {
            gradients.fill(0.0);
            let mut all = [0; INPUTS];
            let mut count = 0;
            for input in 0..gradients.len() {
                all[count] = input;
                count += usize::from(operand.is_none_or(|operand| operand[block * INPUTS + input] != 0.0));
            }
            let active = &all[..count];
            for Panel { first, width, numbers } in self.panels(panels) {
                let rows = &numbers[block * INPUTS * width..][..gradients.len() * width];
                if few.len() <= self.outputs / FEW {
                    for &(output, number) in
                        few.iter().filter(|(output, _)| (first..first + width).contains(output))
                    {
                        for &input in active {
                            gradients[input] += rows[input * width + output - first].number() * number;
                        }
                    }
                    continue;
                }
                let vector = &result_gradient[first..first + width];
                self.instructions.run(AddProducts { sums: gradients, rows, active, vector });
            }
        });
    }
}

impl Kernel for InnerProductKernel {
    fn needs(&self) -> Needs {
        Needs { operands: self.dead_at_zero && self.pictures <= ROW_BY_ROW, results: false }
    }

    fn saved(&self) -> Saved {
        Saved { numbers: 0, positions: if self.pictures <= ROW_BY_ROW { self.inputs + 1 } else { 0 } }
    }

    fn workspace(&self) -> usize {
        if self.pictures <= ROW_BY_ROW { 0 } else { self.extents().workspace() }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (operand, result) = (context.operands[0], &mut *context.results[0]);
        if self.inputs == 0 || self.outputs == 0 {
            for (number, bias) in result.iter_mut().zip(self.bias.iter().flatten().cycle()) {
                *number = *bias;
            }
            if self.bias.is_none() {
                result.fill(0.0);
            }
            return;
        }
        match &self.panels {
            Panels::Half(panels) => self.forward_rows(panels, operand, result, context.positions),
            Panels::Single(panels) if self.pictures <= ROW_BY_ROW => {
                self.forward_rows(panels, operand, result, context.positions);
            }
            Panels::Single(panels) => {
                let (bias, workspace) = (self.bias.as_deref(), context.workspace);
                batch::forward(self.instructions, self.extents(), panels, bias, operand, result, workspace);
            }
        }
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (result_gradient, operands) = (context.result_gradients[0], context.operands[0]);
        let Some(operand_gradient) = &mut context.operand_gradients[0] else { return };
        if self.inputs == 0 || self.outputs == 0 {
            operand_gradient.fill(0.0);
            return;
        }
        match &self.panels {
            Panels::Half(panels) => self.backward_rows(panels, result_gradient, operands, operand_gradient),
            Panels::Single(panels) if self.pictures <= ROW_BY_ROW => {
                self.backward_rows(panels, result_gradient, operands, operand_gradient);
            }
            Panels::Single(panels) => {
                batch::backward(
                    self.instructions,
                    self.extents(),
                    panels,
                    result_gradient,
                    operand_gradient,
                    context.workspace,
                );
            }
        }
    }
}

/// Adds the rows of active inputs, each times its number, to the sums; four rows at a time, so that the sums are loaded
/// and stored a quarter as often.
struct AddRows<'a, T> {
    sums: &'a mut [f32],
    rows: &'a [T],
    operand: &'a [f32],
    active: &'a [u32],
}

impl<T: Stored> Work for AddRows<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { sums, rows, operand, active } = self;
        let width = sums.len();
        let row = |input: u32| (operand[input as usize], &rows[input as usize * width..][..width]);
        let (quads, rest) = active.as_chunks::<4>();
        for quad in quads {
            add_rows(simd, sums, quad.map(row));
        }
        for &input in rest {
            add_rows(simd, sums, [row(input)]);
        }
    }
}

/// Adds the product of each active row with a vector to the sum of that row. Four rows are read at a time, for memory
/// answers several requests as fast as one.
struct AddProducts<'a, T> {
    sums: &'a mut [f32],
    rows: &'a [T],
    active: &'a [usize],
    vector: &'a [f32],
}

impl<T: Stored> Work for AddProducts<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { sums, rows, active, vector } = self;
        let row = |input: usize| &rows[input * vector.len()..][..vector.len()];
        let (quads, rest) = active.as_chunks::<4>();
        for quad in quads {
            for (input, product) in quad.iter().zip(products(simd, quad.map(row), vector)) {
                sums[*input] += product;
            }
        }
        for &input in rest {
            sums[input] += products(simd, [row(input)], vector)[0];
        }
    }
}

#[cfg(test)]
mod tests;
