//! Crop: cuts the first input to the extents of the second, of which nothing but the shape is used.

use deepinside_graph::op::{AxisRange, Identity, Slice};

use super::{error::ImportError, importer::Importer, site::Site, storage::Use};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().crop_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let reference = importer.reference(site, 1, Use::Compute)?;
    let first = site.axis("axis", settings.axis(), shape.rank())?;
    let axes = shape.rank() - first;
    if settings.offset.len() > 1 && settings.offset.len() != axes {
        return Err(site.wrong("number of offset", format!("1 or {axes}"), settings.offset.len()));
    }
    let mut ranges = Vec::with_capacity(axes);
    for axis in first..shape.rank() {
        let offset = match settings.offset[..] {
            [] => 0,
            [one] => one as usize,
            ref each => each[axis - first] as usize,
        };
        let extent = shape.extents()[axis];
        let size =
            reference.extent(axis).filter(|size| offset.checked_add(*size).is_some_and(|end| end <= extent));
        let size = size.ok_or_else(|| {
            site.wrong(
                format!("crop of axis {axis}"),
                format!("a range within the input's {extent}"),
                match reference.extent(axis) {
                    Some(size) => format!("{size} elements from {offset} on"),
                    None => format!("a second input of only {} axes", reference.rank()),
                },
            )
        })?;
        // A whole axis is no crop, which keeps the batch size free.
        if size != extent {
            ranges.push(AxisRange { axis, start: offset, size });
        }
    }
    if ranges.is_empty() {
        return importer.top(site, Identity, &[input]);
    }
    importer.top(site, Slice { ranges }, &[input])
}
