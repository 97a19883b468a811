//! The largest elements along an axis, with their positions. The gradient of each goes to where it stood.

use std::cmp::Ordering;

use deepinside_graph::Inconsistency;
use deepinside_graph::op::{TieRule, TopK};

use super::axes::{around, expect_same_order};
use super::parallel::{GRAIN, for_each_pair, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand, Saved};

/// Up to this many are found by insertion; for more all elements are sorted.
const FEW: usize = 32;

/// Makes the kernel.
pub(crate) fn lower(op: &TopK, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    for result in &lowering.results {
        // The operand decides: a result with one position left may have the same order in either layout.
        expect_same_order(&Operand { layout: input.layout, ..result.clone() }, result)?;
    }
    let (outer, extent, inner) = around(&input.extents(), input.axis(op.axis));
    // One place more than needed while inserting, all of them for sorting.
    let places = if op.k <= FEW { op.k + 1 } else { extent };
    Ok(Box::new(TopKKernel { outer, extent, inner, k: op.k, places, ties: op.ties }))
}

struct TopKKernel {
    outer: usize,
    extent: usize,
    inner: usize,
    k: usize,
    /// How many saved positions each search has; the first `k` are the answer.
    places: usize,
    ties: TieRule,
}

impl TopKKernel {
    /// What comes first in the answer comes first here. A NaN comes last.
    fn order(&self, (a, at_a): (f32, u32), (b, at_b): (f32, u32)) -> Ordering {
        let by_value = b.partial_cmp(&a).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        by_value.then_with(|| match self.ties {
            TieRule::LargerPosition => at_b.cmp(&at_a),
            TieRule::SmallerPosition => at_a.cmp(&at_b),
        })
    }

    /// Puts the positions of the largest elements of one line at the beginning of `places`.
    fn search(&self, line: &[f32], places: &mut [u32]) {
        let item = |at: u32| (line[at as usize * self.inner], at);
        if self.k > FEW {
            for (at, place) in (0..).zip(places.iter_mut()) {
                *place = at;
            }
            // Positions differ, so no two are equal and the unstable sort has one answer.
            places.sort_unstable_by(|&a, &b| self.order(item(a), item(b)));
            return;
        }
        let mut found = 0;
        for at in 0..self.extent as u32 {
            if found == self.k && self.order(item(at), item(places[found - 1])) == Ordering::Greater {
                continue;
            }
            let place =
                places[..found].partition_point(|&other| self.order(item(other), item(at)) == Ordering::Less);
            places.copy_within(place..found, place + 1);
            places[place] = at;
            found = (found + 1).min(self.k);
        }
    }
}

