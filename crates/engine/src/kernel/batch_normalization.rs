//! Batch normalisation with stored statistics: a subtraction, a factor and a shift per channel.
//!
//! `y = (x − mean) · factor + shift`, the factor `scale / √(variance + ε)` taken in double precision. The mean is not
//! folded into the shift: where it is large beside the deviation, the product of both would cancel digits that the
//! subtraction keeps. A rectifier behind it, which networks have that normalise before they convolve, is computed in the same pass.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::BatchNormalization;

use super::activation::{Activation, Gate};
use super::axes::{Spread, expect_same_order};
use super::parallel::{GRAIN, copy_piece, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel; all operands but the first must be constant, and the activation is of a rectifier behind it.
pub(crate) fn lower(
    op: &BatchNormalization,
    lowering: &Lowering<'_>,
    activation: Option<Activation>,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let input = &lowering.operands[0];
    expect_same_order(input, &lowering.results[0])?;
    let axis = BatchNormalization::channel_axis(input.shape.rank());
    let channels = input.shape.extent(axis).unwrap_or(0);
    let read = |index: usize, what: &str| -> Result<Option<Vec<f32>>, Inconsistency> {
        let Some(operand) = lowering.operands.get(index) else { return Ok(None) };
        let weights =
            operand.weights.ok_or_else(|| Inconsistency::new(what, "constants", "computed numbers"))?;
        if weights.shape().elements() != channels {
            return Err(Inconsistency::new(what, format!("{channels} numbers"), weights.shape()));
        }
        Ok(Some(weights.to_vec()))
    };
    let required = |numbers: Option<Vec<f32>>, what: &str| {
        numbers.ok_or_else(|| Inconsistency::new(what, format!("{channels} numbers"), "none"))
    };
    let means = required(read(1, "mean")?, "mean")?;
    let variances = required(read(2, "variance")?, "variance")?;
    let scales = read(3, "scale")?.unwrap_or_else(|| vec![1.0; channels]);
    let shifts = read(4, "shift")?;
    let factors = variances
        .iter()
        .zip(&scales)
        .map(|(&variance, &scale)| {
            (f64::from(scale) / (f64::from(variance) + f64::from(op.epsilon)).sqrt()) as f32
        })
        .collect();
    Ok(Box::new(BatchNormalizationKernel {
        channels: Spread::along(&input.extents(), input.axis(axis)),
        means,
        factors,
        shifts,
        activation,
    }))
}

struct BatchNormalizationKernel {
    /// From elements to channels.
    channels: Spread,
    means: Vec<f32>,
    factors: Vec<f32>,
    shifts: Option<Vec<f32>>,
    activation: Option<Activation>,
}

impl Kernel for BatchNormalizationKernel {
    fn needs(&self) -> Needs {
        Needs { operands: false, results: self.activation.is_some() }
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
                    &self.means,
                    #[inline(always)]
                    |x, mean| *x -= mean,
                );
                self.channels.zip(
                    start,
                    piece,
                    &self.factors,
                    #[inline(always)]
                    |x, factor| *x *= factor,
                );
                if let Some(shifts) = &self.shifts {
                    self.channels.zip(
                        start,
                        piece,
                        shifts,
                        #[inline(always)]
                        |x, shift| *x += shift,
                    );
                }
                if let Some(activation) = self.activation {
                    activation.apply(piece);
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let Some(target) = context.operand_gradients[0].as_deref_mut() else { return };
        let g = context.result_gradients[0];
        let gate = Gate::of(self.activation, context.rule, context.results[0]);
        for_each_piece(
            target,
            GRAIN,
            #[inline(always)]
            |start, piece| {
                match gate {
                    Some(gate) => gate.pass(g, start, piece),
                    None => copy_piece(&g[start..start + piece.len()], piece),
                }
                self.channels.zip(
                    start,
                    piece,
                    &self.factors,
                    #[inline(always)]
                    |x, factor| *x *= factor,
                );
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, positions};
    use super::*;

    #[test]
    fn channels_are_normalised() {
        let shapes: [&[usize]; 5] = [&[6], &[2, 6], &[2, 6, 3], &[2, 6, 3, 4], &[2, 6, 80, 60]];
        let operators = [1e-5, 0.1].map(|epsilon| BatchNormalization { epsilon });
        let mut cases = Vec::new();
        for op in &operators {
            for shape in shapes {
                for affine in [false, true] {
                    // Means that are large beside the deviations: what a folded shift would spoil.
                    let mut operands = vec![
                        Array::noise(shape, 4).map(|x| x + 100.0),
                        Array::noise(&[6], 5).map(|x| x + 100.0).constant(),
                        Array::new(&[6], [0.0, 1e-3, 0.2, 1.0, 3.0, 50.0]).constant(),
                    ];
                    if affine {
                        operands.extend([6, 7].map(|seed| Array::noise(&[6], seed).constant()));
                    }
                    let channel = usize::from(shape.len() > 1);
                    let case = Case::new(
                        format!("{shape:?} {op} {affine}"),
                        op,
                        |lowering| lower(op, lowering, None),
                        operands,
                        move |operands| {
                            let result = operands[0].iter().zip(positions(shape)).map(|(&x, place)| {
                                let own = |index: usize| operands[index][place[channel]];
                                let y = (x - own(1)) / (own(2) + f64::from(op.epsilon)).sqrt();
                                if affine { y * own(3) + own(4) } else { y }
                            });
                            vec![result.collect()]
                        },
                    )
                    .tolerance(5e-7);
                    cases.push(if shape.contains(&80) { case.without_differences() } else { case });
                }
            }
        }
        check(cases);
    }
}
