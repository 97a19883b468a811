//! A box inside an array: cutting it out, and pasting it into a border of one number. What slices and padding share.

use super::axes::{Loops, steps};
use super::parallel::{GRAIN, for_each_piece};

/// A box inside a larger array, in memory order.
pub(crate) struct Region {
    /// Where its first element lies in the array.
    first: usize,
    /// Around its rows, with their steps in the array.
    rows: Loops<1>,
    /// All axes but the innermost.
    axes: Vec<Axis>,
    /// Where the box begins in each row of the array.
    start: usize,
    /// The number of elements of each row of the box.
    size: usize,
    /// The number of elements of each row of the array.
    row: usize,
}

/// An axis that is not the innermost.
struct Axis {
    extent: usize,
    start: usize,
    size: usize,
    /// Between neighbours along it in the box, in rows.
    step: usize,
}

impl Region {
    /// The box of these `(start, size)` ranges inside an array of these extents.
    pub fn new(extents: &[usize], ranges: &[(usize, usize)]) -> Self {
        // The innermost axis is copied in one piece. A scalar has none: it is one row of one element.
        let &(start, size) = ranges.last().unwrap_or(&(0, 1));
        let row = extents.last().copied().unwrap_or(1);
        let outer = extents.len().saturating_sub(1);
        let (ranges, array_steps) = (&ranges[..outer], steps(extents));
        let first =
            ranges.iter().zip(&array_steps).map(|(&(start, _), step)| start * step).sum::<usize>() + start;
        let rows = Loops::new(ranges.iter().zip(&array_steps).map(|(&(_, size), &step)| (size, [step])));
        let sizes: Vec<usize> = ranges.iter().map(|&(_, size)| size).collect();
        let box_steps = steps(&sizes);
        let axes = (0..outer).map(|axis| Axis {
            extent: extents[axis],
            start: ranges[axis].0,
            size: ranges[axis].1,
            step: box_steps[axis],
        });
        Self { first, rows, axes: axes.collect(), start, size, row }
    }

    /// Copies the box out of the array.
    pub fn cut(&self, array: &[f32], target: &mut [f32]) {
        if self.size == 0 {
            return;
        }
        let rows = (GRAIN / self.size).max(1);
        for_each_piece(target, rows * self.size, |start, piece| {
            let mut cursor = self.rows.start_at(start / self.size);
            for target in piece.chunks_mut(self.size) {
                target.copy_from_slice(&array[self.first + cursor.offsets[0]..][..self.size]);
                self.rows.advance(&mut cursor);
            }
        });
    }

    /// Writes the whole array: the box where it is, `border` around it.
    pub fn paste(&self, source: &[f32], target: &mut [f32], border: f32) {
        if self.row == 0 {
            return;
        }
        let rows = (GRAIN / self.row).max(1);
        for_each_piece(target, rows * self.row, |start, piece| {
            for (index, target) in piece.chunks_mut(self.row).enumerate() {
                target.fill(border);
                if let Some(row) = self.row_inside(start / self.row + index) {
                    let inside = &mut target[self.start..self.start + self.size];
                    inside.copy_from_slice(&source[row * self.size..][..self.size]);
                }
            }
        });
    }

    /// Which row of the box a row of the array is, if it is one.
    fn row_inside(&self, mut row: usize) -> Option<usize> {
        let mut inside = 0;
        for axis in self.axes.iter().rev() {
            let position =
                (row % axis.extent).checked_sub(axis.start).filter(|&position| position < axis.size)?;
            row /= axis.extent;
            inside += position * axis.step;
        }
        Some(inside)
    }
}