impl Kernel for TopKKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn saved(&self) -> Saved {
        Saved { numbers: 0, positions: self.outer * self.inner * self.places }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (x, whole, answer) = (context.operands[0], self.extent * self.inner, self.k * self.inner);
        let [values, positions] = context.results else { return };
        if whole == 0 || answer == 0 {
            return;
        }
        let (lines, searches) = ((GRAIN / whole).max(1), self.places * self.inner);
        let targets = ((&mut **values, answer * lines), (&mut *context.positions, searches * lines));
        for_each_pair(targets.0, targets.1, |index, values, saved| {
            let wholes = values.chunks_mut(answer).zip(saved.chunks_mut(searches));
            for ((values, saved), x) in wholes.zip(x[index * lines * whole..].chunks(whole)) {
                for (lane, places) in saved.chunks_mut(self.places).enumerate() {
                    self.search(&x[lane..], places);
                    for (rank, &at) in places[..self.k].iter().enumerate() {
                        values[rank * self.inner + lane] = x[at as usize * self.inner + lane];
                    }
                }
            }
        });
        let saved = &*context.positions;
        for_each_piece(positions, answer * lines, |start, piece| {
            for (index, positions) in piece.chunks_mut(answer).enumerate() {
                let saved = &saved[(start / answer + index) * searches..][..searches];
                for (lane, places) in saved.chunks(self.places).enumerate() {
                    for (rank, &at) in places[..self.k].iter().enumerate() {
                        positions[rank * self.inner + lane] = at as f32;
                    }
                }
            }
        });
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (g, whole, answer) = (context.result_gradients[0], self.extent * self.inner, self.k * self.inner);
        if whole == 0 {
            return;
        }
        let saved = context.positions;
        for_each_piece(target, whole * (GRAIN / whole).max(1), |start, piece| {
            piece.fill(0.0);
            for (index, target) in piece.chunks_mut(whole).enumerate() {
                let outer = start / whole + index;
                let g = &g[outer * answer..(outer + 1) * answer];
                let saved = &saved[outer * self.places * self.inner..][..self.places * self.inner];
                for (lane, places) in saved.chunks(self.places).enumerate() {
                    for (rank, &at) in places[..self.k].iter().enumerate() {
                        target[at as usize * self.inner + lane] = g[rank * self.inner + lane];
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;
    use crate::{BackwardRule, Layout};

    #[test]
    fn the_largest_are_found_along_every_axis() {
        let table: [(usize, usize, &[usize]); 11] = [
            (0, 1, &[9]),
            (0, 9, &[9]),
            (1, 3, &[2, 9]),
            (1, 1, &[2, 5, 3, 2]),
            (1, 2, &[2, 5, 3, 2]),
            (2, 3, &[2, 5, 3, 2]),
            (3, 2, &[2, 5, 3, 2]),
            (1, 5, &[2, 5, 3]),
            (0, 40, &[50]),
            (1, 33, &[2, 40, 2]),
            (1, 5, &[3, 1000, 5, 5]),
        ];
        let mut cases = Vec::new();
        for (axis, k, shape) in table {
            for ties in [TieRule::LargerPosition, TieRule::SmallerPosition] {
                let op: &TopK = Box::leak(Box::new(TopK { axis, k, ties }));
                // Large cases have many ties; small ones none, since differences need that.
                let large = shape.contains(&1000);
                let x = if large {
                    Array::noise(shape, 38).map(|x| (x * 8.0).round())
                } else {
                    Array::apart(shape, 38)
                };
                let case = Case::new(
                    format!("{op} {ties:?} {shape:?}"),
                    op,
                    |lowering| lower(op, lowering),
                    vec![x],
                    move |x| {
                        let mut extents = shape.to_vec();
                        extents[axis] = k;
                        let found = positions(&extents).into_iter().map(|mut position| {
                            let rank = position[axis];
                            let mut line: Vec<(f64, usize)> = (0..shape[axis])
                                .map(|index| {
                                    position[axis] = index;
                                    (x[0][index_of(shape, &position)], index)
                                })
                                .collect();
                            match ties {
                                TieRule::LargerPosition => line.reverse(),
                                TieRule::SmallerPosition => {}
                            }
                            line.sort_by(|a, b| b.0.total_cmp(&a.0));
                            (line[rank].0, line[rank].1 as f64)
                        });
                        let (values, places): (Vec<f64>, Vec<f64>) = found.unzip();
                        vec![values, places]
                    },
                );
                cases.push(if large { case.without_differences() } else { case });
            }
        }
        check(cases);
    }

    #[test]
    fn negative_zero_ties_with_zero_and_nan_comes_last() {
        for (ties, expected) in [
            (TieRule::LargerPosition, [2.0, 1.0, 3.0, 0.0]),
            (TieRule::SmallerPosition, [1.0, 2.0, 3.0, 0.0]),
        ] {
            let op = TopK { axis: 0, k: 4, ties };
            let x = Array::new(&[4], [f32::NAN, 0.0, -0.0, -1.0]);
            let case = Case::new("", &op, |lowering| lower(&op, lowering), vec![x], |_| vec![]);
            let seeds = [vec![1.0; 4], vec![1.0; 4]];
            assert_eq!(case.run(Layout::Plain, BackwardRule::Gradient, &seeds).results[1], expected);
        }
    }
}
