//! Eltwise: product, weighted sum or maximum of inputs of equal shape.

use deepinside_graph::op::Eltwise;

use super::{error::ImportError, importer::Importer, site::Site};
use crate::proto::eltwise_parameter::EltwiseOp;

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().eltwise_param.clone().unwrap_or_default();
    let inputs = importer.operands(site)?;
    let shape = importer.shape(inputs[0]);
    for (position, input) in inputs.iter().enumerate().skip(1) {
        let other = importer.shape(*input);
        if other != shape {
            return Err(site.wrong(format!("input '{}'", site.bottoms()[position]), shape, other));
        }
    }
    let operation = match settings.operation() {
        EltwiseOp::Prod if !settings.coeff.is_empty() => {
            return Err(site.wrong("coeff", "none for a product", format!("{:?}", settings.coeff)));
        }
        EltwiseOp::Prod => Eltwise::Product,
        EltwiseOp::Max => Eltwise::Maximum,
        EltwiseOp::Sum => Eltwise::Sum { coefficients: coefficients(site, settings.coeff, inputs.len())? },
    };
    importer.top(site, operation, &inputs)
}

fn coefficients(site: Site<'_>, given: Vec<f32>, inputs: usize) -> Result<Vec<f32>, ImportError> {
    if site.in_place(0) {
        return Err(site.unsupported(format!(
            "a sum that overwrites its own input '{}': Caffe clears the output before it adds, and so loses that input; \
             give its output a name of its own",
            site.tops()[0]
        )));
    }
    match given.len() {
        0 => Ok(vec![1.0; inputs]),
        count if count == inputs => Ok(given),
        count => Err(site.wrong("number of coeff", format!("one for each of {inputs} inputs"), count)),
    }
}
