//! Sums of a few positions of one axis: what taking, resampling and everything made of them share.

use super::axes::around;
use super::parallel::{GRAIN, for_each_piece};

/// For each position of one array's axis the positions of another's with their weights.
pub(crate) struct Taps {
    /// Where the taps of each position begin, and at last where those of the last end.
    starts: Vec<usize>,
    taps: Vec<(usize, f32)>,
}

impl Taps {
    /// From the lists of taps of all positions.
    pub fn new<'a>(lists: impl Iterator<Item = &'a [(usize, f32)]>) -> Self {
        let mut taps = Self { starts: vec![0], taps: Vec::new() };
        for list in lists {
            taps.taps.extend_from_slice(list);
            taps.starts.push(taps.taps.len());
        }
        taps
    }

    /// The adjoint: for each of `extent` positions that are read, where they are read.
    pub fn adjoint(&self, extent: usize) -> Self {
        let mut lists = vec![Vec::new(); extent];
        for (position, bounds) in self.starts.windows(2).enumerate() {
            for &(read, weight) in &self.taps[bounds[0]..bounds[1]] {
                lists[read].push((position, weight));
            }
        }
        Self::new(lists.iter().map(Vec::as_slice))
    }

    fn positions(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, position: usize) -> &[(usize, f32)] {
        &self.taps[self.starts[position]..self.starts[position + 1]]
    }

    /// Writes a target whose axis has one position per list, from a source of these extents in memory order, for which
    /// only the extent of `axis` may differ.
    pub fn apply(&self, extents: &[usize], axis: usize, source: &[f32], target: &mut [f32]) {
        let (_, extent, inner) = around(extents, axis);
        let positions = self.positions();
        if positions == 0 || inner == 0 {
            return;
        }
        let rows = (GRAIN / inner).max(1);
        for_each_piece(
            target,
            rows * inner,
            #[inline(always)]
            |start, piece| {
                for (index, target) in piece.chunks_mut(inner).enumerate() {
                    let row = start / inner + index;
                    let source = &source[row / positions * extent * inner..];
                    match *self.of(row % positions) {
                        [] => target.fill(0.0),
                        [(position, 1.0)] => {
                            target.copy_from_slice(&source[position * inner..(position + 1) * inner]);
                        }
                        [(first, weight), ref others @ ..] => {
                            let row = |position: usize| &source[position * inner..(position + 1) * inner];
                            for (target, x) in target.iter_mut().zip(row(first)) {
                                *target = weight * x;
                            }
                            for &(position, weight) in others {
                                for (target, x) in target.iter_mut().zip(row(position)) {
                                    *target += weight * x;
                                }
                            }
                        }
                    }
                }
            },
        );
    }
}
