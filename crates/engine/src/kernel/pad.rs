//! Padding with one number.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Pad;

use super::axes::expect_same_order;
use super::region::Region;
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand};

/// Makes the kernel.
pub(crate) fn lower(op: &Pad, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    expect_same_order(&Operand { layout: result.layout, ..input.clone() }, input)?;
    let mut ranges = vec![(0, 0); input.shape.rank()];
    for (axis, (&before, &extent)) in op.before.iter().zip(input.shape.extents()).enumerate() {
        ranges[result.axis(axis)] = (before, extent);
    }
    Ok(Box::new(PadKernel { region: Region::new(&result.extents(), &ranges), value: op.value }))
}

struct PadKernel {
    /// Where the operand lies in the result.
    region: Region,
    value: f32,
}

impl Kernel for PadKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.region.paste(context.operands[0], context.results[0], self.value);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            self.region.cut(context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Array, Case, check, index_of, positions};
    use super::*;

    #[test]
    fn a_border_is_put_around() {
        let table: [(&[usize], &[usize], &[usize]); 6] = [
            (&[], &[], &[]),
            (&[3], &[2], &[1]),
            (&[2, 3], &[0, 1], &[2, 0]),
            (&[2, 3, 4, 5], &[0, 0, 1, 2], &[0, 0, 3, 1]),
            (&[1, 3, 2, 2], &[1, 2, 0, 1], &[0, 1, 1, 0]),
            (&[2, 0, 2], &[0, 1, 0], &[0, 1, 1]),
        ];
        let operators: Vec<Pad> = table
            .iter()
            .map(|(_, before, behind)| Pad { before: before.to_vec(), behind: behind.to_vec(), value: -1.5 })
            .collect();
        let cases = table.iter().zip(&operators).map(|(&(shape, before, behind), op)| {
            let extents: Vec<usize> =
                shape.iter().zip(before.iter().zip(behind)).map(|(e, (b, a))| e + b + a).collect();
            Case::new(
                format!("{shape:?} {op}"),
                op,
                |lowering| lower(op, lowering),
                vec![Array::noise(shape, 51)],
                move |x| {
                    let number = |position: Vec<usize>| {
                        let own: Option<Vec<usize>> = position
                            .iter()
                            .zip(before.iter().zip(shape))
                            .map(|(at, (before, extent))| at.checked_sub(*before).filter(|at| at < extent))
                            .collect();
                        own.map_or(-1.5, |own| x[0][index_of(shape, &own)])
                    };
                    vec![positions(&extents).into_iter().map(number).collect()]
                },
            )
        });
        check(cases.collect());
    }
}
