//! Fully connected layers of several pictures: matrix products that read the weights once for up to [`PICTURES`] of them.
//!
//! The weights are packed as panels of [`OUTPUTS`] neighbouring outputs, `K × 16` numbers each, the last filled up with zeros: a row
//! is a cache line. On the way forward its 16 sums are vectors, and numbers of pictures are broadcast. On the way back the
//! pictures are the vectors, and weights are broadcast, so that no vector has to be summed up.

use rayon::prelude::*;

use crate::kernel::panels::Shared;
use crate::simd::{Instructions, LINE, Simd, Work, load_some};

/// The outputs of a panel.
pub(super) const OUTPUTS: usize = LINE;

/// The pictures whose numbers lie side by side.
const PICTURES: usize = LINE;

/// The panels that one piece of work takes forward, so that numbers of pictures are read from the cache for all but the first.
const PANELS: usize = 4;

/// The inputs after which the next panel takes its turn: so many rows of weights stay in the first-level cache for all pictures.
const INPUTS: usize = 256;

/// The rows of a tile of sums: where a line is two vectors, as many as fill sixteen registers together with the factors; where it is one, as
/// many as it takes that no sum waits for its last term.
const fn rows<S: Simd>() -> usize {
    if S::LANES == LINE { 8 } else { 6 }
}

/// The inputs whose gradients are one piece of work: sums that stay in the first-level cache while all panels are read.
const BLOCK: usize = 96;

/// The extents of a layer.
#[derive(Clone, Copy)]
pub(super) struct Extents {
    pub pictures: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Extents {
    /// The numbers of working memory that either direction needs.
    pub fn workspace(self) -> usize {
        self.pictures.next_multiple_of(PICTURES) * self.inputs.max(self.outputs)
    }
}

/// Copies the numbers of pictures side by side: `P × N` becomes blocks of `N × 16`, zeros where there are fewer pictures.
fn side_by_side(numbers: &[f32], length: usize, target: &mut [f32]) {
    const PIECE: usize = 64;
    let blocks = target.par_chunks_exact_mut(length * PICTURES).zip(numbers.par_chunks(length * PICTURES));
    blocks.for_each(|(target, numbers)| {
        target.par_chunks_mut(PIECE * PICTURES).enumerate().for_each(|(piece, target)| {
            for (at, column) in target.chunks_exact_mut(PICTURES).enumerate() {
                let mut pictures = numbers.iter().skip(piece * PIECE + at).step_by(length);
                column.fill_with(|| pictures.next().copied().unwrap_or(0.0));
            }
        });
    });
}

/// Results of all pictures: `P × O` from `P × K`.
pub(super) fn forward(
    instructions: Instructions,
    extents: Extents,
    panels: &[f32],
    bias: Option<&[f32]>,
    operand: &[f32],
    result: &mut [f32],
    workspace: &mut [f32],
) {
    let Extents { pictures, inputs, outputs } = extents;
    let operand = {
        let all = &mut workspace[..pictures.next_multiple_of(PICTURES) * inputs];
        side_by_side(operand, inputs, all);
        &*all
    };
    let result = Shared::new(result);
    let pieces = panels.par_chunks(PANELS * OUTPUTS * inputs).enumerate();
    pieces.for_each(|(piece, panels)| {
        let first = piece * PANELS * OUTPUTS;
        let width = (PANELS * OUTPUTS).min(outputs - first);
        for (block, operand) in operand.chunks_exact(inputs * PICTURES).enumerate() {
            let count = PICTURES.min(pictures - block * PICTURES);
            let mut sums = [[0.0; PICTURES * OUTPUTS]; PANELS];
            if let Some(bias) = bias {
                for (bias, sums) in bias[first..first + width].chunks(OUTPUTS).zip(&mut sums) {
                    sums.chunks_exact_mut(OUTPUTS).for_each(|sums| sums[..bias.len()].copy_from_slice(bias));
                }
            }
            instructions.run(Sums { panels, inputs, operand, count, sums: &mut sums });
            for picture in 0..count {
                // SAFETY: these outputs of this picture are this piece of work's own.
                let target = unsafe { result.slice((block * PICTURES + picture) * outputs + first, width) };
                for (target, sums) in target.chunks_mut(OUTPUTS).zip(&sums) {
                    target.copy_from_slice(&sums[picture * OUTPUTS..][..target.len()]);
                }
            }
        }
    });
}

/// Adds the products of all inputs to the sums of some panels' outputs.
struct Sums<'a> {
    /// Up to [`PANELS`] of them.
    panels: &'a [f32],
    inputs: usize,
    /// `K × 16`.
    operand: &'a [f32],
    /// How many pictures there are.
    count: usize,
    /// Per panel `16 × 16`: pictures and outputs.
    sums: &'a mut [[f32; PICTURES * OUTPUTS]; PANELS],
}

