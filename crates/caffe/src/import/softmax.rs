//! Softmax.

use deepinside_graph::op::Softmax;

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().softmax_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let axis = site.axis("axis", settings.axis(), importer.shape(input).rank())?;
    importer.top(site, Softmax { axis }, &[input])
}
