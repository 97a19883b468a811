//! Concat.

use deepinside_graph::op::{Concat, Identity};

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().concat_param.unwrap_or_default();
    let inputs = importer.operands(site)?;
    let rank = importer.shape(inputs[0]).rank();
    let axis = legacy_axis(site, settings.axis, settings.concat_dim, "concat_dim", rank)?;
    if inputs.len() == 1 {
        // Caffe then shares the memory instead of copying.
        return importer
            .node(site, Identity, &inputs, &[Output::View { top: 0, with_gradient: true }])
            .map(drop);
    }
    importer.top(site, Concat { axis }, &inputs)
}

/// The axis of a layer that has two fields for it: `axis`, and an older one that is never negative. Axis 1 if
/// neither is set.
pub(super) fn legacy_axis(
    site: Site<'_>,
    axis: Option<i32>,
    older: Option<u32>,
    older_name: &str,
    rank: usize,
) -> Result<usize, ImportError> {
    match (axis, older) {
        (Some(_), Some(_)) => Err(site.wrong("axis", format!("either axis or {older_name}"), "both")),
        (None, Some(older)) => {
            let axis =
                i32::try_from(older).map_err(|_| site.wrong(older_name, "an axis of the input", older))?;
            site.axis(older_name, axis, rank)
        }
        (axis, None) => site.axis("axis", axis.unwrap_or(1), rank),
    }
}
