//! What layers become, where that is more than one operator with the layer's own numbers.

use crate::common::{import_text, imported, value_names, weights, with_input};
use deepinside_caffe::{Imported, WeightFile};
use deepinside_graph::{
    Op,
    op::{EpsilonPlacement, MeanVarianceNormalization, Unary, Window},
};

/// The operator of a layer's last node.
fn op<'a>(imported: &'a Imported, layer: &str) -> &'a Op {
    &imported.graph.nodes().iter().rfind(|node| node.name == layer).unwrap().op
}

/// The operator that one layer becomes.
fn one(shape: &[usize], layer: &str, weights: Option<&WeightFile>) -> Op {
    let text = with_input(shape, &format!("layer {{ name: 'l' bottom: 'data' top: 'y' {layer} }}"));
    let imported = import_text(&text, weights).unwrap_or_else(|error| panic!("{error}\n{text}"));
    op(&imported, "l").clone()
}

/// The shape of the output that one layer has.
fn shape(shape: &[usize], layer: &str, weights: Option<&WeightFile>) -> Vec<usize> {
    let text = with_input(shape, &format!("layer {{ name: 'l' bottom: 'data' top: 'y' {layer} }}"));
    let imported = import_text(&text, weights).unwrap_or_else(|error| panic!("{error}\n{text}"));
    imported.blobs.get("y").unwrap().shape.extents().to_vec()
}

