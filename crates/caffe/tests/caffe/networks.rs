//! Descriptions of every generation, against what real Caffe made of them.

use std::collections::BTreeMap;

use crate::common::{assert_equal_to_what_caffe_saved, bytes, fixture, names_and_types, network};
use deepinside_caffe::{
    CaffeError, Generation, Layer, NetState, Network, ReadOptions,
    proto::{LayerParameter, Phase, param_spec::DimCheckMode, pooling_parameter::PoolMethod},
    read_network,
};

/// Layer lists of real Caffe after the insertion of its Split layers, by case.
fn expected_layers() -> BTreeMap<String, Vec<(String, String)>> {
    let table = String::from_utf8(bytes(fixture("layers.tsv"))).expect("UTF-8");
    let mut cases: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for line in table.lines() {
        let [case, name, kind] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        cases.entry(case.to_owned()).or_default().push((name.to_owned(), kind.to_owned()));
    }
    cases
}

#[test]
fn layer_lists_are_caffes() {
    let cases = expected_layers();
    assert_eq!(cases.len(), 13);
    for (case, expected) in cases {
        assert_eq!(names_and_types(&network(fixture(&format!("{case}/model.prototxt")))), expected, "{case}");
    }
}

#[test]
fn layers_are_those_that_caffe_saved() {
    let mut compared = 0;
    for case in expected_layers().keys() {
        let caffemodel = fixture(&format!("{case}/weights.caffemodel"));
        if caffemodel.exists() {
            let network = network(fixture(&format!("{case}/model.prototxt")));
            compared += assert_equal_to_what_caffe_saved(&network, &caffemodel);
        }
    }
    assert!(compared >= 70, "only {compared} layers were compared");
}

