//! Reduction: all axes from one on become one number.

use deepinside_graph::op::{Reduce, Reduction};

use super::{error::ImportError, importer::Importer, site::Site};
use crate::proto::reduction_parameter::ReductionOp;

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().reduction_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let rank = importer.shape(input).rank();
    let axis = site.axis("axis", settings.axis(), rank)?;
    let reduction = match settings.operation() {
        ReductionOp::Sum => Reduction::Sum,
        ReductionOp::Asum => Reduction::AbsoluteSum,
        ReductionOp::Sumsq => Reduction::SquareSum,
        ReductionOp::Mean => Reduction::Mean,
    };
    let axes = (axis..rank).collect();
    importer.top(site, Reduce { reduction, axes, keep_axes: false, coefficient: settings.coeff() }, &[input])
}