#[test]
fn exponentials_and_logarithms_are_brought_to_base_e() {
    let close =
        |found: f32, expected: f64| (f64::from(found) - expected).abs() < 1e-6 * expected.abs().max(1.0);
    let exp = |settings: &str| match one(&[2], &format!("type: 'Exp' exp_param {{ {settings} }}"), None) {
        Op::Unary(Unary::Exponential { inner_scale, outer_scale }) => (inner_scale, outer_scale),
        other => panic!("{other:?}"),
    };
    assert_eq!(exp(""), (1.0, 1.0));
    let (inner, outer) = exp("base: 2 scale: 3 shift: 0.5");
    assert!(close(inner, 3.0 * 2f64.ln()) && close(outer, 2f64.sqrt()));
    let (inner, outer) = exp("scale: 3 shift: 0.5");
    assert!(close(inner, 3.0) && close(outer, 0.5f64.exp()));
    match one(&[2], "type: 'Log' log_param { base: 10 scale: 2 shift: 3 }", None) {
        Op::Unary(Unary::Logarithm { scale: 2.0, shift: 3.0, outer_scale }) => {
            assert!(close(outer_scale, 1.0 / 10f64.ln()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn mean_and_variance_are_taken_where_caffe_takes_them() {
    let expected = |axes: &[usize], variance, epsilon, placement| {
        Op::MeanVarianceNormalization(MeanVarianceNormalization {
            axes: axes.to_vec(),
            variance,
            epsilon,
            placement,
        })
    };
    let outside = EpsilonPlacement::OutsideRoot;
    assert_eq!(one(&[1, 2, 3, 4], "type: 'MVN'", None), expected(&[2, 3], true, 1e-9, outside));
    let across = "type: 'MVN' mvn_param { across_channels: true normalize_variance: false eps: 0.5 }";
    assert_eq!(one(&[1, 2, 3], across, None), expected(&[1, 2], false, 0.5, outside));
    assert_eq!(
        one(&[1, 2], "type: 'MVN'", None),
        Op::Unary(Unary::Power { power: 1.0, scale: 0.0, shift: 0.0 })
    );
    let batch = "type: 'BatchNorm' batch_norm_param { use_global_stats: false eps: 0.5 }";
    assert_eq!(one(&[5, 2, 3], batch, None), expected(&[0, 2], true, 0.5, EpsilonPlacement::InsideRoot));
}

#[test]
fn statistics_are_divided_by_their_factor_and_a_zero_factor_makes_them_zero() {
    for (factor, expected) in [(4.0, [0.5, 2.0]), (0.0, [0.0, 0.0])] {
        let mut weights = weights(&[("l", &[&[1], &[1], &[1]])]);
        for (blob, number) in weights.layers[0].blobs.iter_mut().zip([2.0f32, 8.0, factor]) {
            blob.bytes = number.to_le_bytes().to_vec().into();
        }
        let text = with_input(&[2, 1, 3], "layer { name: 'l' type: 'BatchNorm' bottom: 'data' top: 'y' }");
        let imported = import_text(&text, Some(&weights)).unwrap();
        for (name, expected) in ["l@mean", "l@variance"].iter().zip(expected) {
            let value = imported.graph.value(imported.graph.find(name).unwrap());
            assert_eq!(value.weights().unwrap().to_vec(), [expected], "{name}");
        }
    }
}

#[test]
fn a_convolution_over_another_channel_axis_merges_the_axes_before_it() {
    let weights = weights(&[("l", &[&[5, 4, 3], &[5]])]);
    let layer = "layer { name: 'l' type: 'Convolution' bottom: 'data' top: 'y'
                   convolution_param { num_output: 5 kernel_size: 3 axis: -2 } }";
    let imported = import_text(&with_input(&[2, 3, 4, 9], layer), Some(&weights)).unwrap();
    let shapes: Vec<String> =
        imported.graph.values().iter().map(|value| format!("{} {}", value.name, value.shape)).collect();
    assert_eq!(
        shapes,
        ["data 2×3×4×9", "l@weights 5×4×3", "l@bias 5", "y@batch 6×4×9", "y@result 6×5×7", "y 2×3×5×7",]
    );
    let batched = imported.graph.with_batch(7).unwrap();
    assert_eq!(batched.value(batched.outputs()[0]).shape.extents(), [7, 3, 5, 7]);
}

#[test]
fn a_convolution_without_spatial_axes_is_a_matrix_product() {
    let settings = "type: 'Convolution' convolution_param { num_output: 4 kernel_size: 3 bias_term: false }";
    assert_eq!(shape(&[2, 3], settings, Some(&weights(&[("l", &[&[4, 3]])]))), [2, 4]);
}

#[test]
fn a_convolution_with_several_inputs_serves_each_with_the_same_weights() {
    let weights = weights(&[("l", &[&[2, 3, 1, 1]])]);
    let layer = "layer { name: 's' type: 'Split' bottom: 'data' top: 'a' top: 'b' }
                 layer { name: 'l' type: 'Convolution' bottom: 'a' bottom: 'b' top: 'x' top: 'y'
                   convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }";
    let imported = import_text(&with_input(&[1, 3, 2, 2], layer), Some(&weights)).unwrap();
    let nodes: Vec<_> = imported.graph.nodes().iter().filter(|node| node.name == "l").collect();
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[0].inputs[1], nodes[1].inputs[1]);
    assert_eq!(imported.layers[2].values.len(), 2);
}

#[test]
fn a_convolution_rounds_towards_zero_and_reads_zeros_behind_the_input() {
    // (4 − 5) / 2 + 1 is 1 in C, although the window does not fit.
    let settings =
        "type: 'Convolution' convolution_param { num_output: 1 kernel_size: 5 stride: 2 bias_term: false }";
    let weights = weights(&[("l", &[&[1, 1, 5, 5]])]);
    assert_eq!(shape(&[1, 1, 4, 5], settings, Some(&weights)), [1, 1, 1, 1]);
    match one(&[1, 1, 4, 5], settings, Some(&weights)) {
        Op::Convolution(convolution) => {
            let expected = Window { stride: vec![2, 2], pad_end: vec![1, 0], ..Window::new([5, 5]) };
            assert_eq!(convolution.window, expected);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_scale_is_aligned_at_its_axis() {
    let constant = |settings: &str, array: &[usize]| {
        let weights = weights(&[("l", &[array])]);
        let text = with_input(
            &[2, 3, 4, 5],
            &format!(
                "layer {{ name: 'l' type: 'Scale' bottom: 'data' top: 'y' scale_param {{ {settings} }} }}"
            ),
        );
        let imported = import_text(&text, Some(&weights)).unwrap();
        let value = imported.graph.find("l@scale").unwrap();
        imported.graph.value(value).shape.extents().to_vec()
    };
    assert_eq!(constant("", &[3]), [3, 1, 1]);
    assert_eq!(constant("axis: 0 num_axes: 2", &[2, 3]), [2, 3, 1, 1]);
    assert_eq!(constant("axis: -2 num_axes: -1", &[4, 5]), [4, 5]);
    assert_eq!(constant("num_axes: 0", &[]), [1, 1, 1]);
}

#[test]
fn a_pyramid_of_one_level_stays_four_dimensional() {
    assert_eq!(shape(&[2, 3, 7, 9], "type: 'SPP' spp_param { pyramid_height: 1 }", None), [2, 3, 1, 1]);
    assert_eq!(shape(&[2, 3, 7, 9], "type: 'SPP' spp_param { pyramid_height: 3 pool: AVE }", None), [2, 63]);
}

#[test]
fn positions_of_maxima_have_the_shapes_of_caffe() {
    let arg_max = |input: &[usize], settings: &str| {
        shape(input, &format!("type: 'ArgMax' argmax_param {{ {settings} }}"), None)
    };
    assert_eq!(arg_max(&[2, 9], "top_k: 3"), [2, 1, 3]);
    assert_eq!(arg_max(&[2, 3, 4, 5], "top_k: 3 out_max_val: true"), [2, 2, 3, 1]);
    assert_eq!(arg_max(&[2, 3, 4, 5], "top_k: 2 axis: -2"), [2, 3, 2, 5]);
    assert_eq!(arg_max(&[4], ""), [4, 1, 1]);
}

#[test]
fn settings_that_keep_the_batch_size_free() {
    let imported = imported(&with_input(
        &[1, 6, 4, 4],
        "layer { name: 'r' type: 'Reshape' bottom: 'data' top: 'r' reshape_param { shape { dim: 0 dim: 2 dim: 3 } num_axes: 2 } }
         layer { name: 'f' type: 'Flatten' bottom: 'r' top: 'f' }
         layer { name: 'a' type: 'ArgMax' bottom: 'f' top: 'a' argmax_param { top_k: 2 out_max_val: true } }",
    ));
    let batched = imported.graph.with_batch(5).unwrap();
    assert_eq!(batched.value(batched.outputs()[0]).shape.extents(), [5, 2, 2]);
}

#[test]
fn labels_and_losses_are_left_out_and_said() {
    let imported = imported(
        "layer { name: 'd' type: 'Data' top: 'data' top: 'label' transform_param { crop_size: 8 } }
         layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { pool: AVE global_pooling: true } }
         layer { name: 'acc' type: 'Accuracy' bottom: 'p' bottom: 'label' top: 'acc' }
         layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'p' bottom: 'label' top: 'loss' }
         layer { name: 'quiet' type: 'Silence' bottom: 'acc' }",
    );
    assert_eq!(imported.inputs.len(), 1);
    assert_eq!(imported.graph.value(imported.inputs[0].value).shape.extents(), [1, 3, 8, 8]);
    let lines: Vec<(usize, bool)> = imported
        .warnings
        .iter()
        .map(|warning| (warning.line, warning.message.contains("left out")))
        .collect();
    assert!(lines.starts_with(&[(1, false)]), "{:?}", imported.warnings);
    for line in [3, 4] {
        assert!(lines.contains(&(line, true)), "{:?}", imported.warnings);
    }
    assert!(value_names(&imported).contains(&"p"));
    assert!(!value_names(&imported).iter().any(|name| name.starts_with("loss") || name.starts_with("acc")));
}

/// SSD's end was refused as a fork's, and YOLO's and R-CNN's losses too.
#[test]
fn a_detectors_choice_of_boxes_is_left_out_and_what_it_reads_is_a_result() {
    let text = "layer { name: 'd' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
         layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
         layer { name: 'perm' type: 'Permute' bottom: 'p' top: 'perm' permute_param { order: 0 order: 2 order: 3 order: 1 } }
         layer { name: 'loc' type: 'Flatten' bottom: 'perm' top: 'loc' }
         layer { name: 'prior' type: 'PriorBox' bottom: 'p' bottom: 'data' top: 'prior' prior_box_param { min_size: 2 } }
         layer { name: 'priors' type: 'Concat' bottom: 'prior' top: 'priors' concat_param { axis: 2 } }
         layer { name: 'conf' type: 'Softmax' bottom: 'perm' top: 'conf' softmax_param { axis: 3 } }
         layer { name: 'out' type: 'DetectionOutput' bottom: 'loc' bottom: 'conf' bottom: 'priors' top: 'out' }
         layer { name: 'loss' type: 'MultiBoxLoss' bottom: 'loc' bottom: 'conf' bottom: 'priors' top: 'loss' }";
    let options = deepinside_caffe::ReadOptions { insert_splits: false, ..Default::default() };
    let network = deepinside_caffe::read_network(text.as_bytes(), &options).unwrap();
    let imported =
        deepinside_caffe::import(&network, None, &deepinside_caffe::ImportOptions::default()).unwrap();
    assert!(imported.is_detector());
    let outputs: Vec<&str> =
        imported.graph.outputs().iter().map(|output| imported.graph.value(*output).name.as_str()).collect();
    assert_eq!(outputs, ["conf", "loc"]);
    let left_out: Vec<usize> = imported
        .warnings
        .iter()
        .filter(|warning| warning.message.contains("left out"))
        .map(|warning| warning.line)
        .collect();
    assert_eq!(left_out, [5, 6, 8, 9]);
}

/// `ceil_mode: false` was ignored with a warning, and the result was one row larger.
#[test]
fn pooling_is_rounded_as_forks_say_it() {
    for (settings, extent) in
        [("", 7), ("ceil_mode: true", 7), ("ceil_mode: false", 6), ("round_mode: FLOOR", 6)]
    {
        let imported = imported(&format!(
            "layer {{ name: 'd' type: 'Input' top: 'data' input_param {{ shape {{ dim: 1 dim: 3 dim: 14 dim: 14 }} }} }}
             layer {{ name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param {{ kernel_size: 3 stride: 2 {settings} }} }}"
        ));
        let output = imported.graph.outputs()[0];
        assert_eq!(imported.graph.value(output).shape.extents(), [1, 3, extent, extent], "{settings}");
        assert!(imported.warnings.is_empty());
    }
    let both = "layer { name: 'd' type: 'Input' top: 'data' input_param { shape { dim: 1 dim: 3 dim: 14 dim: 14 } } }
         layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' pooling_param { kernel_size: 3 ceil_mode: true round_mode: FLOOR } }";
    assert!(import_text(both, None).unwrap_err().to_string().contains("one way"));
}

#[test]
fn a_layer_that_needs_a_label_for_its_result_is_an_error() {
    let text = "layer { name: 'd' type: 'Data' top: 'data' top: 'label' transform_param { crop_size: 8 } }
                layer { name: 's' type: 'Scale' bottom: 'data' bottom: 'label' top: 'y' scale_param { axis: 0 } }";
    assert_eq!(
        import_text(text, None).unwrap_err().to_string(),
        "layer 's' (Scale, line 2): its input 'label' comes from layer 'd', which is left out (labels exist in training \
         only)"
    );
}

#[test]
fn data_layers_without_a_shape_ask_for_one() {
    let text = "layer { name: 'd' type: 'HDF5Data' top: 'data' } layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'y' }";
    let error = import_text(text, None).unwrap_err().to_string();
    assert!(
        error.contains("layer 'd' (HDF5Data, line 1)")
            && error.contains("state the shape of the input 'data'"),
        "{error}"
    );
    let mut options = deepinside_caffe::ImportOptions::default();
    options.input_shapes.insert("data".to_owned(), vec![2, 7]);
    let network = crate::common::network(text);
    let imported = deepinside_caffe::import(&network, None, &options).unwrap();
    assert_eq!(imported.blobs.get("y").unwrap().shape.extents(), [2, 7]);
}

#[test]
fn given_shapes_replace_those_of_the_description() {
    let text = with_input(
        &[1, 3, 8, 8],
        "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'y' pooling_param { kernel_size: 2 stride: 2 } }",
    );
    let mut options = deepinside_caffe::ImportOptions::default();
    options.input_shapes.insert("data".to_owned(), vec![4, 3, 20, 30]);
    let network = crate::common::network(&text);
    let imported = deepinside_caffe::import(&network, None, &options).unwrap();
    assert_eq!(imported.blobs.get("y").unwrap().shape.extents(), [4, 3, 10, 15]);
}
