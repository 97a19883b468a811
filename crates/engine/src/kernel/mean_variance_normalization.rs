//! Normalisation by the operand's own mean and deviation.
//!
//! Forward `y = (x − m) · r` with `r = 1/√(v + ε)` or `1/(√v + ε)`, the statistics taken in double precision. Backward,
//! through the statistics: `dx = r · (g − mean(g) − y · mean(g·y))`.
//!
//! With ε inside the root that is the true gradient. With ε outside it is Caffe's, which takes the last term without the
//! factor `(√v + ε)/√v`: the two agree within the ratio of ε to the deviation (1e-9 by default), and Caffe's stays
//! finite where all elements are equal.

mod rows;

use deepinside_graph::op::{EpsilonPlacement, MeanVarianceNormalization};
use deepinside_graph::{Inconsistency, Shape, Weights};

pub(crate) use self::rows::Affine;
use self::rows::RowNormalization;
use super::axes::{Spread, expect_same_order, steps};
use super::parallel::{GRAIN, copy_piece, for_each_piece};
use super::sum::{SumAxis, Summation};
use super::{Backward, Forward, Kernel, Lowering, Needs, Saved};
use crate::Layout;

/// The longest rows that are normalised as such, and the fewest: longer ones do not stay in the first-level cache, and few
/// of them keep threads waiting for each other.
const LONGEST: usize = 1 << 13;
const FEWEST: usize = 8;

/// The numbers that are normalised together, where they are rows: along the innermost axes in memory.
pub(crate) fn row_length(op: &MeanVarianceNormalization, shape: &Shape, layout: Layout) -> Option<usize> {
    let rank = shape.rank();
    let first = rank - op.axes.len();
    let innermost = op.axes.iter().all(|&axis| layout.axis(axis, rank) >= first);
    let length: usize = op.axes.iter().map(|&axis| shape.extents()[axis]).product();
    let fits = (1..=LONGEST).contains(&length) && shape.elements() >= FEWEST * length;
    (op.variance && innermost && fits).then_some(length)
}

/// A constant as one number for each of a row, where it broadcasts to that: it has the extents of the normalised axes, and
/// one everywhere else.
pub(crate) fn along_rows(
    op: &MeanVarianceNormalization,
    shape: &Shape,
    weights: &Weights,
) -> Option<Vec<f32>> {
    let own = weights.shape().extents();
    let lead = shape.rank().checked_sub(own.len())?;
    let extent = |axis: usize| axis.checked_sub(lead).map_or(1, |own_axis| own[own_axis]);
    let fits = (0..shape.rank())
        .all(|axis| extent(axis) == if op.axes.contains(&axis) { shape.extents()[axis] } else { 1 });
    fits.then(|| {
        let numbers = weights.to_vec();
        weights.release(0, numbers.len());
        numbers
    })
}

/// Makes the kernel. The affine map, which may follow what is normalised as rows ([`row_length`]) and in plain layout or
/// along one axis, is applied to each.
pub(crate) fn lower(
    op: &MeanVarianceNormalization,
    lowering: &Lowering<'_>,
    affine: Affine,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    expect_same_order(input, &lowering.results[0])?;
    if let Some(length) = row_length(op, input.shape, input.layout) {
        return Ok(Box::new(RowNormalization {
            instructions: lowering.instructions,
            rows: input.shape.elements() / length,
            length,
            epsilon: f64::from(op.epsilon),
            placement: op.placement,
            affine,
        }));
    }
    if affine != Affine::default() {
        return Err(Inconsistency::new("normalisation with a scale", "rows", format!("axes {:?}", op.axes)));
    }
    let extents = input.extents();
    let mut kept_extents = extents.clone();
    for &axis in &op.axes {
        kept_extents[input.axis(axis)] = 1;
    }
    let kept_steps = steps(&kept_extents);
    let mut axes: Vec<_> = (0..extents.len())
        .zip(steps(&extents))
        .map(|(axis, step)| SumAxis { extent: extents[axis], step, kept: Some(kept_steps[axis]) })
        .collect();
    for &axis in &op.axes {
        axes[input.axis(axis)].kept = None;
    }
    let spread = Spread::new(&extents, &axes.iter().map(|axis| axis.kept.unwrap_or(0)).collect::<Vec<_>>());
    let deviation = op.variance.then_some((f64::from(op.epsilon), op.placement));
    let groups = kept_extents.iter().product();
    Ok(Box::new(MvnKernel { sum: Summation::new(&axes), spread, groups, deviation }))
}

