//! PReLU: a rectifier with learnt slopes, one for each channel or one for all.

use deepinside_graph::op::ParametricRelu;

use super::{error::ImportError, importer::Importer, site::Site};

pub(super) fn import(importer: &mut Importer<'_>, site: Site<'_>) -> Result<(), ImportError> {
    let shared = site.parameter().prelu_param.as_ref().is_some_and(|settings| settings.channel_shared());
    let input = importer.operand(site, 0)?;
    let shape = importer.shape(input);
    let Some(channels) = shape.extent(1) else {
        return Err(site.wrong("input", "a batch and a channel axis", shape));
    };
    // Caffe keeps the slope for all channels as a scalar.
    let (expected, stored) = if shared { (vec![], vec![1]) } else { (vec![channels], vec![channels]) };
    let slopes = importer.constant(site, 0, "slopes", &expected, &stored)?;
    importer.top(site, ParametricRelu, &[input, slopes])
}
