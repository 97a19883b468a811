//! InnerProduct: a fully connected layer over everything from an axis on.

use deepinside_graph::op::InnerProduct;

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().inner_product_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let axis = site.axis("axis", settings.axis(), shape.rank())?;
    let (inputs, outputs) = (shape.product(axis..shape.rank()), settings.num_output() as usize);
    if outputs == 0 {
        return Err(site.wrong("num_output", "at least 1", 0));
    }
    let transposed = settings.transpose();
    let expected = if transposed { [inputs, outputs] } else { [outputs, inputs] };
    let mut operands = vec![input, importer.constant(site, 0, "weights", &expected, &expected)?];
    if settings.bias_term() {
        operands.push(importer.constant(site, 1, "bias", &[outputs], &[outputs])?);
    }
    importer.top(site, InnerProduct { axis, transposed }, &operands)
}