/// Reads text with options, which must be right.
fn read(text: &str, options: &ReadOptions) -> Network {
    read_network(text.as_bytes(), options).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn plain(text: &str) -> Network {
    read(text, &ReadOptions { insert_splits: false, ..ReadOptions::default() })
}

fn parameters(network: &Network) -> Vec<LayerParameter> {
    network.layers.iter().map(|layer| layer.parameter.clone()).collect()
}

fn refused(text: &str) -> String {
    match read_network(text.as_bytes(), &ReadOptions::default()) {
        Ok(network) => panic!("{text}: {network:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_second_generation_upgrades_as_caffes_tool_does() {
    let old = network(fixture("legacy_v1/model.prototxt"));
    let new = network(fixture("legacy_v1/upgraded.prototxt"));
    assert_eq!((old.generation, new.generation), (Generation::V1, Generation::V2));
    assert_eq!(parameters(&old), parameters(&new));
    assert_eq!((old.name.as_str(), old.force_backward), ("v1net", true));
    // The layers keep their places: conv1 stands on line 5, the inputs on line 3, the Split behind its producer.
    let line = |network: &Network, name: &str| {
        network.layers.iter().find(|layer| layer.parameter.name() == name).map(|layer| layer.location.line)
    };
    assert_eq!(line(&old, "conv1"), Some(5));
    assert_eq!(line(&old, "input"), Some(3));
    assert_eq!(line(&old, "pool1_pool1_0_split"), line(&old, "pool1"));
}

#[test]
fn the_second_generation_names_weights_and_their_rates() {
    let old = plain(
        "input: 'x' input_dim: [1, 1, 1, 1]
         layers { name: 'a' type: 4 bottom: 'x' top: 'y' param: 'shared' blobs_lr: 1 blobs_lr: 2 blobs_lr: 3
                  weight_decay: 0.5 blob_share_mode: PERMISSIVE blob_share_mode: 0 loss_weight: 0.25 }
         layers { name: 'd' type: IMAGE_DATA top: 'z' image_data_param { scale: 2 mirror: true batch_size: 3 }
                  transform_param { scale: 5 crop_size: 7 } }",
    );
    let conv = &old.layers[1].parameter;
    assert_eq!(conv.r#type(), "Convolution");
    assert_eq!(conv.loss_weight, [0.25]);
    let names: Vec<_> = conv.param.iter().map(|param| param.name.as_deref()).collect();
    assert_eq!(names, [Some("shared"), None, None]);
    let modes: Vec<_> = conv.param.iter().map(|param| param.share_mode.map(DimCheckMode::try_from)).collect();
    assert_eq!(modes, [Some(Ok(DimCheckMode::Permissive)), Some(Ok(DimCheckMode::Strict)), None]);
    let rates: Vec<_> = conv.param.iter().map(|param| (param.lr_mult(), param.decay_mult())).collect();
    assert_eq!(rates, [(1.0, 0.5), (2.0, 1.0), (3.0, 1.0)]);
    let data = &old.layers[2].parameter;
    let transform = data.transform_param.clone().unwrap_or_default();
    assert_eq!((transform.scale(), transform.mirror(), transform.crop_size()), (2.0, true, 7));
    let source = data.image_data_param.clone().unwrap_or_default();
    assert_eq!((source.scale, source.mirror, source.batch_size()), (None, None, 3));
}

/// A network of the first generation with everything that generation had, beside the same in today's form.
#[test]
fn the_first_generation_upgrades() {
    let old = "name: 'v0'
        input: 'data' input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
        layers { layer { name: 'pad1' type: 'padding' pad: 2 } bottom: 'data' top: 'pad1' }
        layers { layer { name: 'conv1' type: 'conv' num_output: 4 kernelsize: 5 stride: 2 group: 1 biasterm: false
                         weight_filler { type: 'gaussian' std: 0.1 } blobs_lr: 1. blobs_lr: 2. weight_decay: 1. }
                 bottom: 'pad1' top: 'conv1' }
        layers { layer { name: 'relu1' type: 'relu' } bottom: 'conv1' top: 'conv1' }
        layers { layer { name: 'pad2' type: 'padding' pad: 1 } bottom: 'conv1' top: 'pad2' }
        layers { layer { name: 'pool1' type: 'pool' pool: AVE kernelsize: 3 stride: 2 } bottom: 'pad2' top: 'pool1' }
        layers { layer { name: 'norm1' type: 'lrn' local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } bottom: 'pool1' top: 'norm1' }
        layers { layer { name: 'cat' type: 'concat' concat_dim: 1 } bottom: 'norm1' bottom: 'pool1' top: 'cat' }
        layers { layer { name: 'fc' type: 'innerproduct' num_output: 5 biasterm: true } bottom: 'cat' top: 'fc' }
        layers { layer { name: 'drop' type: 'dropout' dropout_ratio: 0.25 } bottom: 'fc' top: 'fc' }
        layers { layer { name: 'prob' type: 'softmax' } bottom: 'fc' top: 'prob' }";
    let new = "name: 'v0'
        layer { name: 'input' type: 'Input' top: 'data' input_param { shape { dim: [1, 3, 12, 12] } } }
        layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1'
                param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 }
                convolution_param { num_output: 4 kernel_size: 5 stride: 2 group: 1 pad: 2 bias_term: false
                                    weight_filler { type: 'gaussian' std: 0.1 } } }
        layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }
        layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1'
                pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
        layer { name: 'norm1' type: 'LRN' bottom: 'pool1' top: 'norm1'
                lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } }
        layer { name: 'cat' type: 'Concat' bottom: 'norm1' bottom: 'pool1' top: 'cat' concat_param { concat_dim: 1 } }
        layer { name: 'fc' type: 'InnerProduct' bottom: 'cat' top: 'fc'
                inner_product_param { num_output: 5 bias_term: true } }
        layer { name: 'drop' type: 'Dropout' bottom: 'fc' top: 'fc' dropout_param { dropout_ratio: 0.25 } }
        layer { name: 'prob' type: 'Softmax' bottom: 'fc' top: 'prob' }";
    let (old, new) = (plain(old), plain(new));
    assert_eq!(old.generation, Generation::V0);
    assert_eq!(old.warnings, []);
    assert_eq!(parameters(&old), parameters(&new));
    assert_eq!(old.layers[1].location.line, 4, "conv1 stands behind the padding layer that is gone");
}

