//! LRN, across channels and within them.

use deepinside_graph::op::LocalResponseNormalization;

use super::{error::ImportError, importer::Importer, site::Site};
use crate::proto::lrn_parameter::NormRegion;

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let settings = site.parameter().lrn_param.unwrap_or_default();
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    if shape.rank() != 4 {
        return Err(site.wrong("input", "four axes (batch, channels, height, width)", shape));
    }
    let (size, alpha, beta) = (settings.local_size() as usize, settings.alpha(), settings.beta());
    let normalization = match settings.norm_region() {
        NormRegion::AcrossChannels => {
            LocalResponseNormalization::AcrossChannels { size, alpha, beta, k: settings.k() }
        }
        // Caffe takes 1 for k here, whatever is set.
        NormRegion::WithinChannel => LocalResponseNormalization::WithinChannel { size, alpha, beta },
    };
    importer.top(site, normalization, &[input])
}
