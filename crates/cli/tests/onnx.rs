//! Small ONNX networks through `deepinside trace`: scores as ONNX Runtime computes them, gradients as PyTorch does in double
//! precision. `benches/peers/make_onnx_fixtures.py` makes the fixtures.

mod support;

use std::path::Path;

use deepinside::files::{Array, npy};
use support::{deepinside, difference, fixtures, stderr, stdout};

/// The result whose gradient the fixtures hold, summed over the pictures.
const CLASS: usize = 2;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn scores_and_gradients_are_those_of_other_engines() {
    let mut faults = Vec::new();
    let mut folders: Vec<_> =
        std::fs::read_dir(fixtures().join("onnx")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 17);
    for folder in folders {
        let work = tempfile::tempdir().unwrap();
        let out = work.path().join("out");
        let mut arguments = vec!["trace".to_owned(), "-m".to_owned(), text(&folder.join("model.onnx"))];
        let input = format!("images={}", text(&folder.join("images.npy")));
        arguments.extend(["--out".to_owned(), text(&out), "--input".to_owned(), input]);
        let gradient = folder.join("gradient.npy");
        if gradient.exists() {
            let scores = npy::read(folder.join("scores.npy")).unwrap();
            let (pictures, classes) = (scores.shape()[0], scores.shape()[1]);
            let mut seed = vec![0.0; pictures * classes];
            (0..pictures).for_each(|picture| seed[picture * classes + CLASS] = 1.0);
            let seed_file = work.path().join("seed.npy");
            npy::write(&seed_file, &Array::new([pictures, classes], seed).unwrap()).unwrap();
            arguments.extend(["--seed".to_owned(), format!("scores={}", text(&seed_file))]);
        }
        let output = deepinside(&arguments);
        if !output.status.success() {
            faults.push(format!("{}: {}", folder.display(), stderr(&output)));
            continue;
        }
        let mut compare = |found: &str, expected: &str, tolerance: f32| {
            if let Some(fault) = difference(&out.join(found), &folder.join(expected), tolerance) {
                faults.push(format!("{}, {found}: {fault}", folder.display()));
            }
        };
        compare("data_scores.npy", "scores.npy", 2e-6);
        if gradient.exists() {
            // Normalisation over few elements, as in the segmenter, magnifies rounding.
            compare("diff_images.npy", "gradient.npy", 1e-5);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pictures_whose_channels_come_last_are_classified() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = fixtures().join("../../../../examples/cat.png");
    let model = fixtures().join("onnx/channels_last/model.onnx");
    let out = folder.path().join("map.png");
    stdout(&deepinside([
        "saliency",
        &text(&photograph),
        "-m",
        &text(&model),
        "--view",
        "map",
        "-o",
        &text(&out),
    ]));
    assert!(out.exists());
    let said = stdout(&deepinside(["info", "-m", &text(&model)]));
    assert!(said.contains("channels last") && said.contains("images@channels_first 1×3×9×9"), "{said}");
}

#[test]
fn the_built_in_network_knows_a_cat() {
    let photograph = fixtures().join("../../../../examples/cat.png");
    let results = support::json(&deepinside(["classify", &text(&photograph), "--json"]));
    let top = results[0]["top"].as_array().unwrap();
    let cats = ["tabby, tabby cat", "tiger cat", "Egyptian cat"];
    let names: Vec<&str> = top[..3].iter().map(|class| class["name"].as_str().unwrap()).collect();
    assert!(cats.iter().all(|cat| names.contains(cat)), "{names:?}");
}

#[test]
fn an_operator_that_is_not_known_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixtures().join("onnx/shape_arithmetic/model.onnx")).unwrap();
    // The same length keeps the file whole.
    let at = bytes.windows(6).position(|window| window == b"MatMul").unwrap();
    let mut changed = bytes.clone();
    changed[at..at + 6].copy_from_slice(b"MatMol");
    let path = folder.path().join("changed.onnx");
    std::fs::write(&path, &changed).unwrap();
    let output = deepinside(["info", "-m", &text(&path)]);
    let said = stderr(&output);
    assert!(!output.status.success());
    for part in ["'product'", "operator MatMol (domain 'ai.onnx', operator set 13)", "did you mean MatMul?"] {
        assert!(said.contains(part), "{said}");
    }
}

/// ONNX's own evaluator divides by the length before it is rounded, exporters and ONNX Runtime by the rounded one.
#[test]
fn corners_on_corners_of_rounded_lengths_are_read_as_the_exporter_means_them_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(fixtures().join("onnx/resized_by_factors/model.onnx")).unwrap();
    let at = bytes.windows(7).position(|window| window == b"pytorch").unwrap();
    bytes[at..at + 7].copy_from_slice(b"unknown");
    let path = folder.path().join("unknown.onnx");
    std::fs::write(&path, &bytes).unwrap();
    let output = deepinside(["info", "-m", &text(&path)]);
    let said = stderr(&output);
    assert!(!output.status.success());
    for part in ["(Resize)", "corners on corners", "state the sizes in place of the scales"] {
        assert!(said.contains(part), "{said}");
    }
}