#[test]
fn data_layers_of_the_first_generation_upgrade() {
    let old = plain(
        "layers { layer { name: 'd' type: 'images' source: 's' meanfile: 'm' batchsize: 4 cropsize: 7 mirror: true
                          scale: 0.5 shuffle_images: true new_height: 9 new_width: 8 rand_skip: 3 } top: 'd' }
         layers { layer { name: 'w' type: 'window_data' det_fg_threshold: 0.25 det_crop_mode: 'square' num_output: 3 } top: 'w' }",
    );
    let new = plain(
        "layer { name: 'd' type: 'ImageData' top: 'd'
                 transform_param { mean_file: 'm' crop_size: 7 mirror: true scale: 0.5 }
                 image_data_param { source: 's' batch_size: 4 shuffle: true new_height: 9 new_width: 8 rand_skip: 3 } }
         layer { name: 'w' type: 'WindowData' top: 'w' window_data_param { fg_threshold: 0.25 crop_mode: 'square' } }",
    );
    assert_eq!(parameters(&old), parameters(&new));
    // What Caffe says it ignores is said here, with the line.
    assert_eq!(old.warnings.len(), 1);
    assert_eq!(old.warnings[0].line, 3);
    assert!(old.warnings[0].message.contains("'num_output'"), "{:?}", old.warnings);
}

