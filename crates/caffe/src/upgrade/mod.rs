//! Brings descriptions of older generations to today's form, as Caffe does when it loads them.
//!
//! Caffe's format had three generations of layers: V0 (2013: `layers { layer { type: "conv" … } bottom: … }`, one flat
//! list of settings, padding as a layer of its own), V1 (2014: `layers { type: CONVOLUTION convolution_param { … } }`)
//! and V2 (`layer { type: "Convolution" … }`). Beside that, inputs moved from fields of the network to an `Input` layer,
//! the preprocessing of data layers to `transform_param`, and the settings of BatchNorm's three statistics were fixed.
//! Each step is a module here, applied oldest first.

mod inputs;
mod v0;
mod v1;

use crate::{
    Layer,
    error::{CaffeError, Warnings},
    network::Generation,
    proto::{NetParameter, V1LayerParameter},
    text::{Location, ParsedNetwork},
};

pub(crate) use v0::v2_type_of_v0;
pub(crate) use v1::v2_type_of_v1;

/// A layer of one of the older generations, and where it stands.
struct OldLayer {
    parameter: V1LayerParameter,
    location: Location,
}

/// The layers of a description in today's form, inputs included, and the generation that they came from.
pub(crate) fn upgrade(
    parsed: &mut ParsedNetwork,
    warnings: &mut Warnings,
) -> Result<(Vec<Layer>, Generation), CaffeError> {
    let NetParameter { layer, layers, input, .. } = &mut parsed.parameter;
    let layers = std::mem::take(layers);
    let generation = if layers.iter().any(|layer| layer.layer.is_some()) {
        Generation::V0
    } else if layers.is_empty() {
        Generation::V2
    } else {
        Generation::V1
    };
    let mut upgraded: Vec<Layer> = if generation == Generation::V2 {
        let locations = parsed.layer_locations.iter().copied().chain(std::iter::repeat(Location::default()));
        let layer = std::mem::take(layer);
        layer.into_iter().zip(locations).map(|(parameter, location)| Layer { parameter, location }).collect()
    } else {
        if let (false, Some(location)) = (layer.is_empty(), parsed.layer_locations.first()) {
            warnings.push(
                location.line,
                "the file has both 'layers' and 'layer'; as in Caffe the newer 'layer' ones are ignored",
            );
        }
        let locations =
            parsed.old_layer_locations.iter().copied().chain(std::iter::repeat(Location::default()));
        let mut old: Vec<OldLayer> = layers
            .into_iter()
            .zip(locations)
            .map(|(parameter, location)| OldLayer { parameter, location })
            .collect();
        if generation == Generation::V0 {
            old = v0::merge_padding(old, input)?;
            old = old.into_iter().map(|layer| v0::upgrade(layer, warnings)).collect::<Result<_, _>>()?;
        }
        old.into_iter().map(v1::upgrade).collect()
    };
    if let Some(layer) = inputs::input_layer(&parsed.parameter, parsed.input_location)? {
        upgraded.insert(0, layer);
    }
    for layer in &mut upgraded {
        freeze_batch_norm(layer);
    }
    Ok((upgraded, generation))
}

/// The three arrays of a BatchNorm layer are statistics and never learnt, whatever rates an old file gives them.
fn freeze_batch_norm(layer: &mut Layer) {
    let parameter = &mut layer.parameter;
    if parameter.r#type() == "BatchNorm" && parameter.param.len() == 3 {
        for param in &mut parameter.param {
            param.lr_mult = Some(0.0);
            param.decay_mult = Some(0.0);
        }
    }
}
