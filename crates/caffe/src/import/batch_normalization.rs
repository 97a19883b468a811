//! BatchNorm: by stored statistics, or by those of the batch where a layer asks for that.

use deepinside_graph::{
    Shape, Weights,
    op::{BatchNormalization, EpsilonPlacement, Extent, MeanVarianceNormalization, Reshape},
};

use super::{dialects, error::ImportError, importer::Importer, site::Site};
use crate::proto::Phase;

/// Whether a layer uses stored statistics: as it says, else by its phase.
pub(super) fn uses_stored_statistics(site: Site<'_>) -> bool {
    let stated = site.parameter().batch_norm_param.as_ref().and_then(|settings| settings.use_global_stats);
    stated.unwrap_or(site.parameter().phase != Some(Phase::Train as i32))
}

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let epsilon = site.parameter().batch_norm_param.clone().unwrap_or_default().eps();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    if shape.rank() == 0 {
        return Err(site.wrong("input", "at least one axis", shape));
    }
    if !uses_stored_statistics(site) {
        let axes = (0..shape.rank()).filter(|axis| *axis != 1).collect();
        let placement = EpsilonPlacement::InsideRoot;
        return importer.top(
            site,
            MeanVarianceNormalization { axes, variance: true, epsilon, placement },
            &[input],
        );
    }
    // An input of one axis has one channel in Caffe.
    let channels = shape.extent(1).unwrap_or(1);
    let mut statistics = [input; 3];
    // The third array is what the first two have been accumulated by; nothing accumulated means zero.
    let factor = importer.parameters.weights(site, 2, "scale factor", &[1])?.to_vec();
    let factor = factor.first().map_or(0.0, |factor| if *factor == 0.0 { 0.0 } else { 1.0 / factor });
    for (position, what) in ["mean", "variance"].into_iter().enumerate() {
        let stored = importer.parameters.weights(site, position, what, &[channels])?;
        let numbers: Vec<f32> = stored.to_vec().into_iter().map(|number| number * factor).collect();
        let weights = Shape::new([channels]).and_then(|shape| Weights::from_f32(shape, &numbers));
        statistics[position + 1] =
            importer.add_constant(site, what, weights.map_err(|cause| site.inconsistent(cause))?)?;
    }
    let normalization = BatchNormalization { epsilon };
    if importer.parameters.arrays(site) == 5 && shape.rank() > 1 {
        let result = importer.step(site, "normalised", normalization, &statistics)?;
        return dialects::affine(importer, site, result, [3, 4], channels);
    }
    if shape.rank() > 1 {
        return importer.top(site, normalization, &statistics);
    }
    let column = Reshape { extents: vec![Extent::Copy(0), Extent::Fixed(1)] };
    statistics[0] = importer.step(site, "column", column, &[input])?;
    let result = importer.step(site, "result", normalization, &statistics)?;
    importer.top(site, Reshape { extents: vec![Extent::Copy(0)] }, &[result])
}
