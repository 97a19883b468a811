//! Transposed convolution: the adjoint of a convolution forward, the convolution itself backward.

use deepinside_graph::Inconsistency;
use deepinside_graph::op::Deconvolution;

use super::convolution::{constant, geometry};
use super::gather::{Finish, Gather};
use super::panels::Addend;
use super::slab::Source;
use super::{Backward, Forward, Kernel, Lowering, Needs};

/// Prepares a transposed convolution; its operand and result are channels-last.
pub(crate) fn lower(
    op: &Deconvolution,
    lowering: &Lowering<'_>,
    backward: bool,
) -> Result<Box<dyn Kernel>, Inconsistency> {
    let (input, output) = (&lowering.operands[0], &lowering.results[0]);
    // The convolution whose adjoint this is goes from our result to our operand, so `C × O/groups × kernel` is its
    // filters' own order.
    let geometry = geometry(&op.window, op.groups, output.shape, input.shape)?;
    let filters = constant("weights", &lowering.operands[1])?;
    let bias = lowering.operands.get(2).map(|bias| constant("bias", bias)).transpose()?;
    let batch = input.shape.extents()[0];
    let instructions = lowering.instructions;
    let convolution = || Gather::correlation(instructions, &geometry, batch, &filters, Finish::default());
    let finish = Finish { bias, ..Finish::default() };
    Ok(Box::new(DeconvolutionKernel {
        backward: backward.then(|| convolution().bounded()).transpose()?,
        forward: Gather::adjoint(instructions, &geometry, batch, &filters, finish).bounded()?,
    }))
}

struct DeconvolutionKernel {
    forward: Gather,
    backward: Option<Gather>,
}

impl Kernel for DeconvolutionKernel {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn forward(&self, context: Forward<'_, '_>) {
        self.forward.run(Source::plain(context.operands[0]), Addend::Nothing, context.results[0]);
    }

    fn backward(&self, context: Backward<'_, '_>) {
        if let (Some(convolution), Some(gradient)) = (&self.backward, &mut context.operand_gradients[0]) {
            convolution.run(Source::plain(context.result_gradients[0]), Addend::Nothing, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use deepinside_graph::Shape;
    use deepinside_graph::op::Operator as _;

    use super::*;
    use crate::Layout;
    use crate::kernel::convolution::tests::{biases, products, settings};
    use crate::kernel::testing::{Array, Case, check};

    #[test]
    fn equals_the_definition_and_its_differences() {
        let settings: Vec<_> = settings()
            .into_iter()
            .filter(|setting| setting.spatial.iter().all(|&extent| extent < 14))
            .collect();
        let operators: Vec<Deconvolution> = settings
            .iter()
            .enumerate()
            .map(|(index, setting)| Deconvolution {
                window: setting.window.clone(),
                groups: setting.groups,
                // Every other case grows its output where the stride leaves room.
                extra: setting.window.stride.iter().map(|stride| (stride - 1) * (index % 2)).collect(),
            })
            .collect();
        let cases = settings.iter().zip(&operators).enumerate().map(|(seed, (setting, operator))| {
            let seed = seed as u64;
            let [inputs, outputs] = setting.channels;
            let from = [&[1 + seed as usize % 2, inputs], setting.spatial].concat();
            let filters = [&[inputs, outputs / setting.groups], &setting.window.kernel[..]].concat();
            let mut operands = vec![Array::noise(&from, seed), Array::noise(&filters, seed + 100).constant()];
            if !seed.is_multiple_of(3) {
                operands.push(Array::noise(&[outputs], seed + 200).constant());
            }
            let shapes: Vec<&Shape> = operands.iter().map(|operand| &operand.shape).collect();
            let to = operator.infer(&shapes).unwrap()[0].extents().to_vec();
            // The definition: every product of the convolution from the result to the operand, the other way round.
            let products = products(&operator.window, operator.groups, &to, &from);
            let definition = move |operands: &[Vec<f64>]| {
                let mut result = biases(&to, operands.get(2));
                products
                    .iter()
                    .for_each(|&[from, to, weight]| result[to] += operands[0][from] * operands[1][weight]);
                vec![result]
            };
            let lower = move |lowering: &Lowering<'_>| lower(operator, lowering, true);
            Case::new(setting.name, operator, lower, operands, definition).layouts(&[Layout::ChannelsLast])
        });
        check(cases.collect());
    }
}
