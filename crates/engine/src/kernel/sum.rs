//! Sums over some axes of an array, as reductions, statistics and the gradients of broadcast operands need.
//!
//! Every sum is taken in double precision and in one order, whatever the number of threads: terms are never split
//! between threads, sums are. Two shapes of work matter. Where neighbouring sums lie side by side (channels-last), up
//! to [`BLOCK`] of them are taken together; where the terms of one sum lie side by side, they are dealt in turn to
//! [`BLOCK`] partial sums, which are added up at the end.

use super::axes::Loops;
use super::parallel::{GRAIN, for_each_piece};

/// How many sums, or partial sums, are taken together: wide enough to hide the latency of additions, and 512 bytes.
pub(crate) const BLOCK: usize = 64;

/// One axis of the summed array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SumAxis {
    /// The extent.
    pub extent: usize,
    /// The step in the summed array.
    pub step: usize,
    /// The step in the array of sums; `None` where the axis is summed over.
    pub kept: Option<usize>,
}

/// A plan for sums over some axes.
#[derive(Debug, Clone)]
pub(crate) struct Summation {
    /// Around the rows of sums; offsets into the sums and into the terms.
    kept: Loops<2>,
    /// How many sums lie side by side as their terms do.
    lanes: usize,
    /// Around the runs of terms.
    summed: Loops<1>,
    /// How many terms of one sum lie side by side.
    run: usize,
}

impl Summation {
    /// A plan from all axes of the summed array. The sums must be dense under the kept steps.
    pub fn new(axes: &[SumAxis]) -> Self {
        let mut kept: Vec<_> =
            axes.iter().filter_map(|axis| axis.kept.map(|step| (axis.extent, [step, axis.step]))).collect();
        // The sums are walked in their own memory order; axes of extent 1 have meaningless steps and count for nothing.
        kept.sort_by_key(|&(_, [step, _])| std::cmp::Reverse(step));
        let mut kept = Loops::new(kept);
        let lanes = kept.take_innermost([1, 1]);
        let mut summed: Vec<_> =
            axes.iter().filter(|axis| axis.kept.is_none()).map(|axis| (axis.extent, [axis.step])).collect();
        summed.sort_by_key(|&(_, [step])| std::cmp::Reverse(step));
        let mut summed = Loops::new(summed);
        let run = if lanes > 1 { 1 } else { summed.take_innermost([1]) };
        Self { kept, lanes, summed, run }
    }

    /// The number of terms of each sum.
    pub fn terms(&self) -> usize {
        self.summed.count() * self.run
    }

    /// Writes all sums, times a coefficient. `read(start, terms)` must fill in the terms that lie at `start` and behind;
    /// it gets at most [`BLOCK`] at once.
    #[inline(always)]
    pub fn run(&self, sums: &mut [f32], coefficient: f64, read: impl Fn(usize, &mut [f64]) + Sync) {
        let piece = (GRAIN / self.terms().max(1)).max(1);
        let piece = if self.lanes > 1 { piece.next_multiple_of(BLOCK) } else { piece };
        for_each_piece(
            sums,
            piece,
            #[inline(always)]
            |start, piece| {
                let mut cursor = self.kept.start_at(start / self.lanes);
                let mut lane = start % self.lanes;
                let mut rest = piece;
                while !rest.is_empty() {
                    let (row, behind) = rest.split_at_mut((self.lanes - lane).min(rest.len()));
                    for (block, sums) in row.chunks_mut(BLOCK).enumerate() {
                        self.block(cursor.offsets[1] + lane + block * BLOCK, sums, coefficient, &read);
                    }
                    rest = behind;
                    lane = 0;
                    self.kept.advance(&mut cursor);
                }
            },
        );
    }

    /// Sums that lie side by side, at most [`BLOCK`], the first term of the first at `first`.
    #[inline(always)]
    fn block(&self, first: usize, sums: &mut [f32], coefficient: f64, read: &impl Fn(usize, &mut [f64])) {
        let (mut totals, mut terms) = ([0.0; BLOCK], [0.0; BLOCK]);
        // Side by side lie either several sums or the terms of one.
        let run = if self.lanes > 1 { sums.len() } else { self.run };
        self.summed.for_each(
            #[inline(always)]
            |[offset]| {
                for start in (0..run).step_by(BLOCK) {
                    let count = (run - start).min(BLOCK);
                    read(first + offset + start, &mut terms[..count]);
                    for (total, term) in totals[..count].iter_mut().zip(&terms[..count]) {
                        *total += term;
                    }
                }
            },
        );
        if self.lanes > 1 {
            for (sum, total) in sums.iter_mut().zip(totals) {
                *sum = (total * coefficient) as f32;
            }
        } else if let Some(sum) = sums.first_mut() {
            *sum = (totals.iter().sum::<f64>() * coefficient) as f32;
        }
    }
}
