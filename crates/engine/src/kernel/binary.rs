//! Elementwise functions of two operands, with broadcasting.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Binary;

use super::broadcast::{SCRATCH, Term, terms};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// The exponent with which local response normalisation is exported: two square roots are a tenth of the general power's time.
const THREE_QUARTERS: [f32; 1] = [0.75];

/// Makes the kernel.
pub(crate) fn lower(op: &Binary, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    if !matches!(op, Binary::Divide | Binary::Power) && comparison(*op).is_none() && bitwise(*op).is_none() {
        return Err(Inconsistency::new("elementwise function", "a supported one", format!("{op:?}")));
    }
    Ok(Box::new(BinaryKernel { op: *op, operands: terms(lowering)? }))
}

/// Whether a comparison holds; none where the function is no comparison.
fn comparison(op: Binary) -> Option<fn(f32, f32) -> bool> {
    Some(match op {
        Binary::Equal => |a, b| a == b,
        Binary::Greater => |a, b| a > b,
        Binary::GreaterOrEqual => |a, b| a >= b,
        Binary::Less => |a, b| a < b,
        Binary::LessOrEqual => |a, b| a <= b,
        _ => return None,
    })
}

/// A function of the bits of whole numbers; none where the function is another.
fn bitwise(op: Binary) -> Option<fn(i64, i64) -> i64> {
    Some(match op {
        Binary::BitwiseAnd => |a, b| a & b,
        Binary::BitwiseOr => |a, b| a | b,
        Binary::BitwiseXor => |a, b| a ^ b,
        _ => return None,
    })
}

struct BinaryKernel {
    op: Binary,
    operands: Vec<Term>,
}

impl Kernel for BinaryKernel {
    fn needs(&self) -> Needs {
        Needs { operands: true, results: false }
    }

