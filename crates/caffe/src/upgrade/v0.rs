//! From the first generation to the second: padding layers, types by name, one flat list of settings.

use std::collections::HashMap;

use super::OldLayer;
use crate::{
    error::{CaffeError, Warnings},
    proto::{
        ConcatParameter, ConvolutionParameter, DataParameter, DropoutParameter, Hdf5DataParameter,
        ImageDataParameter, InfogainLossParameter, InnerProductParameter, LrnParameter, PoolingParameter,
        TransformationParameter, V0LayerParameter, V1LayerParameter, WindowDataParameter,
        v1_layer_parameter::LayerType,
    },
};

/// Type names of the first generation and the types they became.
const TYPES: [(&str, LayerType); 24] = [
    ("accuracy", LayerType::Accuracy),
    ("bnll", LayerType::Bnll),
    ("concat", LayerType::Concat),
    ("conv", LayerType::Convolution),
    ("data", LayerType::Data),
    ("dropout", LayerType::Dropout),
    ("euclidean_loss", LayerType::EuclideanLoss),
    ("flatten", LayerType::Flatten),
    ("hdf5_data", LayerType::Hdf5Data),
    ("hdf5_output", LayerType::Hdf5Output),
    ("im2col", LayerType::Im2col),
    ("images", LayerType::ImageData),
    ("infogain_loss", LayerType::InfogainLoss),
    ("innerproduct", LayerType::InnerProduct),
    ("lrn", LayerType::Lrn),
    ("multinomial_logistic_loss", LayerType::MultinomialLogisticLoss),
    ("pool", LayerType::Pooling),
    ("relu", LayerType::Relu),
    ("sigmoid", LayerType::Sigmoid),
    ("softmax", LayerType::Softmax),
    ("softmax_loss", LayerType::SoftmaxLoss),
    ("split", LayerType::Split),
    ("tanh", LayerType::Tanh),
    ("window_data", LayerType::WindowData),
];

fn layer_type(name: &str) -> Option<LayerType> {
    TYPES.iter().find(|(old, _)| *old == name).map(|(_, kind)| *kind)
}

/// Today's type for a type of the first generation.
pub(crate) fn v2_type_of_v0(name: &str) -> Option<&'static str> {
    super::v2_type_of_v1(layer_type(name)? as i32)
}

/// The settings inside a layer of the first generation.
fn inner(layer: &OldLayer) -> Option<&V0LayerParameter> {
    layer.parameter.layer.as_ref()
}

