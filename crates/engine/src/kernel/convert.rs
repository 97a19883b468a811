//! From one layout to another.
//!
//! For each picture this is the transposition of a matrix of channels and places. Rows of the target are written whole,
//! [`SIDE`] at a time: the source's cache lines that they share are then read once, and the [`SIDE`] rows being written
//! each stay in one line of the first-level cache.

use deepinside_graph::Shape;

use super::copy::CopyKernel;
use super::parallel::{GRAIN, copy, for_each_piece};
use super::{Backward, Forward, Kernel, Needs};
use crate::Layout;
use crate::simd::BlockTransposition;

/// The side of the blocks: the numbers of one cache line.
const SIDE: usize = 16;

/// Pictures have three channels: up to so many rows or columns are read or written one after the other, with steps.
const FEW: usize = 4;

/// Makes the kernel that brings a value of this shape from one layout into another.
pub(crate) fn convert(shape: &Shape, from: Layout, to: Layout) -> Box<dyn Kernel> {
    match Transposition::new(shape, from, to) {
        Some(transposition) => Box::new(transposition),
        None => Box::new(CopyKernel),
    }
}

/// Brings a value of this shape from one layout into another. Both slices hold all of its elements.
pub(crate) fn convert_slice(shape: &Shape, from: Layout, to: Layout, source: &[f32], target: &mut [f32]) {
    match Transposition::new(shape, from, to) {
        Some(transposition) => transposition.run(source, target),
        None => copy(source, target),
    }
}

/// A transposition of one or more matrices of equal extents.
struct Transposition {
    rows: usize,
    columns: usize,
}

impl Transposition {
    /// The transposition between two layouts; none where they put the elements in the same order.
    fn new(shape: &Shape, from: Layout, to: Layout) -> Option<Self> {
        if from.equivalent(to, shape) || shape.elements() == 0 {
            return None;
        }
        let (channels, places) = (shape.extents()[1], shape.product(2..shape.rank()));
        Some(match from {
            Layout::Plain => Self { rows: channels, columns: places },
            Layout::ChannelsLast => Self { rows: places, columns: channels },
        })
    }

    fn run(&self, source: &[f32], target: &mut [f32]) {
        let (rows, columns) = (self.rows, self.columns);
        if rows <= FEW {
            return interleave(source, target, rows, columns);
        }
        if columns <= FEW {
            return separate(source, target, rows, columns);
        }
        // Pieces are whole rows of the target, which has `columns` rows of `rows` elements per matrix.
        let piece_rows = (GRAIN / rows).max(1).next_multiple_of(SIDE);
        for_each_piece(
            target,
            piece_rows * rows,
            #[inline(always)]
            |start, piece| {
                let mut row = start / rows;
                for band in piece.chunks_mut(SIDE * rows) {
                    let matrix = row / columns;
                    let count = band.len() / rows;
                    if row % columns + count <= columns {
                        let source = &source[matrix * rows * columns..(matrix + 1) * rows * columns];
                        transpose_band(source, columns, row % columns, band, rows);
                    } else {
                        // The band goes over into the next matrix.
                        for (index, band) in band.chunks_mut(rows).enumerate() {
                            let (matrix, column) = ((row + index) / columns, (row + index) % columns);
                            let source = &source[matrix * rows * columns..(matrix + 1) * rows * columns];
                            transpose_band(source, columns, column, band, rows);
                        }
                    }
                    row += count;
                }
            },
        );
    }
}

/// Transposes matrices of few rows: their numbers take turns in the target.
fn interleave(source: &[f32], target: &mut [f32], rows: usize, columns: usize) {
    let step = (GRAIN / 2 / rows).max(1) * rows;
    for_each_piece(
        target,
        step,
        #[inline(always)]
        |start, piece| {
            let (mut place, mut rest) = (start / rows, piece);
            while !rest.is_empty() {
                let (matrix, column) = (place / columns, place % columns);
                let count = (columns - column).min(rest.len() / rows);
                let (own, behind) = rest.split_at_mut(count * rows);
                for row in 0..rows {
                    let source = &source[(matrix * rows + row) * columns + column..][..count];
                    for (target, source) in own[row..].iter_mut().step_by(rows).zip(source) {
                        *target = *source;
                    }
                }
                (place, rest) = (place + count, behind);
            }
        },
    );
}

/// Transposes matrices of few columns, whose numbers take turns in the source.
fn separate(source: &[f32], target: &mut [f32], rows: usize, columns: usize) {
    for_each_piece(
        target,
        GRAIN / 2,
        #[inline(always)]
        |start, piece| {
            let (mut place, mut rest) = (start, piece);
            while !rest.is_empty() {
                let (matrix, column, row) = (place / (rows * columns), place / rows % columns, place % rows);
                let count = (rows - row).min(rest.len());
                let (own, behind) = rest.split_at_mut(count);
                let source = &source[(matrix * rows + row) * columns + column..];
                for (target, source) in own.iter_mut().zip(source.iter().step_by(columns)) {
                    *target = *source;
                }
                (place, rest) = (place + count, behind);
            }
        },
    );
}

/// Writes some rows of a transposed matrix: the columns of the source from `first` on.
#[inline]
fn transpose_band(source: &[f32], columns: usize, first: usize, band: &mut [f32], rows: usize) {
    let count = band.len() / rows;
    BlockTransposition::detect().run(&source[first..], columns, [rows, count], band, rows);
}

impl Kernel for Transposition {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.run(context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            let back = Self { rows: self.columns, columns: self.rows };
            back.run(context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::Identity;

    use super::super::testing::{Array, Case, from_memory, to_memory};
    use super::*;
    use crate::BackwardRule;

    #[test]
    fn every_shape_comes_through_both_ways() {
        let shapes: [&[usize]; 12] = [
            &[],
            &[5],
            &[3, 4],
            &[2, 3, 4],
            &[2, 3, 4, 5],
            &[3, 17, 5, 7],
            &[1, 16, 4, 4],
            &[5, 33, 1, 1],
            &[2, 1, 8, 9],
            &[2, 0, 3, 3],
            &[1, 3, 227, 227],
            &[3, 130, 19, 23],
        ];
        for extents in shapes {
            let x = Array::noise(extents, 35);
            for (from, to) in [(Layout::Plain, Layout::ChannelsLast), (Layout::ChannelsLast, Layout::Plain)] {
                let source = to_memory(&x.shape, from, &x.numbers);
                let mut target = vec![f32::NAN; source.len()];
                convert_slice(&x.shape, from, to, &source, &mut target);
                assert_eq!(from_memory(&x.shape, to, &target), x.numbers, "{extents:?} {from:?}");

                let case = Case::new(
                    "",
                    &Identity,
                    |lowering| {
                        Ok(convert(
                            lowering.operands[0].shape,
                            lowering.operands[0].layout,
                            lowering.results[0].layout,
                        ))
                    },
                    vec![x.clone()],
                    |_| vec![],
                );
                let g = Array::noise(extents, 36).numbers;
                let outcome = case.run_mixed(&[from], to, BackwardRule::Gradient, std::slice::from_ref(&g));
                assert_eq!(outcome.results[0], x.numbers, "{extents:?} {from:?}");
                assert_eq!(outcome.gradients[0], g, "{extents:?} {from:?}");
            }
        }
    }
}
