//! Caffe's Split layers: a blob that several layers read is copied for each of them, so that gradients add up.
//!
//! deepinside's graph needs no such copies, but their blobs have names that users know from Caffe (`pool1_pool1_0_split_1`)
//! and gradients of their own, which `trace` shows. The names and their order follow Caffe to the letter.

use std::collections::HashMap;

use crate::{Layer, error::CaffeError, proto::LayerParameter};

/// An output: the index of its layer, and which of the layer's outputs it is.
type Output = (usize, usize);

/// How an output is used.
#[derive(Debug, Default, Clone, Copy)]
struct Uses {
    /// By how many inputs, and once more if it counts into the loss.
    count: usize,
    /// Its weight in the loss.
    loss_weight: f32,
    /// How many of the copies have been handed out.
    handed_out: usize,
}

/// Adds a Split layer behind every layer for each output that is read more than once.
///
/// # Errors
/// When a layer reads a blob that no earlier layer writes.
pub(crate) fn insert_splits(layers: Vec<Layer>) -> Result<Vec<Layer>, CaffeError> {
    let (sources, mut uses) = count_uses(&layers)?;
    let names: Vec<String> = layers.iter().map(|layer| layer.parameter.name().to_owned()).collect();
    let mut result = Vec::with_capacity(layers.len());
    for (index, (mut layer, sources)) in layers.into_iter().zip(sources).enumerate() {
        for (bottom, source) in layer.parameter.bottom.iter_mut().zip(sources) {
            let Some(uses) = uses.get_mut(&source).filter(|uses| uses.count > 1) else { continue };
            let producer = names.get(source.0).map_or("", String::as_str);
            *bottom = blob_name(producer, bottom, source.1, uses.handed_out);
            uses.handed_out += 1;
        }
        let name = layer.parameter.name().to_owned();
        let mut splits = Vec::new();
        for (position, top) in layer.parameter.top.iter().enumerate() {
            let Some(uses) = uses.get_mut(&(index, position)).filter(|uses| uses.count > 1) else { continue };
            let parameter = split_layer(&name, top, position, *uses);
            splits.push(Layer { parameter, location: layer.location });
            if uses.loss_weight != 0.0 {
                // The first copy is the one that counts into the loss.
                uses.handed_out += 1;
            }
        }
        let in_loss = splits.iter().any(|split| !split.parameter.loss_weight.is_empty());
        if in_loss {
            layer.parameter.loss_weight.clear();
        }
        result.push(layer);
        result.append(&mut splits);
    }
    Ok(result)
}

/// For each layer the outputs that its inputs come from, and for each output how often it is used.
type Connections = (Vec<Vec<Output>>, HashMap<Output, Uses>);

fn count_uses(layers: &[Layer]) -> Result<Connections, CaffeError> {
    let mut last_writer: HashMap<&str, Output> = HashMap::new();
    let mut uses: HashMap<Output, Uses> = HashMap::new();
    let mut sources = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let parameter = &layer.parameter;
        let mut of_layer = Vec::with_capacity(parameter.bottom.len());
        for bottom in &parameter.bottom {
            let Some(source) = last_writer.get(bottom.as_str()) else {
                return Err(layer.error(format!(
                    "its input '{bottom}' is not the output of any earlier layer that takes part in this phase"
                )));
            };
            uses.entry(*source).or_default().count += 1;
            of_layer.push(*source);
        }
        sources.push(of_layer);
        for (position, top) in parameter.top.iter().enumerate() {
            last_writer.insert(top, (index, position));
        }
        for (top, weight) in parameter.top.iter().zip(&parameter.loss_weight) {
            // Looked up by name, as Caffe does: of two outputs with one name the last one takes the weight.
            let Some(output) = last_writer.get(top.as_str()) else { continue };
            let uses = uses.entry(*output).or_default();
            uses.loss_weight = *weight;
            uses.count += usize::from(*weight != 0.0);
        }
    }
    Ok((sources, uses))
}

fn split_layer(producer: &str, blob: &str, position: usize, uses: Uses) -> LayerParameter {
    let mut loss_weight = Vec::new();
    if uses.loss_weight != 0.0 {
        loss_weight = vec![0.0; uses.count];
        loss_weight[0] = uses.loss_weight;
    }
    LayerParameter {
        name: Some(format!("{blob}_{producer}_{position}_split")),
        r#type: Some("Split".to_owned()),
        bottom: vec![blob.to_owned()],
        top: (0..uses.count).map(|copy| blob_name(producer, blob, position, copy)).collect(),
        loss_weight,
        ..LayerParameter::default()
    }
}

fn blob_name(producer: &str, blob: &str, position: usize, copy: usize) -> String {
    format!("{blob}_{producer}_{position}_split_{copy}")
}
