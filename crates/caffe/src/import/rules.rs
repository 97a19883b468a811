//! The layer types that can be imported: one row each, as Caffe's own checks have it.

use std::ops::RangeInclusive;

use super::error::ImportError;
use super::{
    arg_max, batch_normalization, bias_and_scale, concat, convolution, crop, dialects, eltwise,
    importer::Importer, inner_product, input, local_response_normalization, mean_variance_normalization,
    neuron, parametric_relu, pass_through, pooling, reduction, reshape, site::Site, slice, softmax,
    spatial_pyramid, tile,
};

/// Adds what a layer computes to the graph.
pub(super) type Import = fn(&mut Importer<'_>, Site<'_>) -> Result<(), ImportError>;

/// What becomes of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// It is part of the graph.
    Compute(Import),
    /// It feeds the network. Its outputs that are no pictures (labels) are left out.
    Feed(Import),
    /// It needs labels or writes files and is left out, for this reason.
    LeaveOut(&'static str),
}

/// What is known about a layer type.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub kind: &'static str,
    /// How many inputs Caffe accepts.
    pub bottoms: RangeInclusive<usize>,
    /// How many outputs Caffe accepts.
    pub tops: RangeInclusive<usize>,
    /// Whether its output may overwrite its input. Caffe never refuses that, but computes nonsense for all
    /// others.
    pub in_place: bool,
    pub role: Role,
}

const ANY: usize = usize::MAX;
const LOSS: Role = Role::LeaveOut("it compares with labels, which exist in training only");
const NEURON: Role = Role::Compute(neuron::import);
const CHOICE: &str =
    "it chooses among boxes, of which every picture has another number; what it reads becomes a result";
const SELECTION: Role = Role::LeaveOut(CHOICE);
const ANCHORS: Role =
    Role::LeaveOut("its boxes are the same for every picture, and only place what the detector finds");

/// A row of the table.
const fn rule(
    kind: &'static str,
    bottoms: RangeInclusive<usize>,
    tops: RangeInclusive<usize>,
    in_place: bool,
    role: Role,
) -> Rule {
    Rule { kind, bottoms, tops, in_place, role }
}

