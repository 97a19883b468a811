//! The layers of a `.caffemodel`, of all three generations.

use bytes::Bytes;

use super::{
    LayerWeights, MAX_LAYERS, WeightBlob, WeightFile, blob,
    wire::{Content, Message},
};
use crate::{error::CaffeError, text::latin1_where_not_utf8, upgrade};

/// Which fields of a layer's message hold what, in one generation of the format.
struct Generation {
    name: u32,
    kind: u32,
    blobs: u32,
    /// The field with the older layer inside, if there may be one.
    nested: Option<&'static Generation>,
}

const V0: Generation = Generation { name: 1, kind: 2, blobs: 50, nested: None };
const V1: Generation = Generation { name: 4, kind: 5, blobs: 6, nested: Some(&V0) };
const V2: Generation = Generation { name: 1, kind: 2, blobs: 7, nested: None };

/// Reads a binary network. The arrays are slices of `bytes`.
pub(super) fn read(bytes: Bytes) -> Result<WeightFile, CaffeError> {
    let mut message = Message::of_file(bytes);
    let mut name = String::new();
    let mut layers = Vec::new();
    let mut old_layers = Vec::new();
    let mut blobs_left = MAX_LAYERS;
    while let Some(field) = message.next_field()? {
        match (field.number, field.content) {
            (1, Content::Delimited(text)) => name = string(text),
            (2, Content::Delimited(layer)) => old_layers.push(read_layer(layer, &V1, &mut blobs_left)?),
            (100, Content::Delimited(layer)) => layers.push(read_layer(layer, &V2, &mut blobs_left)?),
            _ => {}
        }
        let found = layers.len() + old_layers.len();
        if found > MAX_LAYERS {
            return Err(too_many("layers in the weight file", found));
        }
    }
    // As in Caffe, a file with layers of the old form is wholly of the old form.
    let layers = if old_layers.is_empty() { layers } else { old_layers };
    if layers.is_empty() {
        return Err(CaffeError::Network {
            message:
                "the weight file holds no layers; it may be a mean image or a solver's state, or damaged"
                    .to_owned(),
        });
    }
    Ok(WeightFile { name, layers, file: None })
}

fn read_layer(
    mut message: Message,
    generation: &Generation,
    blobs_left: &mut usize,
) -> Result<LayerWeights, CaffeError> {
    let mut layer = LayerWeights { name: String::new(), kind: String::new(), blobs: Vec::new() };
    let mut blobs = Vec::new();
    let mut nested = None;
    while let Some(field) = message.next_field()? {
        match field.content {
            Content::Delimited(text) if field.number == generation.name => layer.name = string(text),
            Content::Delimited(text) if field.number == generation.kind => layer.kind = string(text),
            Content::Integer(number) if field.number == generation.kind => {
                layer.kind = kind_of_number(number)
            }
            Content::Delimited(message) if field.number == generation.blobs => {
                let Some(left) = blobs_left.checked_sub(1) else {
                    return Err(too_many("arrays in the weight file", MAX_LAYERS + 1));
                };
                *blobs_left = left;
                blobs.push(blob::read(message)?);
            }
            Content::Delimited(message) if field.number == 1 => {
                if let Some(generation) = generation.nested {
                    nested = Some(read_layer(message, generation, blobs_left)?);
                }
            }
            _ => {}
        }
    }
    if let Some(mut nested) = nested {
        if let Some(kind) = upgrade::v2_type_of_v0(&nested.kind) {
            nested.kind = kind.to_owned();
        }
        return Ok(nested);
    }
    let name = &layer.name;
    let blobs: Result<Vec<WeightBlob>, CaffeError> = blobs
        .into_iter()
        .enumerate()
        .map(|(index, blob)| blob.map_err(|message| CaffeError::Blob { layer: name.clone(), index, message }))
        .collect();
    layer.blobs = blobs?;
    Ok(layer)
}

/// The type of a layer of the second generation.
fn kind_of_number(number: u64) -> String {
    i32::try_from(number)
        .ok()
        .and_then(upgrade::v2_type_of_v1)
        .map_or_else(|| format!("type {number} of the V1 format"), str::to_owned)
}

fn string(text: Message) -> String {
    latin1_where_not_utf8(&text.into_bytes(), |_| ())
}

fn too_many(what: &'static str, found: usize) -> CaffeError {
    CaffeError::TooLarge { what, found: found as u64, limit: MAX_LAYERS as u64 }
}
