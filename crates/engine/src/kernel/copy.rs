//! Passing through and reshaping: a straight copy both ways, since the elements keep their order in memory.

use deepinside_graph::op::{Identity, Reshape};
use deepinside_graph::{Inconsistency, Shape};

use super::parallel::copy;
use super::{Backward, Forward, Kernel, Lowering, Needs, Operand, convert};
use crate::Layout;

/// Makes the kernel of an identity; one that changes the layout is a transposition.
pub(crate) fn lower(_: &Identity, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    Ok(convert::convert(input.shape, input.layout, result.layout))
}

/// Makes the kernel of a reshape, where the elements keep their order in memory: between plain layouts, or between
/// channels-last ones when batch and channels stay what they are.
pub(crate) fn lower_reshape(_: &Reshape, lowering: &Lowering<'_>) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, result) = (&lowering.operands[0], &lowering.results[0]);
    if keeps_order(input, result) {
        return Ok(Box::new(CopyKernel));
    }
    Err(Inconsistency::new(
        format!("layouts of a reshape from {} to {}", input.shape, result.shape),
        format!("{:?}", Layout::Plain),
        format!("{:?} and {:?}", input.layout, result.layout),
    ))
}

/// Whether a reshape between these leaves every element where it is.
pub(crate) fn keeps_order(input: &Operand<'_>, result: &Operand<'_>) -> bool {
    let plain = |operand: &Operand<'_>| operand.layout.equivalent(Layout::Plain, operand.shape);
    let last = |operand: &Operand<'_>| operand.layout == Layout::ChannelsLast && operand.shape.rank() > 2;
    let head = |shape: &Shape| shape.extents().get(..2).map(<[usize]>::to_vec);
    (plain(input) && plain(result))
        || (last(input) && last(result) && head(input.shape) == head(result.shape))
}

/// A straight copy.
pub(crate) struct CopyKernel;

impl Kernel for CopyKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        copy(context.operands[0], context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let Some(target) = context.operand_gradients[0].as_deref_mut() {
            copy(context.result_gradients[0], target);
        }
    }
}

#[cfg(test)]
mod tests {
    use deepinside_graph::op::Extent;

    use super::super::testing::{Array, Case, check};
    use super::*;
    use crate::BackwardRule;
    use crate::Precision;
    use crate::simd::Instructions;

    fn reshape(extents: &[usize]) -> Reshape {
        Reshape { extents: extents.iter().map(|&extent| Extent::Fixed(extent)).collect() }
    }

    #[test]
    fn elements_keep_their_order() {
        let both = [Layout::Plain, Layout::ChannelsLast];
        let table: [(&[usize], &[usize], &[Layout]); 6] = [
            (&[2, 3, 4], &[6, 4], &[Layout::Plain]),
            (&[2, 3, 1, 1], &[2, 3], &both),
            (&[2, 3], &[2, 3, 1, 1], &both),
            (&[2, 3, 4, 5], &[2, 3, 20], &both),
            (&[2, 3, 4, 5], &[2, 3, 2, 2, 5], &both),
            (&[1, 1], &[], &both),
        ];
        let operators: Vec<Reshape> = table.iter().map(|(_, extents, _)| reshape(extents)).collect();
        let cases = table.iter().zip(&operators).map(|(&(from, to, layouts), op)| {
            let operands = vec![Array::noise(from, 33)];
            Case::new(
                format!("{from:?} to {to:?}"),
                op,
                |lowering| lower_reshape(op, lowering),
                operands,
                |x| x.to_vec(),
            )
            .layouts(layouts)
        });
        let identity = Case::new(
            "identity",
            &Identity,
            |lowering| lower(&Identity, lowering),
            vec![Array::noise(&[2, 3, 90, 80], 34)],
            |x| x.to_vec(),
        );
        check(cases.chain([identity.without_differences()]).collect());
    }

    #[test]
    fn a_reshape_across_channels_that_lie_last_is_refused() {
        let (from, to) = (Shape::new([2, 3, 4, 5]).unwrap(), Shape::new([2, 60]).unwrap());
        let last = |shape| Operand { shape, layout: Layout::ChannelsLast, weights: None };
        let lowering = Lowering {
            operands: vec![last(&from)],
            results: vec![last(&to)],
            instructions: Instructions::Detected,
            precision: Precision::Exact,
            rule: BackwardRule::Gradient,
            backward: true,
        };
        assert!(lower_reshape(&reshape(&[2, 60]), &lowering).is_err());
    }
}
