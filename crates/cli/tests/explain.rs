//! `explain` and `metric`: the numeric door, pictures of photographs, and what is refused.

mod support;

use std::path::PathBuf;

use deepinside::files::{Array, npy};
use support::{deepinside, json};

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deepinside/tests/fixtures/attribution");
    folder.join(name).to_string_lossy().into_owned()
}

#[test]
fn an_array_is_explained_as_the_network_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw.npy");
    let (model, array) = (fixture("residual.onnx"), fixture("x.npy"));
    let noise = format!("noise={}", fixture("noise.npy"));
    let base = ["explain", "-m", &model, "--array", &array, "--target", "2", "--raw", raw.to_str().unwrap()];
    // The cases of the fixtures' index.
    for (flags, expected) in [
        (vec!["--method", "gradient"], "00.npy"),
        (vec!["--method", "integrated-gradients", "--set", "steps=20"], "04.npy"),
        (vec!["--method", "smooth-grad", "--set", &noise], "07.npy"),
        (vec!["--method", "grad-cam", "--set", "positive=false"], "10.npy"),
    ] {
        let done = deepinside(base.iter().chain(&flags));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (found, expected) = (npy::read(&raw).unwrap(), npy::read(fixture(expected)).unwrap());
        let largest = expected.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        let error = found.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 1e-5 * largest, "{flags:?}: {error}");
        std::fs::remove_file(&raw).unwrap();
    }
}

/// Networks from Keras read such arrays, and other tools hand them over: it was refused for its number of elements.
#[test]
fn an_array_whose_channels_come_last_is_read_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let [turned, raw] = ["turned.npy", "raw.npy"].map(|name| folder.path().join(name));
    let array = npy::read(fixture("x.npy")).unwrap();
    let &[channels, height, width] = array.shape().last_chunk().unwrap();
    let places = height * width;
    let numbers = (0..places).flat_map(|place| (0..channels).map(move |channel| channel * places + place));
    let numbers: Vec<f32> = numbers.map(|position| array.data()[position]).collect();
    npy::write(&turned, &Array::new([1, height, width, channels], numbers).unwrap()).unwrap();
    let (turned, target) = (turned.to_string_lossy(), raw.to_string_lossy());
    let model = fixture("residual.onnx");
    let done = deepinside([
        "explain", "-m", &model, "--array", &turned, "--target", "2", "--method", "gradient", "--raw",
        &target,
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (found, expected) = (npy::read(&raw).unwrap(), npy::read(fixture("00.npy")).unwrap());
    let largest = expected.data().iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    let error = found.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.data().len() == expected.data().len() && error <= 1e-5 * largest, "{error}");
}

#[test]
fn several_layers_go_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let maps = folder.path().join("maps");
    let (model, array) = (fixture("residual.onnx"), fixture("x.npy"));
    let layers = ["/relus.0/Relu_output_0", "/relus.2/Relu_output_0"];
    let mut line = vec!["explain", "-m", &model, "--array", &array, "--method", "layer-cam", "--json"];
    line.extend(layers.iter().flat_map(|layer| ["--layer", layer]));
    line.extend(["--raw", maps.to_str().unwrap()]);
    let answers = json(&deepinside(line));
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["layer"], &answers[1]["layer"]), (&layers[0].into(), &layers[1].into()));
    assert_eq!(std::fs::read_dir(&maps).unwrap().count(), 2);
}

#[test]
fn a_photograph_has_a_picture_and_a_record_that_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let [picture, record, again] = ["cat.png", "run.json", "again"].map(|name| folder.path().join(name));
    let cat = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
    let model = fixture("residual.onnx");
    let done = deepinside([
        "explain",
        cat.to_str().unwrap(),
        "-m",
        &model,
        "--method",
        "occlusion",
        "--set",
        "window=4",
        "--set",
        "stride=4",
        "-o",
        picture.to_str().unwrap(),
        "--record",
        record.to_str().unwrap(),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(std::fs::metadata(&picture).unwrap().len() > 1000);
    let done = deepinside(["replay", record.to_str().unwrap(), "--into", again.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn help_of_a_method_comes_from_the_table() {
    let help = |line: &[&str]| String::from_utf8(deepinside(line).stdout).unwrap();
    let text = help(&["explain", "--method", "integrated-gradients", "--help"]);
    for word in ["--set steps=", "gauss-legendre", "baseline", "Sundararajan"] {
        assert!(text.contains(word), "{word}");
    }
    let list = help(&["explain", "--list"]);
    assert!(list.lines().count() > 25 && list.contains("kernel-shap"), "{list}");
}

#[test]
fn a_metric_is_one_object_of_json() {
    let (model, array, map) = (fixture("residual.onnx"), fixture("x.npy"), fixture("05.npy"));
    let answer = &json(&deepinside([
        "metric",
        "deletion",
        "-m",
        &model,
        "--array",
        &array,
        "--attribution",
        &map,
        "--target",
        "p(2)",
        "--set",
        "steps=16",
        "--json",
    ]))[0];
    assert_eq!((&answer["metric"], &answer["target"]), (&"deletion".into(), &"p(2)".into()));
    assert_eq!(answer["curve"].as_array().unwrap().len(), 17);
    assert!((0.0..1.0).contains(&answer["value"].as_f64().unwrap()));
}