    fn forward(&self, context: Forward<'_, '_>) {
        let (operands, terms) = (context.operands, &self.operands);
        for_each_piece(
            context.results[0],
            GRAIN,
            #[inline(always)]
            |start, piece| {
                terms[0].copy(start, operands[0], piece);
                let second = &terms[1].spread;
                match self.op {
                    Binary::Power if operands[1] == THREE_QUARTERS => piece.iter_mut().for_each(|a| {
                        let root = a.sqrt();
                        *a = root * root.sqrt();
                    }),
                    Binary::Divide => second.zip(
                        start,
                        piece,
                        operands[1],
                        #[inline(always)]
                        |a, b| *a /= b,
                    ),
                    Binary::Power => second.zip(start, piece, operands[1], |a, b| *a = a.powf(b)),
                    op => {
                        if let Some(holds) = comparison(op) {
                            second.zip(start, piece, operands[1], |a, b| {
                                *a = if holds(*a, b) { 1.0 } else { 0.0 };
                            });
                        }
                        if let Some(of_bits) = bitwise(op) {
                            second.zip(start, piece, operands[1], |a, b| {
                                *a = of_bits(*a as i64, b as i64) as f32
                            });
                        }
                    }
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (operands, g) = (context.operands, context.result_gradients[0]);
        for (index, target) in context.operand_gradients.iter_mut().enumerate() {
            let Some(target) = target.as_deref_mut() else { continue };
            self.operands[index].backward(
                target,
                #[inline(always)]
                |start, target| {
                    let (mut a, mut b) = ([0.0; SCRATCH], [0.0; SCRATCH]);
                    let (a, b) = (&mut a[..target.len()], &mut b[..target.len()]);
                    self.operands[0].copy(start, operands[0], a);
                    self.operands[1].copy(start, operands[1], b);
                    let elements = target.iter_mut().zip(&g[start..]).zip(a.iter().zip(b.iter()));
                    match (self.op, index) {
                        (Binary::Divide, 0) => elements.for_each(|((target, g), (_, b))| *target = g / b),
                        (Binary::Divide, _) => {
                            elements.for_each(|((target, g), (a, b))| *target = -g * a / (b * b));
                        }
                        (Binary::Power, 0) if operands[1] == THREE_QUARTERS => {
                            elements.for_each(|((target, g), (a, _))| *target = g * 0.75 / a.sqrt().sqrt());
                        }
                        (Binary::Power, 0) => elements.for_each(|((target, g), (a, &b))| {
                            // Without the special case 0⁰ would give 0 · ∞.
                            *target = if b == 0.0 { 0.0 } else { g * b * a.powf(b - 1.0) };
                        }),
                        (Binary::Power, _) => elements.for_each(|((target, g), (a, &b))| {
                            *target = if *a > 0.0 { g * a.powf(b) * a.ln() } else { 0.0 };
                        }),
                        _ => target.fill(0.0),
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    fn value(op: Binary, a: f64, b: f64) -> f64 {
        match op {
            Binary::Divide => a / b,
            Binary::Power => a.powf(b),
            Binary::Equal => f64::from(a == b),
            Binary::Greater => f64::from(a > b),
            Binary::GreaterOrEqual => f64::from(a >= b),
            Binary::Less => f64::from(a < b),
            Binary::LessOrEqual => f64::from(a <= b),
            Binary::BitwiseAnd => (a as i64 & b as i64) as f64,
            Binary::BitwiseOr => (a as i64 | b as i64) as f64,
            Binary::BitwiseXor => (a as i64 ^ b as i64) as f64,
            _ => f64::NAN,
        }
    }

    #[test]
    fn the_power_three_quarters_is_one() {
        let operands = |extents: &[usize]| {
            let mut base = Array::noise(extents, 5);
            base.numbers.iter_mut().for_each(|number| *number += 1.5);
            let mut exponent = Array::noise(&[1], 1);
            exponent.numbers = vec![0.75];
            vec![base, exponent]
        };
        let cases = [&[2, 3, 4, 5][..], &[7, 11]].map(|extents| {
            let definition = |x: &[Vec<f64>]| vec![x[0].iter().map(|base| base.powf(x[1][0])).collect()];
            Case::new(
                "x^¾",
                &Binary::Power,
                |lowering| lower(&Binary::Power, lowering),
                operands(extents),
                definition,
            )
        });
        check(cases.into());
    }

    #[test]
    fn values_and_gradients_are_those_of_the_definitions() {
        let shapes: [[&[usize]; 2]; 5] = [
            [&[2, 3, 4, 5], &[2, 3, 4, 5]],
            [&[2, 3, 4, 5], &[]],
            [&[3, 1, 1], &[2, 3, 4, 5]],
            [&[4, 1], &[3]],
            [&[2, 1, 70], &[1, 9, 1]],
        ];
        let operators = [
            Binary::Divide,
            Binary::Power,
            Binary::Equal,
            Binary::Greater,
            Binary::GreaterOrEqual,
            Binary::Less,
            Binary::LessOrEqual,
            Binary::BitwiseAnd,
            Binary::BitwiseOr,
            Binary::BitwiseXor,
        ];
        let mut cases = Vec::new();
        for [left, right] in shapes {
            for op in &operators {
                let (mut x, mut y) = (Array::apart(left, 60), Array::apart(right, 61));
                if matches!(op, Binary::Divide | Binary::Power) {
                    // Away from division by zero, and from powers of what is negative.
                    x = x.map(|x| 1.6 + x);
                    y = y.map(|y| 1.7 + y);
                } else if bitwise(*op).is_some() {
                    x = x.map(|x| (100.0 * x).round());
                    y = y.map(|y| (70.0 * y).round());
                } else {
                    // No ties, but for the equality that is wanted.
                    y = y.map(|y| y + if *op == Binary::Equal { 0.0 } else { 1e-3 });
                }
                let extents = deepinside_graph::op::Operator::infer(op, &[&x.shape, &y.shape]).unwrap()[0]
                    .extents()
                    .to_vec();
                let read = |own: &[usize], position: &[usize], x: &[f64]| {
                    let position = &position[position.len() - own.len()..];
                    let at: Vec<usize> = own
                        .iter()
                        .zip(position)
                        .map(|(&extent, &at)| if extent == 1 { 0 } else { at })
                        .collect();
                    x[index_of(own, &at)]
                };
                let case = Case::new(
                    format!("{op:?} {left:?} {right:?}"),
                    op,
                    |lowering| lower(op, lowering),
                    vec![x, y],
                    move |x| {
                        let number = |position: Vec<usize>| {
                            value(*op, read(left, &position, &x[0]), read(right, &position, &x[1]))
                        };
                        vec![positions(&extents).into_iter().map(number).collect()]
                    },
                );
                let is_step = *op == Binary::Equal || bitwise(*op).is_some();
                cases.push(if is_step { case.without_differences() } else { case });
            }
        }
        check(cases);
    }
}
