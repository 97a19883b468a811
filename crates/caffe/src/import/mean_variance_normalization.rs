//! MVN: normalisation by the sample's own mean and variance.

use deepinside_graph::op::{EpsilonPlacement, MeanVarianceNormalization, Unary};

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().mvn_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let rank = shape.rank();
    if !(1..=4).contains(&rank) {
        return Err(site.wrong("input", "one to four axes", shape));
    }
    let first = if settings.across_channels() { 1 } else { 2 };
    if first >= rank {
        // Each element is its own mean: what is left is zero, and stays zero however it is divided.
        return importer.top(site, Unary::Power { power: 1.0, scale: 0.0, shift: 0.0 }, &[input]);
    }
    let normalization = MeanVarianceNormalization {
        axes: (first..rank).collect(),
        variance: settings.normalize_variance(),
        epsilon: settings.eps(),
        placement: EpsilonPlacement::OutsideRoot,
    };
    importer.top(site, normalization, &[input])
}
