//! Extra tests against the oracles beside the checkout (`DEEPINSIDE_SHARED`, as `.ci/run` sets it); without them each test
//! says that it is skipped.

#![allow(clippy::print_stdout, reason = "extra tests say what they measured, and that they are skipped")]

mod support;

use std::path::PathBuf;

use support::{deepinside, difference, goldens, json};

/// The folder with the oracles, or a note that the test is skipped.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("DEEPINSIDE_SHARED").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: DEEPINSIDE_SHARED does not name the folder with the oracles");
    }
    folder
}

#[test]
fn every_golden_of_caffe() {
    let Some(shared) = shared() else { return };
    let goldens = goldens(&shared.join("goldens"));
    assert!(goldens.len() > 100, "only {} goldens", goldens.len());
    let differences: Vec<String> = goldens.iter().flat_map(|golden| golden.differences(1e-5)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    println!("{} goldens equal Caffe within 1e-5", goldens.len());
}

/// Runs a command on a model of the shared folder and reads its JSON.
fn ask(arguments: &[&str]) -> Vec<serde_json::Value> {
    json(&deepinside(arguments.iter().chain(&["--json"])))
}

#[test]
fn squeezenet_names_photographs() {
    let Some(shared) = shared() else { return };
    let model = shared.join("models/squeezenet_v1.1").to_string_lossy().into_owned();
    let cat = shared.join("data/photos/cat.jpg").to_string_lossy().into_owned();
    let top = &ask(&["classify", &cat, "-m", &model])[0]["top"];
    let cats: Vec<u64> = (0..2).filter_map(|place| top[place]["index"].as_u64()).collect();
    assert!(cats.contains(&281) && cats.contains(&282), "{top}");
    for place in 0..2 {
        let probability = top[place]["probability"].as_f64().unwrap();
        assert!((0.28..0.38).contains(&probability), "{top}");
    }
    let stubs = shared.join("data/photos/imagenet-stubs/*.jpg").to_string_lossy().into_owned();
    let answers = ask(&["classify", &stubs, "-m", &model]);
    assert_eq!(answers.len(), 16);
    let right = answers.iter().filter(|answer| {
        let file = PathBuf::from(answer["image"].as_str().unwrap_or_default());
        let wanted = file.file_stem().unwrap_or_default().to_string_lossy().replace('_', " ");
        answer["top"][0]["name"].as_str().is_some_and(|name| name.contains(&wanted))
    });
    let right = right.count();
    assert!(right >= 14, "only {right} of 16 are right");
    println!("{right} of 16 photographs are named right");
}

#[test]
fn the_original_network_at_full_size() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("models/caffenet_random");
    let out = tempfile::tempdir().unwrap();
    let weights = out.path().join("caffenet.caffemodel");
    let made =
        std::process::Command::new("python3").arg(folder.join("make_caffenet.py")).arg(&weights).output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: python3 with numpy is needed to make the 244 MB of weights");
        return;
    }
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let trace = out.path().join("trace");
    let (model, input) = (path("deploy_fc8.prototxt"), format!("data={}", path("expected/input.npy")));
    let (weights, to) = (weights.to_string_lossy(), trace.to_string_lossy());
    ask(&[
        "trace",
        "-m",
        &model,
        "--weights",
        &weights,
        "--input",
        &input,
        "--seed",
        "fc8:281=1",
        "--out",
        &to,
    ]);
    for (ours, caffe) in [("data_fc8.npy", "expected/fc8.npy"), ("diff_data.npy", "expected/datagrad281.npy")]
    {
        assert_eq!(difference(&trace.join(ours), &folder.join(caffe), 1e-5), None, "{ours}");
    }
}

#[test]
fn the_original_project_s_scripts() {
    let Some(shared) = shared() else { return };
    let out = tempfile::tempdir().unwrap();
    let golden = |file: &str| shared.join("goldens").join(file).to_string_lossy().into_owned();
    let to = |file: &str| out.path().join(file).to_string_lossy().into_owned();
    let common = [
        &golden("preproc/cat_decoded.png"),
        "-m",
        &golden("mini_caffenet/model.prototxt"),
        "--weights",
        &golden("mini_caffenet/weights.caffemodel"),
        "--mean",
        &golden("preproc/mean_pixel.npy"),
        "--class",
        "3",
        "--recipe",
        "original",
        "--resize",
        "80x80",
    ]
    .map(str::to_owned);
    let common: Vec<&str> = common.iter().map(String::as_str).collect();
    let (figure, map, gradient) = (to("figure.png"), to("map.npy"), to("gradient.npy"));
    let files = ["-o", &figure, "--raw", &map, "--raw-gradient", &gradient];
    ask(&[&["saliency"], &common[..], &files].concat());
    ask(&[&["layers"], &common[..], &["-o", &to("layers"), "--raw", &to("layers")]].concat());

    use deepinside::drawing::grid::vis_square;
    use deepinside::files::{Array, npy};
    let save = |name: &str, array: &Array| {
        let path = out.path().join(name);
        npy::write(&path, array).unwrap();
        path
    };
    let expected = |file: &str| shared.join("goldens/seed_pipeline").join(file);
    let map = npy::read(&map).unwrap();
    let largest = map.data().iter().copied().fold(0.0, f32::max);
    let scaled = Array::new(map.shape(), map.data().iter().map(|number| number / largest).collect()).unwrap();
    assert_eq!(difference(&save("scaled.npy", &scaled), &expected("saliency_map.npy"), 1e-5), None);
    let gradient = npy::read(&gradient).unwrap().reshaped([1, 3, 67, 67]).unwrap();
    assert_eq!(difference(&save("batch.npy", &gradient), &expected("saliency_diff.npy"), 1e-5), None);
    for layer in ["conv1", "pool1", "conv2", "norm2", "pool5", "fc6", "fc8"] {
        let gradient = npy::read(out.path().join(format!("layers/{layer}-gradient.npy"))).unwrap();
        let grid = vis_square(&gradient, 1, 1.0).unwrap();
        let expected = expected(&format!("vis_{layer}.npy"));
        assert_eq!(difference(&save("grid.npy", &grid), &expected, 1e-5), None, "{layer}");
    }
}

/// The errors of an independent pipeline (PyTorch, OpenCV) on the same pictures, and what the default must reach.
#[test]
fn localisation_is_as_good_as_the_reference() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("models/squeezenet_v1.1");
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let (network, weights) = (folder.join("deploy.prototxt"), folder.join("squeezenet_v1.1.caffemodel"));
    let truth = shared.join("data/ilsvrc-val/ground_truth.json");
    let (network, weights, truth) = (path(network), path(weights), path(truth));
    let model = ["evaluate", "localisation", "-m", &network, "--weights", &weights, "--ground-truth", &truth];
    let known = |method: &str| {
        let result = &ask(&[&model[..], &["--method", method]].concat())[0];
        assert_eq!(result["images"], 298);
        result["localisation"]["gt_known_error"].as_f64().unwrap()
    };
    // Three pictures of 298 may differ: decoders of JPEG files round differently.
    for (method, reference) in [("mean", 0.319), ("guided-energy", 0.282), ("paper-literal", 0.738)] {
        let found = known(method);
        assert!(found <= reference + 0.011, "{method}: {found} instead of {reference}");
    }
    let found = known("default");
    assert!(found <= 0.28, "default: {found}");
}