#[test]
fn padding_layers_that_cannot_be_merged_are_refused() {
    let head = "input: 'x' input_dim: [1, 1, 4, 4] layers { layer { name: 'p' type: 'padding' pad: 1 } bottom: 'x' top: 'p' }\n";
    for (rest, expected) in [
        (
            "layers { layer { name: 'r' type: 'relu' } bottom: 'p' top: 'r' }",
            "layer 'r' (relu, line 2): the padding layer 'p'",
        ),
        (
            "layers { layer { name: 'c' type: 'conv' } bottom: 'p' bottom: 'x' top: 'c' }",
            "one conv or pool layer",
        ),
        ("layers { layer { name: 'c' type: 'conv' } bottom: 'q' top: 'c' }", "'q' is not the output"),
        ("layers { layer { name: 'c' type: 'konv' } bottom: 'x' top: 'c' }", "'konv' is not a layer type"),
        ("layers { name: 'c' bottom: 'x' top: 'c' }", "this one has none"),
    ] {
        let message = refused(&format!("{head}{rest}"));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn inputs_at_the_top_become_one_layer() {
    let two = plain(
        "input: 'a' input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
         input: 'b' input_dim: 5 input_dim: 6 input_dim: 7 input_dim: 8
         layer { name: 'c' type: 'Concat' bottom: 'a' bottom: 'b' top: 'c' }",
    );
    let input = &two.layers[0].parameter;
    assert_eq!(
        (input.name(), input.r#type(), &input.top[..]),
        ("input", "Input", &["a".to_owned(), "b".to_owned()][..])
    );
    let shapes: Vec<_> =
        input.input_param.iter().flat_map(|input| &input.shape).map(|shape| &shape.dim[..]).collect();
    assert_eq!(shapes, [[1, 2, 3, 4], [5, 6, 7, 8]]);
    // Shapes win over numbers.
    let both = plain(
        "input: 'a' input_dim: [1, 2, 3, 4] input_shape { dim: 9 } layer { type: 'Silence' bottom: 'a' }",
    );
    assert_eq!(both.layers[0].parameter.input_param.clone().unwrap_or_default().shape[0].dim, [9]);
    // Old layers come behind the inputs as new ones do.
    let old = plain("layers { type: SILENCE bottom: 'a' } input: 'a' input_shape { dim: 1 }");
    assert_eq!(old.layers[0].parameter.name(), "input");
    assert!(refused("input: 'a' input_dim: [1, 2, 3] layer { }").contains("need 4 numbers in input_dim"));
    assert!(refused("input: 'a' layer { }").contains("there are 0"));
    assert!(refused("input: 'a' input: 'b' input_shape { dim: 1 } layer { }").contains("only 1 input_shape"));
}

#[test]
fn statistics_of_batch_norm_are_frozen() {
    let text = "layer { type: 'BatchNorm' param { lr_mult: 1 name: 'm' } param { } param { decay_mult: 4 } }
                layer { type: 'Scale' param { lr_mult: 1 } param { } param { } }";
    let network = plain(text);
    let rates = |layer: &Layer| {
        layer.parameter.param.iter().map(|param| (param.lr_mult(), param.decay_mult())).collect::<Vec<_>>()
    };
    assert_eq!(rates(&network.layers[0]), [(0.0, 0.0); 3]);
    assert_eq!(network.layers[0].parameter.param[0].name(), "m");
    assert_eq!(rates(&network.layers[1]), [(1.0, 1.0); 3]);
}

#[test]
fn new_layers_beside_old_ones_are_ignored_with_a_warning() {
    let network = plain("layer { name: 'new' }\nlayers { name: 'old' type: RELU }");
    assert_eq!(network.layers.len(), 1);
    assert_eq!(network.layers[0].parameter.name(), "old");
    assert_eq!((network.warnings.len(), network.warnings[0].line), (1, 1));
}

/// Which of one layer with these rules and one without any take part.
fn takes_part(rules: &str, state: NetState) -> bool {
    let options = ReadOptions { state, insert_splits: false };
    let network = read(&format!("layer {{ name: 'other' }} layer {{ name: 'tested' {rules} }}"), &options);
    network.layers.len() == 2
}

#[test]
fn rules_choose_layers() {
    let test = NetState::default;
    let train = || NetState { phase: Phase::Train, ..test() };
    let level = |level| NetState { level, ..test() };
    let stages = |stages: &[&str]| NetState {
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
        ..test()
    };
    let cases: [(&str, NetState, bool); 30] = [
        ("", test(), true),
        ("include { phase: TEST }", test(), true),
        ("include { phase: TEST }", train(), false),
        ("include { phase: TRAIN }", test(), false),
        ("include { }", test(), true),
        ("exclude { }", test(), false),
        ("exclude { phase: TEST }", test(), false),
        ("exclude { phase: TEST }", train(), true),
        ("exclude { phase: TRAIN }", test(), true),
        ("include { phase: TRAIN } include { phase: TEST }", test(), true),
        ("exclude { phase: TRAIN } exclude { phase: TEST }", test(), false),
        ("include { min_level: 0 }", test(), true),
        ("include { min_level: 1 }", test(), false),
        ("include { min_level: 1 }", level(1), true),
        ("include { max_level: -1 }", test(), false),
        ("include { min_level: -2 max_level: 2 }", level(3), false),
        ("include { max_level: 0 }", test(), true),
        ("exclude { min_level: 1 }", level(5), false),
        ("include { stage: 'a' }", test(), false),
        ("include { stage: 'a' }", stages(&["a", "b"]), true),
        ("include { stage: 'a' stage: 'c' }", stages(&["a", "b"]), false),
        ("include { stage: 'a' } include { stage: 'c' }", stages(&["a", "b"]), true),
        ("include { not_stage: 'a' }", test(), true),
        ("include { not_stage: 'a' }", stages(&["a"]), false),
        ("include { not_stage: 'c' not_stage: 'a' }", stages(&["a"]), false),
        ("exclude { not_stage: 'a' }", test(), false),
        ("exclude { stage: 'a' not_stage: 'b' }", stages(&["a"]), false),
        ("exclude { stage: 'a' not_stage: 'b' }", stages(&["a", "b"]), true),
        ("include { phase: TEST stage: 'a' }", test(), false),
        ("include { phase: TEST stage: 'a' }", stages(&["a"]), true),
    ];
    for (rules, state, expected) in cases {
        assert_eq!(takes_part(rules, state.clone()), expected, "{rules} in {state:?}");
    }
}

#[test]
fn rules_of_both_kinds_are_refused_and_the_files_own_stages_count() {
    let message =
        refused("\nlayer { name: 'a' type: 'ReLU' include { phase: TEST } exclude { stage: 'x' } }");
    assert_eq!(
        message,
        "layer 'a' (ReLU, line 2): it has both include and exclude rules; keep rules of one kind"
    );
    let own = plain(
        "state { phase: TRAIN level: 9 stage: 'x' } layer { include { stage: 'x' phase: TEST max_level: 0 } }",
    );
    assert_eq!(own.layers.len(), 1);
    assert_eq!(own.state, NetState { stages: vec!["x".to_owned()], ..NetState::default() });
    assert!(
        refused("layer { include { phase: TRAIN } }")
            .contains("none of the 1 layers takes part in phase TEST")
    );
    assert!(refused("name: 'nothing'").contains("no layers"));
}

/// Inputs, outputs and loss weights of the layers, one line each.
fn connections(network: &Network) -> Vec<String> {
    let line = |layer: &Layer| {
        let LayerParameter { bottom, top, loss_weight, .. } = &layer.parameter;
        format!("{}: {} -> {} {loss_weight:?}", layer.parameter.name(), bottom.join(" "), top.join(" "))
    };
    network.layers.iter().map(line).collect()
}

#[test]
fn splits_are_named_and_counted_as_in_caffe() {
    // Blob b is written twice: the copies belong to a writer, not to a name. The first copy of an output with a weight in
    // the loss belongs to the loss.
    let network = read(
        "layer { name: 'in' type: 'Input' top: 'a' top: 'b' }
         layer { name: 'r' type: 'ReLU' bottom: 'b' top: 'b' }
         layer { name: 's' type: 'Eltwise' bottom: 'b' bottom: 'a' bottom: 'b' top: 'c' loss_weight: 0.5 }
         layer { name: 't' type: 'TanH' bottom: 'c' top: 'd' loss_weight: 2 }
         layer { name: 'u' type: 'TanH' bottom: 'a' top: 'e' loss_weight: 0 }
         layer { name: 'v' type: 'Concat' bottom: 'a' bottom: 'e' bottom: 'e' top: 'f' }",
        &ReadOptions::default(),
    );
    assert_eq!(
        connections(&network),
        [
            "in:  -> a b []",
            "a_in_0_split: a -> a_in_0_split_0 a_in_0_split_1 a_in_0_split_2 []",
            "r: b -> b []",
            "b_r_0_split: b -> b_r_0_split_0 b_r_0_split_1 []",
            "s: b_r_0_split_0 a_in_0_split_0 b_r_0_split_1 -> c []",
            "c_s_0_split: c -> c_s_0_split_0 c_s_0_split_1 [0.5, 0.0]",
            "t: c_s_0_split_1 -> d [2.0]",
            "u: a_in_0_split_1 -> e [0.0]",
            "e_u_0_split: e -> e_u_0_split_0 e_u_0_split_1 []",
            "v: a_in_0_split_2 e_u_0_split_0 e_u_0_split_1 -> f []",
        ]
    );
    let message = refused("layer { name: 'x' type: 'ReLU' bottom: 'no' top: 'y' }");
    assert!(message.starts_with("layer 'x' (ReLU, line 1): its input 'no' is not the output"), "{message}");
}

#[test]
fn long_names_cannot_ask_for_terabytes() {
    let long = "n".repeat(2_000);
    assert!(refused(&format!("layer {{ name: '{long}' }}")).contains("bytes in the name"));
    let many = format!("layer {{ top: 'a' }} layer {{ bottom: [{}'a'] }}", "'a',".repeat(300_000));
    assert!(matches!(
        read_network(many.as_bytes(), &ReadOptions::default()),
        Err(CaffeError::TooLarge { what: "inputs and outputs of layers", .. })
    ));
}

#[test]
fn syntax_corner_cases_mean_what_caffe_reads() {
    let network = network(fixture("prototxt_syntax/model.prototxt"));
    assert_eq!((network.name.as_str(), network.force_backward), ("syntax_joined", true));
    let [input, conv, pool, relu] = &parameters(&network)[..] else { panic!("four layers") };
    assert_eq!(input.input_param.clone().unwrap_or_default().shape[0].dim, [1, 2, 7, 7]);
    let convolution = conv.convolution_param.clone().unwrap_or_default();
    assert_eq!((&convolution.kernel_size[..], &convolution.pad[..]), (&[3, 2][..], &[1, 0][..]));
    assert_eq!((conv.param[1].lr_mult(), conv.param[1].decay_mult()), (2.0, 0.0));
    assert_eq!(pool.pooling_param.unwrap_or_default().pool(), PoolMethod::Ave);
    assert_eq!((pool.top[0].as_str(), relu.name()), ("p/x", "unicode é"));
}
