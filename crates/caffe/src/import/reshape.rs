//! Flatten and Reshape: the same elements, and in Caffe the same memory, in another shape.

use deepinside_graph::op::{Extent, Reshape};

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
};

/// In Caffe data and gradient of the output are the memory of the input.
const VIEW: Output<'_> = Output::View { top: 0, with_gradient: true };

pub(super) fn import_flatten(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().flatten_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let rank = importer.shape(input).rank();
    let first = site.axis("axis", settings.axis(), rank)?;
    let last = site.axis("end_axis", settings.end_axis(), rank)?;
    if last < first {
        return Err(site.wrong("end_axis", format!("not before axis {first}"), last));
    }
    importer.node(site, Reshape::flatten(rank, first, last + 1), &[input], &[VIEW]).map(drop)
}

pub(super) fn import_reshape(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().reshape_param.clone().unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let rank = importer.shape(input).rank();
    // Negative axes count from behind the last axis here: -1 inserts axes at the end.
    let first = match settings.axis() {
        axis if axis < 0 => usize::try_from(i64::from(axis) + 1 + rank as i64).ok(),
        axis => usize::try_from(axis).ok(),
    };
    let first = first.filter(|first| *first <= rank);
    let first = first
        .ok_or_else(|| site.wrong("axis", format!("{} to {rank}", -1 - rank as i64), settings.axis()))?;
    let end = match settings.num_axes() {
        -1 => Some(rank),
        axes => {
            usize::try_from(axes).ok().and_then(|axes| first.checked_add(axes)).filter(|end| *end <= rank)
        }
    };
    let end = end.ok_or_else(|| {
        site.wrong("num_axes", format!("-1 to {} from axis {first} on", rank - first), settings.num_axes())
    })?;
    let mut extents: Vec<Extent> = (0..first).map(Extent::Copy).collect();
    for (position, dim) in settings.shape.unwrap_or_default().dim.into_iter().enumerate() {
        extents.push(match dim {
            0 => Extent::Copy(first + position),
            -1 => Extent::Infer,
            _ => Extent::Fixed(usize::try_from(dim).map_err(|_| site.wrong("dim", "-1 or more", dim))?),
        });
    }
    extents.extend((end..rank).map(Extent::Copy));
    importer.node(site, Reshape { extents }, &[input], &[VIEW]).map(drop)
}
