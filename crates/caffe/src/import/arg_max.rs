//! ArgMax: positions, values, or both, of the largest elements.
//!
//! Along an axis the output has the input's shape with `top_k` on that axis, and holds positions, or values
//! with `out_max_val`. Without an axis everything but the batch is flattened; the output is `N × 1 × k`
//! positions, or `N × 2 × k` with the positions first and the values behind, and as many axes as the input if
//! that has more.

use deepinside_graph::op::{Concat, Extent, Reshape, TieRule, TopK};

use super::{
    error::ImportError,
    importer::{Importer, Output},
    site::Site,
};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().argmax_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let rank = importer.shape(input).rank();
    let k = settings.top_k() as usize;
    let with_values = settings.out_max_val();
    if let Some(axis) = settings.axis {
        let axis = site.axis("axis", axis, rank)?;
        let outputs = if with_values {
            [Output::Top(0), Output::Step("positions")]
        } else {
            [Output::Step("values"), Output::Top(0)]
        };
        return importer
            .node(site, TopK { axis, k, ties: TieRule::LargerPosition }, &[input], &outputs)
            .map(drop);
    }
    if rank == 0 {
        return Err(site.wrong("input", "at least one axis", "a scalar"));
    }
    let flat = importer.step(site, "flat", Reshape::flatten(rank, 1, rank), &[input])?;
    let outputs = [Output::Step("values"), Output::Step("positions")];
    let found = importer.node(site, TopK { axis: 1, k, ties: TieRule::LargerPosition }, &[flat], &outputs)?;
    let [values, positions] = found[..] else {
        return Err(site.wrong("number of results", 2, found.len()));
    };
    let mut extents = vec![Extent::Copy(0), Extent::Fixed(1), Extent::Fixed(k)];
    extents.resize(rank.max(3), Extent::Fixed(1));
    if !with_values {
        return importer.top(site, Reshape { extents }, &[positions]);
    }
    let reshape = || Reshape { extents: extents.clone() };
    let positions = importer.step(site, "indices", reshape(), &[positions])?;
    let values = importer.step(site, "maxima", reshape(), &[values])?;
    importer.top(site, Concat { axis: 1 }, &[positions, values])
}
