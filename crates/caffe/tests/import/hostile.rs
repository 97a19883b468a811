//! Numbers that no real file has: each must give an error or a graph, and never a panic.

use crate::common::{import_text, weights, with_input};
use deepinside_caffe::{ImportError, Imported};

/// Numbers at and around every limit.
const UNSIGNED: &[&str] = &["0", "1", "2", "16777217", "2147483647", "4294967295"];
const SIGNED: &[&str] = &["-2147483648", "-5", "-1", "0", "1", "4", "5", "2147483647"];

/// The settings of a layer that take such a number: type, message, unsigned fields, signed fields, and fixed ones.
type Settings = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static str);

const SETTINGS: &[Settings] = &[
    ("ArgMax", "argmax_param", &["top_k"], &["axis"], ""),
    ("BatchNorm", "batch_norm_param", &[], &[], "use_global_stats: false"),
    ("Bias", "bias_param", &[], &["axis", "num_axes"], ""),
    ("Concat", "concat_param", &["concat_dim"], &["axis"], ""),
    ("Convolution", "convolution_param", &["num_output", "kernel_size"], &["axis"], "pad: 1"),
    ("Convolution", "convolution_param", &["stride", "pad"], &["axis"], "num_output: 2 kernel_size: 2"),
    ("Convolution", "convolution_param", &["dilation", "group"], &[], "num_output: 2 kernel_size: 2"),
    (
        "Convolution",
        "convolution_param",
        &["pad_h", "stride_w"],
        &[],
        "num_output: 2 kernel_h: 2 kernel_w: 1",
    ),
    ("Deconvolution", "convolution_param", &["num_output", "kernel_size"], &["axis"], "pad: 1"),
    ("Deconvolution", "convolution_param", &["stride", "pad"], &[], "num_output: 2 kernel_size: 2"),
    ("Deconvolution", "convolution_param", &["dilation", "group"], &[], "num_output: 2 kernel_size: 2"),
    ("Flatten", "flatten_param", &[], &["axis", "end_axis"], ""),
    ("InnerProduct", "inner_product_param", &["num_output"], &["axis"], ""),
    ("LRN", "lrn_param", &["local_size"], &[], ""),
    ("LRN", "lrn_param", &["local_size"], &[], "norm_region: WITHIN_CHANNEL"),
    ("Pooling", "pooling_param", &["kernel_size", "pad"], &[], ""),
    ("Pooling", "pooling_param", &["kernel_size", "stride"], &[], "round_mode: FLOOR"),
    ("Pooling", "pooling_param", &["kernel_h", "kernel_w"], &[], "stride: 7"),
    ("Reduction", "reduction_param", &[], &["axis"], ""),
    ("Reshape", "reshape_param", &[], &["axis", "num_axes"], "shape { dim: -1 }"),
    ("Reshape", "reshape_param { shape", &[], &["dim", "dim"], ""),
    ("SPP", "spp_param", &["pyramid_height"], &[], ""),
    ("Scale", "scale_param", &[], &["axis", "num_axes"], "bias_term: true"),
    ("Slice", "slice_param", &["slice_point", "slice_dim"], &[], ""),
    ("Softmax", "softmax_param", &[], &["axis"], ""),
    ("Tile", "tile_param", &[], &["axis", "tiles"], ""),
];

/// Every assignment of numbers to the fields.
fn assignments(unsigned: &[&str], signed: &[&str]) -> Vec<String> {
    let mut texts = vec![String::new()];
    for (fields, numbers) in [(unsigned, UNSIGNED), (signed, SIGNED)] {
        for field in fields {
            let with = |text: &String| {
                numbers.iter().map(|number| format!("{text} {field}: {number}")).collect::<Vec<_>>()
            };
            texts = texts.iter().flat_map(with).collect();
        }
    }
    texts
}

/// Imports a network whose layer `l` may need weights. They get the number and shapes that the errors ask
/// for, as long as that is a thing that a test can hold in memory, so that what comes behind them is reached,
/// too.
fn import_with_fitting_weights(text: &str) -> Result<Imported, ImportError> {
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    loop {
        let arrays: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        match import_text(text, Some(&weights(&[("l", &arrays)]))) {
            Err(ImportError::WeightCount { expected, .. }) if shapes.is_empty() => {
                shapes = vec![vec![7]; expected]
            }
            Err(error @ ImportError::WeightShape { .. }) => {
                let ImportError::WeightShape { what, expected, .. } = &error else { return Err(error) };
                let shape: Vec<usize> =
                    expected.split('×').filter_map(|extent| extent.parse().ok()).collect();
                let index = if *what == "bias" { shapes.len() - 1 } else { 0 };
                if shape.iter().product::<usize>() > 100_000 || shapes[index] == shape {
                    return Err(error);
                }
                shapes[index] = shape;
            }
            other => return other,
        }
    }
}

#[test]
fn no_number_makes_it_panic() {
    let shapes: &[&[usize]] = &[&[1, 2, 3, 4], &[2], &[1, 2], &[1, 1, 1, 1, 1, 1]];
    let (mut fine, mut wrong) = (0, 0);
    for (kind, message, unsigned, signed, fixed) in SETTINGS {
        let close = if message.contains('{') { "} }" } else { "}" };
        for assignment in assignments(unsigned, signed) {
            let tops = if *kind == "Slice" { "top: 'y' top: 'z'" } else { "top: 'y'" };
            let layer = format!(
                "layer {{ name: 'l' type: '{kind}' bottom: 'data' {tops} {message} {{ {fixed} {assignment} {close} }}"
            );
            for shape in shapes {
                match import_with_fitting_weights(&with_input(shape, &layer)) {
                    Ok(_) => fine += 1,
                    Err(_) => wrong += 1,
                }
            }
        }
    }
    // That both happen shows that the layers are well formed and the numbers are not.
    assert!(fine > 500 && wrong > 3_000, "{fine} fine, {wrong} wrong");
}

#[test]
fn thousands_of_layers_with_one_name_take_no_time() {
    let mut text = with_input(&[1, 2], "");
    for _ in 0..5_000 {
        text += "layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'data' }\n";
    }
    let start = std::time::Instant::now();
    let imported = import_text(&text, None).unwrap();
    assert_eq!(imported.graph.nodes().len(), 5_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
