//! SPP: pooling into 1×1, 2×2, 4×4 … bins (He et al. 2014), built from pooling, Reshape and Concat.

use deepinside_graph::op::{AverageDivisor, Concat, PoolKind, Reshape};

use super::{
    error::ImportError,
    importer::Importer,
    pooling::{pool, spatial, stochastic},
    site::Site,
    window::PoolAxis,
};
use crate::proto::spp_parameter::PoolMethod;

/// More levels than this have more bins along an axis than any input has elements.
const MOST_LEVELS: u32 = 24;

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().spp_param.unwrap_or_default();
    let kind = match settings.pool() {
        PoolMethod::Max => PoolKind::Maximum,
        PoolMethod::Ave => PoolKind::Average(AverageDivisor::PaddedInput),
        PoolMethod::Stochastic => return Err(stochastic(site)),
    };
    let levels = settings.pyramid_height();
    if !(1..=MOST_LEVELS).contains(&levels) {
        return Err(site.wrong("pyramid_height", format!("1 to {MOST_LEVELS}"), levels));
    }
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let extents = spatial(site, &shape)?;
    let level = |level: u32| pool(site, kind, extents.map(|extent| bins(extent, 1 << level)), true);
    if levels == 1 {
        // Caffe neither flattens nor joins then.
        return importer.top(site, level(0)?, &[input]);
    }
    let mut parts = Vec::new();
    for number in 0..levels {
        let pooled = importer.step(site, &format!("level{number}"), level(number)?, &[input])?;
        let flat = Reshape::flatten(4, 1, 4);
        parts.push(importer.step(site, &format!("flat{number}"), flat, &[pooled])?);
    }
    importer.top(site, Concat { axis: 1 }, &parts)
}

/// The window that cuts an axis into a number of bins: adjacent, of equal size, the rest of the division as
/// padding.
fn bins(extent: usize, bins: usize) -> PoolAxis {
    let kernel = extent.div_ceil(bins);
    let rest = kernel * bins - extent;
    PoolAxis { extent, kernel, stride: kernel, pad: rest.div_ceil(2) }
}
