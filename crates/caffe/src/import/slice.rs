//! Slice: cuts an axis into several outputs.

use deepinside_graph::op::{Identity, Split};

use super::{
    concat::legacy_axis,
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().slice_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let axis = legacy_axis(site, settings.axis, settings.slice_dim, "slice_dim", shape.rank())?;
    let extent = shape.extents()[axis];
    let sizes = sizes(site, &settings.slice_point, extent)?;
    if sizes.len() == 1 {
        // Caffe then shares the memory instead of copying.
        return importer
            .node(site, Identity, &[input], &[Output::View { top: 0, with_gradient: true }])
            .map(drop);
    }
    let outputs: Vec<Output<'_>> = (0..sizes.len()).map(Output::Top).collect();
    importer.node(site, Split { axis, sizes }, &[input], &outputs).map(drop)
}

/// The extents of the outputs: between the given points, or all equal where there are none.
fn sizes(site: Site<'_>, points: &[u32], extent: usize) -> Result<Vec<usize>, ImportError> {
    let tops = site.tops().len();
    if points.is_empty() {
        if !extent.is_multiple_of(tops) {
            return Err(site.wrong(
                "number of outputs",
                format!("a divisor of the axis' extent {extent}"),
                tops,
            ));
        }
        return Ok(vec![extent / tops; tops]);
    }
    if points.len() != tops - 1 {
        return Err(site.wrong(
            "number of slice_point",
            format!("{} for {tops} outputs", tops - 1),
            points.len(),
        ));
    }
    let mut previous = 0;
    let mut sizes = Vec::with_capacity(tops);
    for point in points.iter().map(|point| *point as usize).chain([extent]) {
        if point <= previous || point > extent {
            return Err(site.wrong(
                "slice_point",
                format!("increasing numbers between 0 and the axis' extent {extent}"),
                format!("{points:?}"),
            ));
        }
        sizes.push(point - previous);
        previous = point;
    }
    Ok(sizes)
}
