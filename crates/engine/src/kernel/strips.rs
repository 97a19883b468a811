//! Joining arrays row by row, and cutting them apart again: what concatenation and splitting share.

use super::parallel::{GRAIN, for_each_piece};

/// Joins parts, each of as many rows, into rows that hold a row of every part in turn.
pub(crate) fn join(parts: &[&[f32]], widths: &[usize], whole: &mut [f32]) {
    let row: usize = widths.iter().sum();
    if row == 0 {
        return;
    }
    let rows = (GRAIN / row).max(1);
    for_each_piece(whole, rows * row, |start, piece| {
        for (index, target) in piece.chunks_mut(row).enumerate() {
            let mut rest = target;
            for (part, &width) in parts.iter().zip(widths) {
                let (own, behind) = rest.split_at_mut(width);
                own.copy_from_slice(&part[(start / row + index) * width..][..width]);
                rest = behind;
            }
        }
    });
}

/// Cuts `width` elements out of every row of `row` elements, from the element `first` on.
pub(crate) fn cut(whole: &[f32], row: usize, first: usize, width: usize, part: &mut [f32]) {
    if width == 0 {
        return;
    }
    let rows = (GRAIN / width).max(1);
    for_each_piece(part, rows * width, |start, piece| {
        for (index, target) in piece.chunks_mut(width).enumerate() {
            target.copy_from_slice(&whole[(start / width + index) * row + first..][..width]);
        }
    });
}
