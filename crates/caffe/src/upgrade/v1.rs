//! From the second generation to today's: types by number, learning rates and names of weights in lists of their own.

use super::OldLayer;
use crate::{
    Layer,
    proto::{
        LayerParameter, ParamSpec, TransformationParameter, V1LayerParameter, v1_layer_parameter::LayerType,
    },
};

/// Today's type for the number of a type of the second generation; empty for NONE, `None` for a number without type.
pub(crate) fn v2_type_of_v1(number: i32) -> Option<&'static str> {
    Some(match LayerType::try_from(number).ok()? {
        LayerType::None => "",
        LayerType::Absval => "AbsVal",
        LayerType::Accuracy => "Accuracy",
        LayerType::Argmax => "ArgMax",
        LayerType::Bnll => "BNLL",
        LayerType::Concat => "Concat",
        LayerType::ContrastiveLoss => "ContrastiveLoss",
        LayerType::Convolution => "Convolution",
        LayerType::Data => "Data",
        LayerType::Deconvolution => "Deconvolution",
        LayerType::Dropout => "Dropout",
        LayerType::DummyData => "DummyData",
        LayerType::EuclideanLoss => "EuclideanLoss",
        LayerType::Eltwise => "Eltwise",
        LayerType::Exp => "Exp",
        LayerType::Flatten => "Flatten",
        LayerType::Hdf5Data => "HDF5Data",
        LayerType::Hdf5Output => "HDF5Output",
        LayerType::HingeLoss => "HingeLoss",
        LayerType::Im2col => "Im2col",
        LayerType::ImageData => "ImageData",
        LayerType::InfogainLoss => "InfogainLoss",
        LayerType::InnerProduct => "InnerProduct",
        LayerType::Lrn => "LRN",
        LayerType::MemoryData => "MemoryData",
        LayerType::MultinomialLogisticLoss => "MultinomialLogisticLoss",
        LayerType::Mvn => "MVN",
        LayerType::Pooling => "Pooling",
        LayerType::Power => "Power",
        LayerType::Relu => "ReLU",
        LayerType::Sigmoid => "Sigmoid",
        LayerType::SigmoidCrossEntropyLoss => "SigmoidCrossEntropyLoss",
        LayerType::Silence => "Silence",
        LayerType::Softmax => "Softmax",
        LayerType::SoftmaxLoss => "SoftmaxWithLoss",
        LayerType::Split => "Split",
        LayerType::Slice => "Slice",
        LayerType::Tanh => "TanH",
        LayerType::WindowData => "WindowData",
        LayerType::Threshold => "Threshold",
    })
}

/// One layer in today's form.
pub(super) fn upgrade(layer: OldLayer) -> Layer {
    let OldLayer { parameter: mut old, location } = layer;
    move_transform(&mut old);
    let param = param_specs(&old);
    let parameter = LayerParameter {
        // The text reader refuses numbers without a type.
        r#type: old.r#type.map(|number| v2_type_of_v1(number).unwrap_or_default().to_owned()),
        name: old.name,
        bottom: old.bottom,
        top: old.top,
        include: old.include,
        exclude: old.exclude,
        blobs: old.blobs,
        param,
        loss_weight: old.loss_weight,
        accuracy_param: old.accuracy_param,
        argmax_param: old.argmax_param,
        concat_param: old.concat_param,
        contrastive_loss_param: old.contrastive_loss_param,
        convolution_param: old.convolution_param,
        data_param: old.data_param,
        dropout_param: old.dropout_param,
        dummy_data_param: old.dummy_data_param,
        eltwise_param: old.eltwise_param,
        exp_param: old.exp_param,
        hdf5_data_param: old.hdf5_data_param,
        hdf5_output_param: old.hdf5_output_param,
        hinge_loss_param: old.hinge_loss_param,
        image_data_param: old.image_data_param,
        infogain_loss_param: old.infogain_loss_param,
        inner_product_param: old.inner_product_param,
        lrn_param: old.lrn_param,
        memory_data_param: old.memory_data_param,
        mvn_param: old.mvn_param,
        pooling_param: old.pooling_param,
        power_param: old.power_param,
        relu_param: old.relu_param,
        sigmoid_param: old.sigmoid_param,
        softmax_param: old.softmax_param,
        slice_param: old.slice_param,
        tanh_param: old.tanh_param,
        threshold_param: old.threshold_param,
        window_data_param: old.window_data_param,
        transform_param: old.transform_param,
        loss_param: old.loss_param,
        ..LayerParameter::default()
    };
    Layer { parameter, location }
}

/// One specification for each weight that any of the four old lists says something about.
fn param_specs(old: &V1LayerParameter) -> Vec<ParamSpec> {
    let count =
        old.param.len().max(old.blob_share_mode.len()).max(old.blobs_lr.len()).max(old.weight_decay.len());
    (0..count)
        .map(|index| ParamSpec {
            name: old.param.get(index).cloned(),
            // The numbers of the two modes are the same in both generations.
            share_mode: old.blob_share_mode.get(index).copied(),
            lr_mult: old.blobs_lr.get(index).copied(),
            decay_mult: old.weight_decay.get(index).copied(),
        })
        .collect()
}

/// Moves the preprocessing of the three data layers that had it to `transform_param`.
fn move_transform(old: &mut V1LayerParameter) {
    let mut transform = old.transform_param.take().unwrap_or_default();
    // Written out for the three messages because they share field names but no type.
    match old.r#type() {
        LayerType::Data => {
            if let Some(data) = &mut old.data_param {
                replace(&mut transform.scale, data.scale.take());
                replace(&mut transform.mean_file, data.mean_file.take());
                replace(&mut transform.crop_size, data.crop_size.take());
                replace(&mut transform.mirror, data.mirror.take());
            }
        }
        LayerType::ImageData => {
            if let Some(data) = &mut old.image_data_param {
                replace(&mut transform.scale, data.scale.take());
                replace(&mut transform.mean_file, data.mean_file.take());
                replace(&mut transform.crop_size, data.crop_size.take());
                replace(&mut transform.mirror, data.mirror.take());
            }
        }
        LayerType::WindowData => {
            if let Some(data) = &mut old.window_data_param {
                replace(&mut transform.scale, data.scale.take());
                replace(&mut transform.mean_file, data.mean_file.take());
                replace(&mut transform.crop_size, data.crop_size.take());
                replace(&mut transform.mirror, data.mirror.take());
            }
        }
        _ => {}
    }
    if transform != TransformationParameter::default() {
        old.transform_param = Some(transform);
    }
}

/// A setting at the old place overrules one at the new place.
fn replace<T>(new_place: &mut Option<T>, old_place: Option<T>) {
    if old_place.is_some() {
        *new_place = old_place;
    }
}
