//! Rectifiers with learnt slopes.
//!
//! The rules on the way back are those of the leaky rectifier, see `unary.rs`, each channel with its own slope.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::ParametricRelu;

use super::axes::{Spread, expect_same_order};
use super::parallel::{GRAIN, copy_piece, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs, smooth};
use crate::BackwardRule;

/// Makes the kernel; the slopes must be constant.
pub(crate) fn lower(_: &ParametricRelu, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let [input, slopes] = &lowering.operands[..] else {
        return Err(Inconsistency::new("number of inputs", 2, lowering.operands.len()));
    };
    expect_same_order(input, &lowering.results[0])?;
    let weights =
        slopes.weights.ok_or_else(|| Inconsistency::new("slopes", "constants", "computed numbers"))?;
    let mut slopes = weights.to_vec();
    let channels = input.shape.extent(1).unwrap_or(1);
    if slopes.len() == 1 {
        slopes = vec![slopes[0]; channels];
    }
    if slopes.len() != channels {
        return Err(Inconsistency::new("slopes", format!("1 or {channels} numbers"), slopes.len()));
    }
    let by_results = slopes.iter().all(|&slope| slope >= 0.0) && lowering.rule != BackwardRule::Smooth;
    Ok(Box::new(ParametricReluKernel {
        pictures: input.shape.extent(0).unwrap_or(1),
        channels: Spread::along(&input.extents(), input.axis(1)),
        slopes,
        by_results,
    }))
}

struct ParametricReluKernel {
    /// The extent of the first axis.
    pictures: usize,
    /// From elements to channels.
    channels: Spread,
    /// One slope per channel.
    slopes: Vec<f32>,
    /// Whether the gates are read from the results, which are positive exactly where the operand is when no slope is negative.
    by_results: bool,
}

impl Kernel for ParametricReluKernel {
    fn needs(&self) -> Needs {
        Needs { operands: !self.by_results, results: self.by_results }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let x = context.operands[0];
        for_each_piece(
            context.results[0],
            GRAIN,
            #[inline(always)]
            |start, piece| {
                copy_piece(&x[start..start + piece.len()], piece);
                self.channels.zip(
                    start,
                    piece,
                    &self.slopes,
                    #[inline(always)]
                    |x, slope| {
                        *x = if *x > 0.0 { *x } else { slope * *x };
                    },
                );
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let (g, rule) = (context.result_gradients[0], context.rule);
        let gate = if self.by_results { context.results[0] } else { context.operands[0] };
        let size = (target.len() / self.pictures.max(1)).max(1);
        let scales: Vec<f32> = match rule {
            BackwardRule::Smooth => gate.chunks(size).map(smooth::inverse_deviation).collect(),
            _ => Vec::new(),
        };
        for_each_piece(
            target,
            GRAIN,
            #[inline(always)]
            |start, piece| {
                let range = start..start + piece.len();
                // First the gate from 1 to 0, which then chooses between 1 and the slope.
                let numbers = piece.iter_mut().zip(&gate[range.clone()]).zip(&g[range.clone()]).zip(start..);
                for (((target, &gate), &g), position) in numbers {
                    let open = match rule {
                        BackwardRule::Gradient => gate > 0.0,
                        BackwardRule::DeconvNet => g > 0.0,
                        BackwardRule::Guided => gate > 0.0 && g > 0.0,
                        BackwardRule::Smooth => {
                            *target = smooth::openness(scales[position / size] * gate);
                            continue;
                        }
                    };
                    *target = if open { 1.0 } else { 0.0 };
                }
                self.channels.zip(
                    start,
                    piece,
                    &self.slopes,
                    #[inline(always)]
                    |open, slope| {
                        *open = if *open == 1.0 { 1.0 } else { slope + (1.0 - slope) * *open };
                    },
                );
                for (factor, &g) in piece.iter_mut().zip(&g[range]) {
                    *factor *= g;
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, mismatch, positions};
    use super::*;
    use crate::Layout;

    #[test]
    fn each_channel_has_its_slope() {
        let shapes: [&[usize]; 4] = [&[2, 3], &[2, 3, 4], &[2, 3, 4, 5], &[2, 3, 70, 90]];
        let slopes: [&[f32]; 3] = [&[0.25], &[0.5, 0.0, 2.0], &[0.5, -0.25, 0.1]];
        let mut cases = Vec::new();
        for shape in shapes {
            for slopes in slopes {
                let case = Case::new(
                    format!("{shape:?} {slopes:?}"),
                    &ParametricRelu,
                    |lowering| lower(&ParametricRelu, lowering),
                    vec![Array::apart(shape, 3), Array::new(&[slopes.len()], slopes).constant()],
                    move |operands| {
                        let places = positions(shape);
                        let result = operands[0].iter().zip(places).map(|(&x, place)| {
                            let slope = operands[1][place[1] % slopes.len()];
                            if x > 0.0 { x } else { slope * x }
                        });
                        vec![result.collect()]
                    },
                );
                cases.push(if shape.contains(&70) { case.without_differences() } else { case });
            }
        }
        check(cases);
    }

    #[test]
    fn the_rules_are_those_of_the_leaky_rectifier() {
        let operands = vec![Array::new(&[1, 4], [-1.0, 1.0, -1.0, 1.0]), Array::new(&[1], [0.5]).constant()];
        let case =
            Case::new("", &ParametricRelu, |lowering| lower(&ParametricRelu, lowering), operands, |_| vec![]);
        let g = vec![2.0, 2.0, -2.0, -2.0];
        for (rule, expected) in [
            (BackwardRule::Gradient, [1.0, 2.0, -1.0, -2.0]),
            (BackwardRule::DeconvNet, [2.0, 2.0, -1.0, -1.0]),
            (BackwardRule::Guided, [1.0, 2.0, -1.0, -1.0]),
        ] {
            let found = case.run(Layout::Plain, rule, std::slice::from_ref(&g));
            assert_eq!(mismatch(&found.gradients[0], &expected, 0.0), None, "{rule:?}");
        }
        // The deviation of the arguments is 1: gates of ½ ± 14/36, which choose between the slope and 1.
        let [closed, open] = [-1.0, 1.0].map(|u: f64| 0.5 + 0.5 * (0.5 + u * 14.0 / 36.0));
        let found = case.run(Layout::Plain, BackwardRule::Smooth, std::slice::from_ref(&g));
        let expected = [2.0 * closed, 2.0 * open, -2.0 * closed, -2.0 * open];
        assert_eq!(mismatch(&found.gradients[0], &expected, 1e-6), None);
    }
}
