//! `deepinside bench`: its keys are a promise, its times are not tested.

mod support;

use support::{deepinside, json, stderr};

/// A small network of every family of kernels, without weights.
const NETWORK: &str = r#"
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 33 dim: 33 } } }
layer { name: "first" type: "Convolution" bottom: "data" top: "first" convolution_param { num_output: 16 kernel_size: 5 stride: 2 } }
layer { name: "first_relu" type: "ReLU" bottom: "first" top: "first" }
layer { name: "norm" type: "LRN" bottom: "first" top: "norm" }
layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "same" type: "Convolution" bottom: "pool" top: "same" convolution_param { num_output: 16 kernel_size: 3 pad: 1 group: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "same" bottom: "pool" top: "sum" }
layer { name: "sum_relu" type: "ReLU" bottom: "sum" top: "sum" }
layer { name: "scores" type: "InnerProduct" bottom: "sum" top: "scores" inner_product_param { num_output: 10 } }
"#;

#[test]
fn it_measures_a_network_without_weights() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("small.prototxt");
    std::fs::write(&network, NETWORK).unwrap();
    let network = network.to_string_lossy().into_owned();
    for (precision, batch) in [("exact", "1"), ("fast", "3")] {
        let arguments = ["bench", "-m", &network, "--random-weights", "1", "--seconds", "0", "--json"];
        let more = ["--precision", precision, "--batch", batch, "--threads", "2", "--profile"];
        let result = &json(&deepinside(arguments.iter().chain(&more)))[0];
        assert_eq!(result["precision"], precision);
        assert_eq!(result["batch"].to_string(), batch);
        assert_eq!(result["threads"], 2);
        for key in ["forward_ms", "forward_backward_ms"] {
            let time = |which: &str| result[key][which].as_f64().unwrap();
            assert!(time("min") > 0.0 && time("min") <= time("median") && time("median") <= time("max"));
        }
        let names: Vec<_> = result["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
        // The sum is computed in the last step of the convolution before it.
        for layer in ["first", "norm", "pool", "same", "scores"] {
            assert!(names.iter().any(|name| *name == layer), "{layer} is missing among {names:?}");
        }
        if cfg!(target_os = "linux") {
            assert!(result["peak_rss_mb"].as_f64().unwrap() > 1.0);
        }
    }
}

/// Exported from PyTorch with `export_params=False`: weights are inputs beside the picture.
#[test]
fn it_measures_an_onnx_file_without_weights() {
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/without_weights.onnx");
    let arguments = ["bench", "-m", network, "--seconds", "0", "--json"];
    let result = &json(&deepinside(arguments.iter().chain(&["--random-weights", "1", "--profile"])))[0];
    let names: Vec<_> = result["nodes"].as_array().unwrap().iter().map(|node| &node["name"]).collect();
    for layer in ["/first/Conv", "/second/Conv", "/scores/Gemm"] {
        assert!(names.iter().any(|name| *name == layer), "{layer} is missing among {names:?}");
    }
    let refused = deepinside(arguments);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("the weights must be constant"), "{}", stderr(&refused));
}

#[test]
fn without_weights_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("small.prototxt");
    std::fs::write(&network, NETWORK).unwrap();
    let refused = deepinside(["bench", "-m", &network.to_string_lossy()]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("--weights"), "{}", stderr(&refused));
    let refused = deepinside(["bench", "--batch", "0"]);
    assert!(!refused.status.success() && stderr(&refused).contains("--batch"), "{}", stderr(&refused));
}