/// All types that are known, by name.
pub(super) const RULES: &[Rule] = &[
    rule("AbsVal", 1..=1, 1..=1, true, NEURON),
    rule("Accuracy", 0..=ANY, 0..=ANY, false, LOSS),
    rule("AnnotatedData", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("ArgMax", 1..=1, 1..=1, false, Role::Compute(arg_max::import)),
    rule("Axpy", 3..=3, 1..=1, false, Role::Compute(dialects::import_axpy)),
    rule("BN", 1..=1, 1..=1, true, Role::Compute(dialects::import_bn)),
    rule("BNLL", 1..=1, 1..=1, true, NEURON),
    rule("BatchNorm", 1..=1, 1..=1, true, Role::Compute(batch_normalization::import)),
    rule("Bias", 1..=2, 1..=1, true, Role::Compute(bias_and_scale::import_bias)),
    rule("CenterLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Clip", 1..=1, 1..=1, true, NEURON),
    rule("Concat", 1..=ANY, 1..=1, false, Role::Compute(concat::import)),
    rule("ContrastiveLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Convolution", 1..=ANY, 1..=ANY, false, Role::Compute(convolution::import)),
    rule("ConvolutionDepthwise", 1..=1, 1..=1, false, Role::Compute(convolution::import)),
    rule("Crop", 2..=2, 1..=1, false, Role::Compute(crop::import)),
    rule("Data", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("Deconvolution", 1..=ANY, 1..=ANY, false, Role::Compute(convolution::import)),
    rule("DepthwiseConvolution", 1..=1, 1..=1, false, Role::Compute(convolution::import)),
    rule("DetectionEvaluate", 0..=ANY, 0..=ANY, false, LOSS),
    rule("DetectionOutput", 1..=ANY, 0..=ANY, false, SELECTION),
    rule("Dropout", 1..=1, 1..=1, true, Role::Compute(pass_through::import_dropout)),
    rule("DummyData", 0..=0, 1..=ANY, false, Role::Feed(input::import_dummy_data)),
    rule("ELU", 1..=1, 1..=1, true, NEURON),
    rule("Eltwise", 2..=ANY, 1..=1, true, Role::Compute(eltwise::import)),
    rule("EuclideanLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("EvalDetection", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Exp", 1..=1, 1..=1, true, NEURON),
    rule("Flatten", 1..=1, 1..=1, false, Role::Compute(reshape::import_flatten)),
    rule("FocalLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("HDF5Data", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("HDF5Output", 0..=ANY, 0..=ANY, false, Role::LeaveOut("it writes files for training tools")),
    rule("HingeLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("ImageData", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("InfogainLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("InnerProduct", 1..=1, 1..=1, false, Role::Compute(inner_product::import)),
    rule("Input", 0..=0, 1..=ANY, false, Role::Feed(input::import_input)),
    rule("Interp", 1..=1, 1..=1, false, Role::Compute(dialects::import_interp)),
    rule("LRN", 1..=1, 1..=1, false, Role::Compute(local_response_normalization::import)),
    rule("Log", 1..=1, 1..=1, true, NEURON),
    rule("MVN", 1..=1, 1..=1, true, Role::Compute(mean_variance_normalization::import)),
    rule("MemoryData", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("MultiBoxFocalLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("MultiBoxLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("MultinomialLogisticLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Normalize", 1..=1, 1..=1, false, Role::Compute(dialects::import_normalize)),
    rule("PReLU", 1..=1, 1..=1, true, Role::Compute(parametric_relu::import)),
    rule("Permute", 1..=1, 1..=1, false, Role::Compute(dialects::import_permute)),
    rule("Pooling", 1..=1, 1..=2, false, Role::Compute(pooling::import)),
    rule("Power", 1..=1, 1..=1, true, NEURON),
    rule("PriorBox", 1..=ANY, 1..=1, false, ANCHORS),
    rule("ReLU", 1..=1, 1..=1, true, NEURON),
    rule("ReLU6", 1..=1, 1..=1, true, Role::Compute(dialects::import_relu6)),
    rule("Reduction", 1..=1, 1..=1, false, Role::Compute(reduction::import)),
    rule("RegionLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Reshape", 1..=1, 1..=1, false, Role::Compute(reshape::import_reshape)),
    rule("SPP", 1..=1, 1..=1, false, Role::Compute(spatial_pyramid::import)),
    rule("Scale", 1..=2, 1..=1, true, Role::Compute(bias_and_scale::import_scale)),
    rule("ShuffleChannel", 1..=1, 1..=1, false, Role::Compute(dialects::import_shuffle)),
    rule("Sigmoid", 1..=1, 1..=1, true, NEURON),
    rule("SigmoidCrossEntropyLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Silence", 1..=ANY, 0..=0, false, Role::Compute(pass_through::import_silence)),
    rule("Slice", 1..=1, 1..=ANY, false, Role::Compute(slice::import)),
    rule("SmoothL1Loss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("SmoothL1LossOHEM", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Softmax", 1..=1, 1..=1, true, Role::Compute(softmax::import)),
    rule(
        "SoftmaxWithLoss",
        0..=ANY,
        0..=ANY,
        false,
        Role::LeaveOut(
            "it compares with labels, which exist in training only; the softmax in it is left out too, so that the output \
         is the scores before it",
        ),
    ),
    rule("Split", 1..=1, 1..=ANY, false, Role::Compute(pass_through::import_split)),
    rule("Swish", 1..=1, 1..=1, true, NEURON),
    rule("TanH", 1..=1, 1..=1, true, NEURON),
    rule("Threshold", 1..=1, 1..=1, true, NEURON),
    rule("Tile", 1..=1, 1..=1, false, Role::Compute(tile::import)),
    rule("TripletLoss", 0..=ANY, 0..=ANY, false, LOSS),
    rule("Upsample", 1..=2, 1..=1, false, Role::Compute(dialects::import_upsample)),
    rule("WindowData", 0..=0, 1..=ANY, false, Role::Feed(input::import_data)),
    rule("YoloDetectionOutput", 1..=ANY, 0..=ANY, false, SELECTION),
    rule("Yolov3DetectionOutput", 1..=ANY, 0..=ANY, false, SELECTION),
];

/// The rule for a type.
pub(super) fn find(kind: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind == kind)
}

/// Whether layers of a type choose among a detector's boxes.
pub(super) fn selects_boxes(kind: &str) -> bool {
    find(kind).is_some_and(|rule| matches!(rule.role, Role::LeaveOut(reason) if reason == CHOICE))
}

/// Checks the numbers of inputs and outputs, and that only layers which can do it overwrite their input.
pub(super) fn check(rule: &Rule, site: Site<'_>) -> Result<(), ImportError> {
    let lists = [("inputs", &rule.bottoms, site.bottoms().len()), ("outputs", &rule.tops, site.tops().len())];
    for (what, allowed, found) in lists {
        if !allowed.contains(&found) {
            let expected = match (*allowed.start(), *allowed.end()) {
                (least, most) if least == most => least.to_string(),
                (least, ANY) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(site.wrong(format!("number of {what}"), expected, found));
        }
    }
    if let Some(top) = (0..site.tops().len()).find(|top| site.in_place(*top) && !rule.in_place) {
        return Err(site.unsupported(format!(
            "it overwrites its own input '{}', which layers of this type cannot do (Caffe computes wrong values); give \
             its output a name of its own",
            site.tops()[top]
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_rule() {
        assert!(RULES.is_sorted_by(|a, b| a.kind < b.kind), "rows are sorted by type, each type once");
    }
}
