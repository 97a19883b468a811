//! Fully connected layers of several pictures: the weights are read once, where they lie, for up to [`PICTURES`] of them.

use rayon::prelude::*;

use crate::kernel::panels::Shared;
use crate::simd::{Instructions, LANES, Simd, Work};

/// The pictures for which weights are read once: their sums for [`STRETCH`] outputs fit in the first-level cache.
const PICTURES: usize = 16;

/// The outputs that are summed together.
const STRETCH: usize = 256;

/// The inputs whose weights are held in registers.
const INPUTS: usize = 4;

/// How many times as many inputs ahead weights are asked for.
const AHEAD: usize = 2;

/// The inputs whose gradients are one piece of work.
const BLOCK: usize = 256;

/// The weights of some neighbouring outputs: `K × width`.
pub(super) struct Panel<'a, T> {
    /// The first output.
    pub first: usize,
    pub width: usize,
    pub numbers: &'a [T],
}

/// The extents of a layer.
#[derive(Clone, Copy)]
pub(super) struct Extents {
    pub pictures: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// Results of all pictures: `P × O` from `P × K`.
pub(super) fn forward(
    instructions: Instructions,
    extents: Extents,
    panels: &[Panel<'_, f32>],
    bias: Option<&[f32]>,
    operand: &[f32],
    result: &mut [f32],
) {
    let Extents { pictures, inputs, outputs } = extents;
    let result = Shared::new(result);
    // The pictures' numbers of one input side by side: rows a power of two apart would fall on one line of the cache.
    let blocks: Vec<(usize, Vec<f32>)> = (0..pictures)
        .step_by(PICTURES)
        .map(|picture| {
            let count = PICTURES.min(pictures - picture);
            let number = |at: usize| operand[(picture + at % count) * inputs + at / count];
            (picture, (0..count * inputs).map(number).collect())
        })
        .collect();
    let mut stretches = Vec::new();
    for panel in panels {
        for from in (0..panel.width).step_by(STRETCH) {
            stretches.extend(blocks.iter().map(|block| (panel, from, block)));
        }
    }
    stretches.into_par_iter().for_each(|(panel, from, &(picture, ref operand))| {
        let width = STRETCH.min(panel.width - from);
        let count = PICTURES.min(pictures - picture);
        let mut sums = [[0.0; STRETCH]; PICTURES];
        if let Some(bias) = bias {
            for sums in &mut sums[..count] {
                sums[..width].copy_from_slice(&bias[panel.first + from..][..width]);
            }
        }
        instructions.run(Sums { panel, from, width, inputs, operand, sums: &mut sums[..count] });
        for (index, sums) in sums[..count].iter().enumerate() {
            // SAFETY: these outputs of these pictures are this piece of work's own.
            let target = unsafe { result.slice((picture + index) * outputs + panel.first + from, width) };
            target.copy_from_slice(&sums[..width]);
        }
    });
}

/// Adds the products of all inputs to the sums of a stretch of outputs.
struct Sums<'a> {
    panel: &'a Panel<'a, f32>,
    from: usize,
    width: usize,
    inputs: usize,
    /// `K × P`.
    operand: &'a [f32],
    sums: &'a mut [[f32; STRETCH]],
}

impl Work for Sums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { panel, from, width, inputs, operand, sums } = self;
        let row = |input: usize| &panel.numbers[input * panel.width + from..][..width];
        let pictures = sums.len();
        let given = |input: usize| &operand[input * pictures..][..pictures];
        let quads = inputs / INPUTS * INPUTS;
        let whole = width / (2 * LANES) * (2 * LANES);
        for input in (0..quads).step_by(INPUTS) {
            let rows: [&[f32]; INPUTS] = std::array::from_fn(|index| row(input + index));
            let numbers: [&[f32]; INPUTS] = std::array::from_fn(|index| given(input + index));
            for at in (0..whole).step_by(2 * LANES) {
                for row in rows {
                    // Rows are a page apart: what is read next must be asked for.
                    simd.prefetch(row.as_ptr().wrapping_add(AHEAD * INPUTS * panel.width + at));
                }
                // SAFETY: the rows and the sums hold `whole` numbers.
                let weights = rows.map(|row| unsafe {
                    let start = row.as_ptr().add(at);
                    [simd.load(start), simd.load(start.add(LANES))]
                });
                for (picture, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: as above.
                    unsafe {
                        let target = sums.as_mut_ptr().add(at);
                        let (mut first, mut second) = (simd.load(target), simd.load(target.add(LANES)));
                        for (weights, numbers) in weights.iter().zip(numbers) {
                            let number = simd.splat(numbers[picture]);
                            first = simd.multiply_add(number, weights[0], first);
                            second = simd.multiply_add(number, weights[1], second);
                        }
                        simd.store(target, first);
                        simd.store(target.add(LANES), second);
                    }
                }
            }
        }
        // What is left of the outputs, and of the inputs.
        for input in 0..inputs {
            let first = if input < quads { whole } else { 0 };
            for (sums, number) in sums.iter_mut().zip(given(input)) {
                for (sum, weight) in sums[first..width].iter_mut().zip(&row(input)[first..]) {
                    *sum += number * weight;
                }
            }
        }
    }
}