/// It was refused, so that nothing told what else the network needs to be opened.
#[test]
fn a_network_with_two_inputs_is_described_without_the_second() {
    let network =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deepinside/tests/fixtures/scores/further_input.onnx");
    let output = deepinside(["info", "-m", &text(&network)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("input image 1×3×16×16"), "{said}");
    assert!(said.contains("input sigma 1×6") && said.contains("--input sigma=FILE.npy"), "{said}");
    let given = stdout(&deepinside(["info", "-m", &text(&network), "--input", "sigma=0.5"]));
    assert!(!given.contains("sigma=FILE.npy"), "{given}");
    // What computes needs numbers.
    let refused = deepinside(["layers", "../../examples/cat.png", "-m", &text(&network)]);
    assert!(
        !refused.status.success() && stderr(&refused).contains("--input sigma=0"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn weights_beside_an_onnx_file_are_refused() {
    let model = fixtures().join("onnx/residual/model.onnx");
    let output = deepinside(["info", "-m", &text(&model), "--weights", "other.caffemodel"]);
    assert!(stderr(&output).contains("leave out the weights other.caffemodel"), "{}", stderr(&output));
}

/// Networks that prepare their pictures themselves, and such whose inputs leave odd extents open: the scores of a photograph are ONNX
/// Runtime's of its levels. `benches/peers/make_picture_input_fixtures.py` makes the fixtures.
#[test]
fn what_a_network_does_to_pictures_itself_is_not_done_before() {
    let folder = fixtures().join("pictures");
    let mut faults = Vec::new();
    for name in [
        "bytes",
        "bytes_alone",
        "bytes_of_open_size",
        "bytes_without_batch",
        "signed_bytes",
        "signed_grey_bytes",
        "resized_floats",
        "reversed_floats",
        "normalised_batch",
        "open_channels",
        "open_everything",
        "no_shape",
    ] {
        let picture = match name {
            "signed_grey_bytes" | "open_channels" | "open_everything" | "no_shape" => "grey.png",
            _ => "picture.png",
        };
        let mut arguments = vec!["classify".to_owned(), text(&folder.join(picture)), "-m".to_owned()];
        arguments.push(text(&folder.join(format!("{name}.onnx"))));
        arguments.extend(["--json", "--top", "5"].map(str::to_owned));
        if ["bytes_of_open_size", "bytes_without_batch", "open_everything", "no_shape"].contains(&name) {
            arguments.extend(["--input-size", "10x12"].map(str::to_owned));
        }
        let output = deepinside(&arguments);
        if !output.status.success() {
            faults.push(format!("{name}: {}", stderr(&output)));
            continue;
        }
        let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let scores = npy::read(folder.join(format!("{name}.npy"))).unwrap();
        for class in said["top"].as_array().unwrap() {
            let expected = f64::from(scores.data()[class["index"].as_u64().unwrap() as usize]);
            let found = class["score"].as_f64().unwrap();
            if (found - expected).abs() > 1e-4 * expected.abs().max(1.0) {
                faults.push(format!("{name}: the score {found} is not {expected}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// As Azure Custom Vision exports: blue, green, red from 0 to 255, which metadata say, and a table of names and probabilities at the end.
#[test]
fn a_table_of_names_at_the_end_names_the_classes() {
    let folder = fixtures().join("pictures");
    let model = text(&folder.join("custom_vision.onnx"));
    let output = deepinside(["classify", &text(&folder.join("picture.png")), "-m", &model, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(!stderr(&output).contains("assumed"), "{}", stderr(&output));
    let probabilities = npy::read(folder.join("custom_vision.npy")).unwrap();
    let top = said["top"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    for class in top {
        let index = class["index"].as_u64().unwrap() as usize;
        assert_eq!(class["name"], ["an apple", "a \"bee\"", "cat"][index]);
        let (found, expected) =
            (class["probability"].as_f64().unwrap(), f64::from(probabilities.data()[index]));
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

/// As Keras exports EfficientNet: the mean of its normalisation, 1×1×1×3, was taken for the picture.
#[test]
fn a_mean_that_is_an_input_is_not_taken_for_the_picture() {
    let folder = fixtures().join("pictures");
    let output = deepinside([
        "classify",
        &text(&folder.join("picture.png")),
        "-m",
        &text(&folder.join("mean_as_input.onnx")),
    ]);
    let message = stderr(&output);
    assert!(!output.status.success() && message.contains("reads input 'mean' (1×1×1×3)"), "{message}");
}