impl Work for Sums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == LINE { self.tiles::<S, 1>(simd) } else { self.tiles::<S, 2>(simd) }
    }
}

impl Sums<'_> {
    /// All tiles, of `V` vectors to a line.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(self, simd: S) {
        let tiles = self.count.div_ceil(rows::<S>());
        for from in (0..self.inputs).step_by(INPUTS) {
            let to = self.inputs.min(from + INPUTS);
            let operand = &self.operand[from * PICTURES..to * PICTURES];
            for (panel, sums) in self.panels.chunks_exact(self.inputs * OUTPUTS).zip(&mut *self.sums) {
                let panel = &panel[from * OUTPUTS..to * OUTPUTS];
                for tile in 0..tiles {
                    let (first, end) = (tile * self.count / tiles, (tile + 1) * self.count / tiles);
                    let sums = &mut sums[first * OUTPUTS..end * OUTPUTS];
                    match end - first {
                        1 => add_outputs::<S, V, 1>(simd, panel, operand, first, sums),
                        2 => add_outputs::<S, V, 2>(simd, panel, operand, first, sums),
                        3 => add_outputs::<S, V, 3>(simd, panel, operand, first, sums),
                        4 => add_outputs::<S, V, 4>(simd, panel, operand, first, sums),
                        5 => add_outputs::<S, V, 5>(simd, panel, operand, first, sums),
                        _ if rows::<S>() == 6 => add_outputs::<S, V, 6>(simd, panel, operand, first, sums),
                        6 => add_outputs::<S, V, 6>(simd, panel, operand, first, sums),
                        7 => add_outputs::<S, V, 7>(simd, panel, operand, first, sums),
                        _ => add_outputs::<S, V, 8>(simd, panel, operand, first, sums),
                    }
                }
            }
        }
    }
}

/// Adds the products of rows of a panel with the numbers of `N` pictures, from one on, to their sums.
#[inline(always)]
fn add_outputs<S: Simd, const V: usize, const N: usize>(
    simd: S,
    panel: &[f32],
    operand: &[f32],
    first: usize,
    sums: &mut [f32],
) {
    let mut tile = [[simd.splat(0.0); V]; N];
    assert!(sums.len() == N * OUTPUTS && first + N <= PICTURES);
    for (tile, sums) in tile.iter_mut().zip(sums.chunks_exact(OUTPUTS)) {
        *tile = load(simd, sums);
    }
    let (rows, _) = panel.as_chunks::<OUTPUTS>();
    let (numbers, _) = operand.as_chunks::<PICTURES>();
    for (row, numbers) in rows.iter().zip(numbers) {
        let weights: [_; V] = load(simd, row);
        for (index, tile) in tile.iter_mut().enumerate() {
            let number = simd.splat(numbers[first + index]);
            for vector in 0..V {
                tile[vector] = simd.multiply_add(number, weights[vector], tile[vector]);
            }
        }
    }
    for (tile, sums) in tile.into_iter().zip(sums.chunks_exact_mut(OUTPUTS)) {
        store(simd, tile, sums);
    }
}

/// Gradients of all pictures' inputs: `P × K` from `P × O`.
pub(super) fn backward(
    instructions: Instructions,
    extents: Extents,
    panels: &[f32],
    result_gradient: &[f32],
    operand_gradient: &mut [f32],
    workspace: &mut [f32],
) {
    let Extents { pictures, inputs, outputs } = extents;
    let given = {
        let all = &mut workspace[..pictures.next_multiple_of(PICTURES) * outputs];
        side_by_side(result_gradient, outputs, all);
        &*all
    };
    let gradient = Shared::new(operand_gradient);
    // A class score's gradient is zero in most outputs.
    let is_zero = |given: &[f32]| given.iter().all(|&number| number == 0.0);
    let live = |given: &[f32]| given.chunks(OUTPUTS * PICTURES).map(|given| !is_zero(given)).collect();
    let live: Vec<Vec<bool>> = given.chunks_exact(outputs * PICTURES).map(live).collect();
    (0..inputs.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
        let from = block * BLOCK;
        let count = BLOCK.min(inputs - from);
        for (block, (given, live)) in given.chunks_exact(outputs * PICTURES).zip(&live).enumerate() {
            let mut sums = [0.0; BLOCK * PICTURES];
            let sums = &mut sums[..count * PICTURES];
            instructions.run(Products { panels, inputs, from, given, live, sums });
            for picture in 0..PICTURES.min(pictures - block * PICTURES) {
                // SAFETY: the gradients of these inputs of this picture are this piece of work's own.
                let target = unsafe { gradient.slice((block * PICTURES + picture) * inputs + from, count) };
                for (target, sums) in target.iter_mut().zip(sums.chunks_exact(PICTURES)) {
                    *target = sums[picture];
                }
            }
        }
    });
}

