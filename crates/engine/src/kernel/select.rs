//! Choosing between two operands, with broadcasting.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Select;

use super::broadcast::{SCRATCH, Term, terms};
use super::parallel::{GRAIN, for_each_piece};
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Makes the kernel.
pub(crate) fn lower(_: &Select, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    Ok(Box::new(SelectKernel { operands: terms(lowering)? }))
}

struct SelectKernel {
    /// The condition and the two choices.
    operands: Vec<Term>,
}

impl Kernel for SelectKernel {
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
                for (block, target) in piece.chunks_mut(SCRATCH).enumerate() {
                    let start = start + block * SCRATCH;
                    let mut first = [0.0; SCRATCH];
                    let first = &mut first[..target.len()];
                    terms[1].copy(start, operands[1], first);
                    let mut condition = [0.0; SCRATCH];
                    let condition = &mut condition[..target.len()];
                    terms[0].copy(start, operands[0], condition);
                    terms[2].copy(start, operands[2], target);
                    for ((target, first), condition) in target.iter_mut().zip(first).zip(condition) {
                        *target = if *condition != 0.0 { *first } else { *target };
                    }
                }
            },
        );
    }

    fn backward(&self, context: Backward<'_, '_>) {
        let (condition, g) = (context.operands[0], context.result_gradients[0]);
        for (index, target) in context.operand_gradients.iter_mut().enumerate() {
            let Some(target) = target.as_deref_mut() else { continue };
            if index == 0 {
                target.fill(0.0);
                continue;
            }
            self.operands[index].backward(
                target,
                #[inline(always)]
                |start, target| {
                    self.operands[0].copy(start, condition, target);
                    for (target, g) in target.iter_mut().zip(&g[start..]) {
                        *target = if (*target != 0.0) == (index == 1) { *g } else { 0.0 };
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

    #[test]
    fn the_condition_chooses() {
        let shapes: [[&[usize]; 3]; 4] = [
            [&[2, 3, 4, 5], &[2, 3, 4, 5], &[2, 3, 4, 5]],
            [&[2, 1, 4, 1], &[], &[2, 3, 4, 5]],
            [&[5], &[3, 1, 1], &[2, 1, 4, 5]],
            [&[], &[3, 4], &[3, 4]],
        ];
        let cases = shapes.iter().map(|&[condition, first, second]| {
            let extents = deepinside_graph::op::Operator::infer(
                &Select,
                &[condition, first, second].map(|shape| Array::noise(shape, 0).shape).each_ref(),
            );
            let extents = extents.unwrap()[0].extents().to_vec();
            let read = |own: &[usize], position: &[usize], x: &[f64]| {
                let position = &position[position.len() - own.len()..];
                let at: Vec<usize> =
                    own.iter().zip(position).map(|(&extent, &at)| if extent == 1 { 0 } else { at }).collect();
                x[index_of(own, &at)]
            };
            Case::new(
                format!("{condition:?} {first:?} {second:?}"),
                &Select,
                |lowering| lower(&Select, lowering),
                vec![
                    Array::noise(condition, 56).map(|x| f32::from(u8::from(x > 0.0))),
                    Array::noise(first, 57),
                    Array::noise(second, 58),
                ],
                move |x| {
                    let number = |position: Vec<usize>| {
                        // Far from both values, so that the differences see no change of the choice.
                        if read(condition, &position, &x[0]) > 0.5 {
                            read(first, &position, &x[1])
                        } else {
                            read(second, &position, &x[2])
                        }
                    };
                    vec![positions(&extents).into_iter().map(number).collect()]
                },
            )
        });
        check(cases.collect());
    }
}