struct MvnKernel {
    /// Over the elements that are normalised together.
    sum: Summation,
    /// From elements to groups.
    spread: Spread,
    /// The number of groups of elements that are normalised together.
    groups: usize,
    /// What is divided by: the ε and where it is added; none where only the mean is taken off.
    deviation: Option<(f64, EpsilonPlacement)>,
}

impl MvnKernel {
    /// The mean of `function(left, right)` in each group, where `spread` is one number per group.
    #[inline(always)]
    fn means(
        &self,
        target: &mut [f32],
        x: &[f32],
        spread: &[f32],
        function: impl Fn(f64, f64) -> f64 + Sync,
    ) {
        self.sum.run(
            target,
            1.0 / self.sum.terms() as f64,
            #[inline(always)]
            |start, terms| {
                for (term, &x) in terms.iter_mut().zip(&x[start..]) {
                    *term = f64::from(x);
                }
                self.spread.for_each_run(
                    start,
                    terms.len(),
                    #[inline(always)]
                    |run| {
                        for (index, term) in terms[run.start..run.start + run.length].iter_mut().enumerate() {
                            *term = function(*term, f64::from(spread[run.offset + index * run.step]));
                        }
                    },
                );
            },
        );
    }
}

impl Kernel for MvnKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: self.deviation.is_some() }
    }

    fn saved(&self) -> Saved {
        // The means, then what the differences are multiplied with.
        Saved { numbers: 2 * self.groups, positions: 0 }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        let (means, factors) = context.numbers.split_at_mut(self.groups);
        factors.fill(0.0);
        self.means(
            means,
            x,
            factors,
            #[inline(always)]
            |x, _| x,
        );
        match self.deviation {
            None => factors.fill(1.0),
            Some((epsilon, placement)) => {
                self.means(
                    factors,
                    x,
                    means,
                    #[inline(always)]
                    |x, mean| (x - mean) * (x - mean),
                );
                for factor in factors.iter_mut() {
                    let variance = f64::from(*factor);
                    *factor = match placement {
                        EpsilonPlacement::InsideRoot => 1.0 / (variance + epsilon).sqrt(),
                        EpsilonPlacement::OutsideRoot => 1.0 / (variance.sqrt() + epsilon),
                    } as f32;
                }
            }
        }
        let (means, factors) = (&*means, &*factors);
        for_each_piece(
            context.results[0],
            GRAIN,
            #[inline(always)]
            |start, piece| {
                copy_piece(&x[start..start + piece.len()], piece);
                self.spread.zip(
                    start,
                    piece,
                    means,
                    #[inline(always)]
                    |x, mean| *x -= mean,
                );
                self.spread.zip(
                    start,
                    piece,
                    factors,
                    #[inline(always)]
                    |x, factor| *x *= factor,
                );
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (y, g) = (context.results[0], context.result_gradients[0]);
        // Two numbers per group, of which there are few: the only scratch of this kernel.
        let mut scratch = vec![0.0; 2 * self.groups];
        let (means, products) = scratch.split_at_mut(self.groups);
        self.means(
            means,
            g,
            products,
            #[inline(always)]
            |g, _| g,
        );
        if self.deviation.is_some() {
            self.sum.run(
                products,
                1.0 / self.sum.terms() as f64,
                #[inline(always)]
                |start, terms| {
                    for ((term, &g), &y) in terms.iter_mut().zip(&g[start..]).zip(&y[start..]) {
                        *term = f64::from(g) * f64::from(y);
                    }
                },
            );
        }
        let (means, products, factors) = (&*means, &*products, &context.numbers[self.groups..]);
        for_each_piece(
            target,
            GRAIN,
            #[inline(always)]
            |start, piece| {
                let range = start..start + piece.len();
                if self.deviation.is_some() {
                    copy_piece(&y[range.clone()], piece);
                    self.spread.zip(
                        start,
                        piece,
                        products,
                        #[inline(always)]
                        |y, product| *y *= -product,
                    );
                    for (target, &g) in piece.iter_mut().zip(&g[range]) {
                        *target += g;
                    }
                } else {
                    copy_piece(&g[range], piece);
                }
                self.spread.zip(
                    start,
                    piece,
                    means,
                    #[inline(always)]
                    |target, mean| *target -= mean,
                );
                self.spread.zip(
                    start,
                    piece,
                    factors,
                    #[inline(always)]
                    |target, factor| *target *= factor,
                );
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, Noise, check, index_of, mismatch, positions};
    use super::*;
    use crate::{BackwardRule, Layout};

    /// Which group each element belongs to.
    fn groups(axes: &[usize], shape: &[usize]) -> Vec<usize> {
        let own = |mut position: Vec<usize>| {
            axes.iter().for_each(|&axis| position[axis] = 0);
            index_of(shape, &position)
        };
        positions(shape).into_iter().map(own).collect()
    }

    /// The mean of the group of each element.
    fn means(groups: &[usize], numbers: &[f64]) -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; groups.len()], vec![0.0; groups.len()]);
        for (&group, number) in groups.iter().zip(numbers) {
            sums[group] += number;
            counts[group] += 1.0;
        }
        groups.iter().map(|&group| sums[group] / counts[group]).collect()
    }

    /// The definition, and what the differences from the mean are multiplied with.
    fn normalise(op: &MeanVarianceNormalization, groups: &[usize], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let centred: Vec<f64> = x.iter().zip(means(groups, x)).map(|(x, mean)| x - mean).collect();
        let squares: Vec<f64> = centred.iter().map(|x| x * x).collect();
        let epsilon = f64::from(op.epsilon);
        let factors = means(groups, &squares).into_iter().map(|variance| match (op.variance, op.placement) {
            (false, _) => 1.0,
            (true, EpsilonPlacement::InsideRoot) => 1.0 / (variance + epsilon).sqrt(),
            (true, EpsilonPlacement::OutsideRoot) => 1.0 / (variance.sqrt() + epsilon),
        });
        let factors: Vec<f64> = factors.collect();
        (centred.iter().zip(&factors).map(|(x, factor)| x * factor).collect(), factors)
    }

    fn operator(
        axes: &[usize],
        variance: bool,
        epsilon: f32,
        placement: EpsilonPlacement,
    ) -> MeanVarianceNormalization {
        MeanVarianceNormalization { axes: axes.to_vec(), variance, epsilon, placement }
    }

    #[test]
    fn groups_are_normalised_and_gradients_go_through_the_statistics() {
        let table: [(&[usize], &[usize]); 11] = [
            (&[2], &[3, 5, 23]),
            (&[2], &[2, 9, 48]),
            (&[2, 3], &[2, 3, 4, 5]),
            (&[1, 2, 3], &[2, 3, 4, 5]),
            (&[0, 2, 3], &[3, 2, 4, 3]),
            (&[1], &[2, 9, 2]),
            (&[0, 1, 2], &[2, 5, 3]),
            (&[0], &[9]),
            (&[1, 3], &[2, 3, 2, 5]),
            (&[2, 3], &[1, 70, 3, 3]),
            (&[2, 3], &[2, 40, 30, 31]),
        ];
        let settings = [
            (false, 0.0, EpsilonPlacement::InsideRoot),
            (true, 0.01, EpsilonPlacement::InsideRoot),
            // So small that Caffe's gradient is the true one.
            (true, 1e-9, EpsilonPlacement::OutsideRoot),
        ];
        let mut cases = Vec::new();
        for (axes, shape) in table {
            for (variance, epsilon, placement) in settings {
                let op: &_ = Box::leak(Box::new(operator(axes, variance, epsilon, placement)));
                // A mean that is large beside the deviation costs digits in a careless variance.
                let operands = vec![Array::noise(shape, 43).map(|x| x + 4.0)];
                let case = Case::new(
                    format!("{op:?} {shape:?}"),
                    op,
                    |lowering| lower(op, lowering, Affine::default()),
                    operands,
                    move |x| vec![normalise(op, &groups(&op.axes, shape), &x[0]).0],
                );
                cases.push(if shape.contains(&40) { case.without_differences() } else { case });
            }
        }
        check(cases);
    }

    #[test]
    fn rows_are_scaled_and_shifted() {
        let op = operator(&[2], true, 0.01, EpsilonPlacement::InsideRoot);
        let cases = [17, 32, 192].into_iter().flat_map(|length| {
            let op: &_ = Box::leak(Box::new(op.clone()));
            let (scale, shift) = (Noise::new(46).numbers(length), Noise::new(47).numbers(length));
            [(true, true), (true, false), (false, true)].map(|(scales, shifts)| {
                let affine =
                    Affine { scale: scales.then(|| scale.clone()), shift: shifts.then(|| shift.clone()) };
                let own = affine.clone();
                let shape = [2, 5, length];
                let reference = move |x: &[Vec<f64>]| {
                    let mut y = normalise(op, &groups(&op.axes, &shape), &x[0]).0;
                    for (at, y) in y.iter_mut().enumerate() {
                        *y *= own.scale.as_ref().map_or(1.0, |scale| f64::from(scale[at % length]));
                        *y += own.shift.as_ref().map_or(0.0, |shift| f64::from(shift[at % length]));
                    }
                    vec![y]
                };
                let lower = move |lowering: &Lowering<'_>| super::lower(op, lowering, affine.clone());
                let x = vec![Array::noise(&shape, 48).map(|x| x + 2.0)];
                Case::new(format!("{length}"), op, lower, x, reference).layouts(&[Layout::Plain])
            })
        });
        check(cases.collect());
    }

    #[test]
    fn with_a_large_epsilon_outside_of_the_root_the_gradient_is_caffes() {
        let (op, shape) = (operator(&[2], true, 0.5, EpsilonPlacement::OutsideRoot), [2, 3, 5]);
        let (x, g) = (Array::noise(&shape, 44), Array::noise(&shape, 45));
        let doubles =
            |array: &Array| -> Vec<f64> { array.numbers.iter().map(|&number| f64::from(number)).collect() };
        let groups = groups(&op.axes, &shape);
        let (y, factors) = normalise(&op, &groups, &doubles(&x));
        let g64 = doubles(&g);
        let products: Vec<f64> = g64.iter().zip(&y).map(|(g, y)| g * y).collect();
        let (mean_g, mean_products) = (means(&groups, &g64), means(&groups, &products));
        let expected: Vec<f64> =
            (0..y.len()).map(|at| factors[at] * (g64[at] - mean_g[at] - y[at] * mean_products[at])).collect();
        let case =
            Case::new("", &op, |lowering| lower(&op, lowering, Affine::default()), vec![x], |_| vec![]);
        for layout in [Layout::Plain, Layout::ChannelsLast] {
            let found = case.run(layout, BackwardRule::Gradient, std::slice::from_ref(&g.numbers));
            assert_eq!(mismatch(&found.gradients[0], &expected, 1e-6), None);
        }
    }

    #[test]
    fn equal_elements_give_zeros() {
        let op = operator(&[0], true, 1e-9, EpsilonPlacement::OutsideRoot);
        let case = Case::new(
            "",
            &op,
            |lowering| lower(&op, lowering, Affine::default()),
            vec![Array::new(&[3], [2.0; 3])],
            |_| vec![],
        );
        let found = case.run(Layout::Plain, BackwardRule::Gradient, &[vec![1.0; 3]]);
        assert_eq!((&found.results[0], &found.gradients[0]), (&vec![0.0; 3], &vec![0.0; 3]));
    }
}