/// Adds the products of all outputs' gradients to those of a block of inputs.
struct Products<'a> {
    panels: &'a [f32],
    inputs: usize,
    /// The first input of the block.
    from: usize,
    /// `O × 16`.
    given: &'a [f32],
    /// Per panel, whether any of its outputs has a gradient.
    live: &'a [bool],
    /// `16` for each input of the block.
    sums: &'a mut [f32],
}

impl Work for Products<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == LINE { self.tiles::<S, 1>(simd) } else { self.tiles::<S, 2>(simd) }
    }
}

impl Products<'_> {
    /// All tiles, of `V` vectors to a line.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(self, simd: S) {
        let most = rows::<S>();
        let rows = self.sums.len() / PICTURES * OUTPUTS;
        let panels = self.panels.chunks_exact(self.inputs * OUTPUTS);
        let panels = panels.zip(self.given.chunks(OUTPUTS * PICTURES)).zip(self.live);
        for ((panel, given), _) in panels.filter(|(_, live)| **live) {
            let rows = &panel[self.from * OUTPUTS..][..rows];
            let tiles = rows.chunks(most * OUTPUTS).zip(self.sums.chunks_mut(most * PICTURES));
            for (rows, sums) in tiles {
                for row in rows.chunks_exact(OUTPUTS) {
                    // The same row of the next panel is pages away.
                    simd.prefetch(row.as_ptr().wrapping_add(self.inputs * OUTPUTS));
                }
                match sums.len() / PICTURES {
                    1 => add_inputs::<S, V, 1>(simd, rows, given, sums),
                    2 => add_inputs::<S, V, 2>(simd, rows, given, sums),
                    3 => add_inputs::<S, V, 3>(simd, rows, given, sums),
                    4 => add_inputs::<S, V, 4>(simd, rows, given, sums),
                    5 => add_inputs::<S, V, 5>(simd, rows, given, sums),
                    _ if most == 6 => add_inputs::<S, V, 6>(simd, rows, given, sums),
                    6 => add_inputs::<S, V, 6>(simd, rows, given, sums),
                    7 => add_inputs::<S, V, 7>(simd, rows, given, sums),
                    _ => add_inputs::<S, V, 8>(simd, rows, given, sums),
                }
            }
        }
    }
}

/// Adds the products of a panel's outputs, all pictures' at a time, to the sums of `N` inputs.
#[inline(always)]
fn add_inputs<S: Simd, const V: usize, const N: usize>(
    simd: S,
    rows: &[f32],
    given: &[f32],
    sums: &mut [f32],
) {
    let (rows, _) = rows.as_chunks::<OUTPUTS>();
    assert!(rows.len() == N && sums.len() == N * PICTURES);
    let mut tile = [[simd.splat(0.0); V]; N];
    for (tile, sums) in tile.iter_mut().zip(sums.chunks_exact(PICTURES)) {
        *tile = load(simd, sums);
    }
    for (output, given) in given.as_chunks::<PICTURES>().0.iter().enumerate() {
        let given: [_; V] = load(simd, given);
        for (row, tile) in rows.iter().zip(&mut tile) {
            let weight = simd.splat(row[output]);
            for vector in 0..V {
                tile[vector] = simd.multiply_add(weight, given[vector], tile[vector]);
            }
        }
    }
    for (tile, sums) in tile.into_iter().zip(sums.chunks_exact_mut(PICTURES)) {
        store(simd, tile, sums);
    }
}

/// A line, in `V` vectors.
#[inline(always)]
fn load<S: Simd, const V: usize>(simd: S, line: &[f32]) -> [S::Vector; V] {
    assert!(line.len() == V * S::LANES);
    // SAFETY: the line holds so many vectors.
    unsafe { load_some(simd, line.as_ptr(), S::LANES) }
}

#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, vectors: [S::Vector; V], line: &mut [f32]) {
    assert!(line.len() == V * S::LANES);
    for (vector, lanes) in vectors.into_iter().zip(line.chunks_exact_mut(S::LANES)) {
        // SAFETY: the part of the line holds a vector.
        unsafe { simd.store(lanes.as_mut_ptr(), vector) };
    }
}