/// Gradients of all pictures' inputs: `P × K` from `P × O`.
pub(super) fn backward(
    instructions: Instructions,
    extents: Extents,
    panels: &[Panel<'_, f32>],
    result_gradient: &[f32],
    operand_gradient: &mut [f32],
) {
    let Extents { inputs, .. } = extents;
    let gradient = Shared::new(operand_gradient);
    (0..inputs.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
        let from = block * BLOCK;
        let count = BLOCK.min(inputs - from);
        instructions.run(Products { extents, panels, from, count, result_gradient, gradient });
    });
}

/// The gradients of a block of inputs: products of their rows with the gradients of the results.
struct Products<'a> {
    extents: Extents,
    panels: &'a [Panel<'a, f32>],
    from: usize,
    count: usize,
    result_gradient: &'a [f32],
    gradient: Shared<'a>,
}

impl Work for Products<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let quads = self.count / INPUTS * INPUTS;
        for input in (0..quads).step_by(INPUTS) {
            self.rows::<S, INPUTS>(simd, self.from + input);
        }
        for input in quads..self.count {
            self.rows::<S, 1>(simd, self.from + input);
        }
    }
}

impl Products<'_> {
    /// The gradients of some inputs for all pictures, which are taken three at a time: as many sums as registers hold.
    #[inline(always)]
    fn rows<S: Simd, const N: usize>(&self, simd: S, input: usize) {
        let pictures = self.extents.pictures;
        for (index, panel) in self.panels.iter().enumerate() {
            let rows = &panel.numbers[input * panel.width..][..N * panel.width];
            let rows: [&[f32]; N] = std::array::from_fn(|row| &rows[row * panel.width..][..panel.width]);
            let mut picture = 0;
            while picture < pictures {
                if pictures - picture >= 3 {
                    self.tile::<S, N, 3>(simd, panel, rows, input, picture, index > 0);
                    picture += 3;
                } else {
                    self.tile::<S, N, 1>(simd, panel, rows, input, picture, index > 0);
                    picture += 1;
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const N: usize, const P: usize>(
        &self,
        simd: S,
        panel: &Panel<'_, f32>,
        rows: [&[f32]; N],
        input: usize,
        picture: usize,
        adds: bool,
    ) {
        let Extents { inputs, outputs, .. } = self.extents;
        let given: [&[f32]; P] = std::array::from_fn(|index| {
            &self.result_gradient[(picture + index) * outputs + panel.first..][..panel.width]
        });
        let mut sums = [[simd.splat(0.0); P]; N];
        let whole = panel.width / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            // SAFETY: rows and gradients hold `whole` numbers.
            unsafe {
                let given = given.map(|given| simd.load(given.as_ptr().add(at)));
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let weights = simd.load(row.as_ptr().add(at));
                    for (sum, &given) in sums.iter_mut().zip(&given) {
                        *sum = simd.multiply_add(weights, given, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (index, sum) in sums.into_iter().enumerate() {
                let mut lanes = [0.0; LANES];
                // SAFETY: the array holds LANES numbers.
                unsafe { simd.store(lanes.as_mut_ptr(), sum) };
                let rest = rows[row][whole..].iter().zip(&given[index][whole..]).map(|(a, b)| a * b);
                let total = lanes.iter().sum::<f32>() + rest.sum::<f32>();
                // SAFETY: the gradient of this input of this picture is this piece of work's own.
                let target = unsafe { self.gradient.slice((picture + index) * inputs + input + row, 1) };
                target[0] = if adds { target[0] + total } else { total };
            }
        }
    }
}