fn kind_of(layer: &OldLayer) -> &str {
    inner(layer).map_or("", V0LayerParameter::r#type)
}

fn error(layer: &OldLayer, message: String) -> CaffeError {
    CaffeError::Layer {
        layer: inner(layer).map_or("", V0LayerParameter::name).to_owned(),
        kind: kind_of(layer).to_owned(),
        location: layer.location,
        message,
    }
}

/// Removes the layers of type `padding` and gives their width to the convolution or pooling that reads them.
pub(super) fn merge_padding(layers: Vec<OldLayer>, inputs: &[String]) -> Result<Vec<OldLayer>, CaffeError> {
    // Which layer wrote each blob last; `None` for an input of the network.
    let mut producer: HashMap<String, Option<usize>> =
        inputs.iter().map(|input| (input.clone(), None)).collect();
    let mut merged: Vec<V1LayerParameter> = layers.iter().map(|layer| layer.parameter.clone()).collect();
    for (index, layer) in layers.iter().enumerate() {
        for (position, bottom) in layer.parameter.bottom.iter().enumerate() {
            let Some(source) = producer.get(bottom.as_str()) else {
                return Err(error(
                    layer,
                    format!("its input '{bottom}' is not the output of any earlier layer"),
                ));
            };
            let Some(source) = source.and_then(|source| layers.get(source)) else { continue };
            if kind_of(source) != "padding" {
                continue;
            }
            let padding = inner(source).map_or("", V0LayerParameter::name);
            if !matches!(kind_of(layer), "conv" | "pool") || layer.parameter.bottom.len() != 1 {
                return Err(error(
                    layer,
                    format!(
                        "the padding layer '{padding}' before it may be followed by one conv or pool layer only"
                    ),
                ));
            }
            let ([before], [_]) = (&source.parameter.bottom[..], &source.parameter.top[..]) else {
                return Err(error(
                    source,
                    "a padding layer needs exactly one input and one output".to_owned(),
                ));
            };
            if let Some(changed) = merged.get_mut(index) {
                if let Some(inner) = &mut changed.layer {
                    inner.pad = Some(inner_pad(source));
                }
                if let Some(name) = changed.bottom.get_mut(position) {
                    name.clone_from(before);
                }
            }
        }
        for top in &layer.parameter.top {
            producer.insert(top.clone(), Some(index));
        }
    }
    let keep = layers.iter().map(|layer| kind_of(layer) != "padding").collect::<Vec<_>>();
    let locations = layers.iter().map(|layer| layer.location);
    let all = merged.into_iter().zip(locations).zip(keep);
    Ok(all
        .filter(|(_, keep)| *keep)
        .map(|((parameter, location), _)| OldLayer { parameter, location })
        .collect())
}

fn inner_pad(layer: &OldLayer) -> u32 {
    inner(layer).map_or(0, V0LayerParameter::pad)
}

/// One layer in the second generation's form.
pub(super) fn upgrade(layer: OldLayer, warnings: &mut Warnings) -> Result<OldLayer, CaffeError> {
    let Some(mut old) = inner(&layer).cloned() else {
        return Err(error(
            &layer,
            "this file is of the first generation, where every 'layers' has a 'layer' inside; this one has none".to_owned(),
        ));
    };
    let kind = old.r#type().to_owned();
    let Some(layer_type) = layer_type(&kind) else {
        return Err(error(
            &layer,
            format!("'{kind}' is not a layer type of the first generation of Caffe's format"),
        ));
    };
    if !layer.parameter.include.is_empty() || !layer.parameter.exclude.is_empty() {
        warnings.push(
            layer.location.line,
            format!(
                "the include and exclude rules of '{}' are ignored, as in Caffe: V0 layers have none",
                old.name()
            ),
        );
    }
    let mut new = V1LayerParameter {
        bottom: layer.parameter.bottom,
        top: layer.parameter.top,
        name: old.name.take(),
        r#type: Some(layer_type as i32),
        blobs: std::mem::take(&mut old.blobs),
        blobs_lr: std::mem::take(&mut old.blobs_lr),
        weight_decay: std::mem::take(&mut old.weight_decay),
        transform_param: transform(&mut old),
        ..V1LayerParameter::default()
    };
    take_settings(&mut old, layer_type, &mut new);
    for setting in leftovers(&old) {
        warnings.push(
            layer.location.line,
            format!("'{setting}' means nothing to the '{kind}' layer '{}'; it is ignored", new.name()),
        );
    }
    Ok(OldLayer { parameter: new, location: layer.location })
}

/// Preprocessing, which any layer of the first generation may have.
fn transform(old: &mut V0LayerParameter) -> Option<TransformationParameter> {
    let transform = TransformationParameter {
        scale: old.scale.take(),
        mean_file: old.meanfile.take(),
        crop_size: old.cropsize.take(),
        mirror: old.mirror.take(),
        ..TransformationParameter::default()
    };
    (transform != TransformationParameter::default()).then_some(transform)
}

/// Moves the settings that belong to a type from the flat list into that type's message.
fn take_settings(old: &mut V0LayerParameter, kind: LayerType, new: &mut V1LayerParameter) {
    let list = |setting: Option<u32>| setting.into_iter().collect();
    match kind {
        LayerType::Convolution => {
            new.convolution_param = Some(ConvolutionParameter {
                num_output: old.num_output.take(),
                bias_term: old.biasterm.take(),
                weight_filler: old.weight_filler.take(),
                bias_filler: old.bias_filler.take(),
                pad: list(old.pad.take()),
                kernel_size: list(old.kernelsize.take()),
                group: old.group.take(),
                stride: list(old.stride.take()),
                ..ConvolutionParameter::default()
            });
        }
        LayerType::InnerProduct => {
            new.inner_product_param = Some(InnerProductParameter {
                num_output: old.num_output.take(),
                bias_term: old.biasterm.take(),
                weight_filler: old.weight_filler.take(),
                bias_filler: old.bias_filler.take(),
                ..InnerProductParameter::default()
            });
        }
        LayerType::Pooling => {
            new.pooling_param = Some(PoolingParameter {
                // The numbers of the methods are the same in both generations.
                pool: old.pool.take(),
                pad: old.pad.take(),
                kernel_size: old.kernelsize.take(),
                stride: old.stride.take(),
                ..PoolingParameter::default()
            });
        }
        LayerType::Dropout => {
            new.dropout_param = Some(DropoutParameter { dropout_ratio: old.dropout_ratio.take() });
        }
        LayerType::Lrn => {
            new.lrn_param = Some(LrnParameter {
                local_size: old.local_size.take(),
                alpha: old.alpha.take(),
                beta: old.beta.take(),
                k: old.k.take(),
                ..LrnParameter::default()
            });
        }
        LayerType::Concat => {
            new.concat_param =
                Some(ConcatParameter { concat_dim: old.concat_dim.take(), ..ConcatParameter::default() });
        }
        LayerType::Data => {
            new.data_param = Some(DataParameter {
                source: old.source.take(),
                batch_size: old.batchsize.take(),
                rand_skip: old.rand_skip.take(),
                ..DataParameter::default()
            });
        }
        LayerType::Hdf5Data => {
            new.hdf5_data_param = Some(Hdf5DataParameter {
                source: old.source.take(),
                batch_size: old.batchsize.take(),
                ..Hdf5DataParameter::default()
            });
        }
        LayerType::ImageData => {
            new.image_data_param = Some(ImageDataParameter {
                source: old.source.take(),
                batch_size: old.batchsize.take(),
                rand_skip: old.rand_skip.take(),
                shuffle: old.shuffle_images.take(),
                new_height: old.new_height.take().map(i32::cast_unsigned),
                new_width: old.new_width.take().map(i32::cast_unsigned),
                ..ImageDataParameter::default()
            });
        }
        LayerType::WindowData => {
            new.window_data_param = Some(WindowDataParameter {
                source: old.source.take(),
                batch_size: old.batchsize.take(),
                fg_threshold: old.det_fg_threshold.take(),
                bg_threshold: old.det_bg_threshold.take(),
                fg_fraction: old.det_fg_fraction.take(),
                context_pad: old.det_context_pad.take(),
                crop_mode: old.det_crop_mode.take(),
                ..WindowDataParameter::default()
            });
        }
        LayerType::InfogainLoss => {
            new.infogain_loss_param =
                Some(InfogainLossParameter { source: old.source.take(), ..InfogainLossParameter::default() });
        }
        LayerType::Hdf5Output => new.hdf5_output_param = old.hdf5_output_param.take(),
        _ => {}
    }
}

/// The names of the settings that were not taken.
fn leftovers(old: &V0LayerParameter) -> impl Iterator<Item = &'static str> {
    [
        ("num_output", old.num_output.is_some()),
        ("biasterm", old.biasterm.is_some()),
        ("weight_filler", old.weight_filler.is_some()),
        ("bias_filler", old.bias_filler.is_some()),
        ("pad", old.pad.is_some()),
        ("kernelsize", old.kernelsize.is_some()),
        ("group", old.group.is_some()),
        ("stride", old.stride.is_some()),
        ("pool", old.pool.is_some()),
        ("dropout_ratio", old.dropout_ratio.is_some()),
        ("local_size", old.local_size.is_some()),
        ("alpha", old.alpha.is_some()),
        ("beta", old.beta.is_some()),
        ("k", old.k.is_some()),
        ("source", old.source.is_some()),
        ("batchsize", old.batchsize.is_some()),
        ("rand_skip", old.rand_skip.is_some()),
        ("det_fg_threshold", old.det_fg_threshold.is_some()),
        ("det_bg_threshold", old.det_bg_threshold.is_some()),
        ("det_fg_fraction", old.det_fg_fraction.is_some()),
        ("det_context_pad", old.det_context_pad.is_some()),
        ("det_crop_mode", old.det_crop_mode.is_some()),
        ("new_num", old.new_num.is_some()),
        ("new_channels", old.new_channels.is_some()),
        ("new_height", old.new_height.is_some()),
        ("new_width", old.new_width.is_some()),
        ("shuffle_images", old.shuffle_images.is_some()),
        ("concat_dim", old.concat_dim.is_some()),
        ("hdf5_output_param", old.hdf5_output_param.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
}
