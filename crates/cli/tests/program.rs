//! The program as a person meets it: results, errors, exit codes, files.

mod support;

use std::path::{Path, PathBuf};

use deepinside::drawing::Picture;
use support::{deepinside, fixtures, json, stderr, stdout};

/// A photograph that is different everywhere.
fn photograph(folder: &Path, name: &str) -> String {
    let pixel = |at: usize| {
        let (x, y) = (at % 100, at / 100);
        [(x * 5 % 256) as u8, (y * 7 % 256) as u8, ((x * y) % 251) as u8]
    };
    let picture = Picture::new(100, 90, (0..9000).flat_map(pixel).collect()).unwrap();
    let path = folder.join(name);
    picture.write_png(&path).unwrap();
    path.to_string_lossy().into_owned()
}

/// Flags that name the small network.
fn network() -> [String; 4] {
    let folder = fixtures().join("goldens/mini_caffenet");
    let path = |file: &str| folder.join(file).to_string_lossy().into_owned();
    ["-m".into(), path("model.prototxt"), "--weights".into(), path("weights.caffemodel")]
}

fn run(arguments: &[&str]) -> std::process::Output {
    deepinside(arguments.iter().map(|text| (*text).to_owned()).chain(network()))
}

/// A run that must fail: one cause on standard error, nothing on standard output, and no panic.
fn fails(arguments: &[&str], cause: &[&str]) {
    let output = deepinside(arguments);
    let said = stderr(&output);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} did not fail: {said}");
    assert!(!said.contains("panicked"), "{said}");
    for part in cause {
        assert!(said.contains(part), "{arguments:?} says\n{said}\nwithout '{part}'");
    }
}

/// The bytes of the gradient and of the picture that `saliency` makes with one more flag.
fn saliency_bytes(flag: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    let (raw, out) = (folder.path().join("raw.npy"), folder.path().join("out.png"));
    let (raw_text, out_text) = (raw.to_string_lossy(), out.to_string_lossy());
    stdout(&run(&["saliency", &photograph, flag, value, "--raw-gradient", &raw_text, "-o", &out_text]));
    (std::fs::read(&raw).unwrap(), std::fs::read(&out).unwrap())
}

fn copy_of_network(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let text = std::fs::read_to_string(fixtures().join("goldens/mini_caffenet/model.prototxt")).unwrap();
    let path = folder.join("changed.prototxt");
    std::fs::write(&path, change(text)).unwrap();
    path
}

#[test]
fn classify_prints_one_object_per_photograph() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (photograph(folder.path(), "a.png"), photograph(folder.path(), "b.png"));
    let objects = json(&run(&["classify", &a, &b, "--json", "--top", "3"]));
    assert_eq!(objects.len(), 2);
    for (object, path) in objects.iter().zip([&a, &b]) {
        assert_eq!(object["image"], **path);
        let top = object["top"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        let probability = |index: usize| top[index]["probability"].as_f64().unwrap();
        assert!(probability(0) >= probability(1) && probability(1) >= probability(2));
        assert!(top[0]["index"].is_u64() && top[0]["name"].is_string() && top[0]["score"].is_f64());
    }
    assert_eq!(objects[0]["top"], objects[1]["top"]);
}

#[test]
fn patterns_are_expanded() {
    let folder = tempfile::tempdir().unwrap();
    photograph(folder.path(), "a.png");
    photograph(folder.path(), "b.png");
    let pattern = folder.path().join("*.png").to_string_lossy().into_owned();
    assert_eq!(json(&run(&["classify", &pattern, "--json"])).len(), 2);
    let nothing = folder.path().join("*.jpeg").to_string_lossy().into_owned();
    assert!(stderr(&run(&["classify", &nothing])).contains("no file matches"));
}

#[test]
fn saliency_writes_picture_map_and_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    for view in ["figure", "map", "overlay"] {
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (picture, raw, gradient) = (path("out.png"), path("out.npy"), path("gradient.npy"));
        let flags = ["-o", &picture, "--raw", &raw, "--raw-gradient", &gradient, "--view", view];
        let arguments =
            [&["saliency", &photograph, "--json", "--one-pass", "--class", "3"], &flags[..]].concat();
        let object = &json(&run(&arguments))[0];
        assert_eq!(
            (object["class"]["index"].as_u64(), object["output"].as_str()),
            (Some(3), Some(picture.as_str()))
        );
        let map = deepinside::files::npy::read(&raw).unwrap();
        let gradient = deepinside::files::npy::read(&gradient).unwrap();
        assert_eq!((map.shape(), gradient.shape()), (&[67, 67][..], &[3, 67, 67][..]));
        let largest =
            |numbers: &[f32]| numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        assert!(largest(map.data()) > 0.0 && largest(map.data()) == largest(gradient.data()));
        let photograph =
            deepinside::vision::photograph::load(&picture, deepinside::vision::Colour::Rgb).unwrap();
        let expected = match view {
            "map" => Some((67, 67)),
            "overlay" => Some((100, 90)),
            _ => None,
        };
        assert!(expected.is_none_or(|size| size == (photograph.width(), photograph.height())), "{view}");
    }
}

#[test]
fn results_have_the_same_bits_for_every_number_of_threads() {
    let [one, two, five] = ["1", "2", "5"].map(|threads| saliency_bytes("--threads", threads));
    assert!(one == two && one == five);
}

#[test]
fn layers_writes_a_picture_per_layer_and_two_sheets() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    let out = folder.path().join("layers");
    let object = &json(&run(&["layers", &photograph, "--json", "-o", &out.to_string_lossy()]))[0];
    let layers: Vec<&str> =
        object["layers"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(
        layers,
        [
            "conv1", "pool1", "norm1", "conv2", "pool2", "norm2", "conv3", "conv4", "conv5", "pool5", "fc6",
            "fc7", "fc8"
        ]
    );
    for layer in layers {
        for kind in ["activation", "gradient"] {
            assert!(out.join(format!("{layer}-{kind}.png")).exists(), "{layer} {kind}");
        }
    }
    assert!(out.join("all-gradients.png").exists() && out.join("all-activations.png").exists());
}

#[test]
fn photographs_of_one_name_get_two_names() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        photograph(&folder.path().join(name), "a.png")
    };
    let (a, b) = (one("first"), one("second"));
    let out = folder.path().join("out");
    for command in ["saliency", "localise", "compare"] {
        stdout(&run(&[command, &a, &b, "-o", &out.to_string_lossy()]));
    }
    stdout(&run(&["layers", &a, &b, "-o", &out.to_string_lossy()]));
    let mut made: Vec<String> = out
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    made.sort();
    let ends = ["", "-compared.png", "-localised.png", "-saliency.png"];
    let expected: Vec<String> =
        ["first-a", "second-a"].iter().flat_map(|name| ends.map(|end| format!("{name}{end}"))).collect();
    assert_eq!(made, expected);
    let output = run(&["saliency", &a, &a, "-o", &out.to_string_lossy()]);
    assert!(!output.status.success() && stderr(&output).contains("named twice"), "{}", stderr(&output));
}

#[test]
fn american_spellings_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    let out = folder.path().join("out.png").to_string_lossy().into_owned();
    stdout(&run(&["localize", &photograph, "-o", &out]));
    stdout(&run(&["saliency", &photograph, "--color-map", "hot", "-o", &out]));
}

#[test]
fn limits_are_said_in_units_that_people_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.prototxt");
    std::fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
    let said = stderr(&deepinside(["info", "-m", &path.to_string_lossy()]));
    assert!(said.contains("3.22 GB") && said.contains(" MB"), "{said}");
}

/// An array of another shape than the network takes was said to be a fault of some line of its description.
#[test]
fn arrays_that_do_not_fit_are_blamed_by_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (network, array) = (fixtures().join("goldens/mini_caffenet"), path("in.npy"));
    let (description, weights) = (network.join("model.prototxt"), network.join("weights.caffemodel"));
    for shape in [&[1, 3, 4, 4][..], &[1, 5, 67, 67], &[67, 67]] {
        let numbers = vec![0.5; shape.iter().product()];
        deepinside::files::npy::write(&array, &deepinside::files::Array::new(shape, numbers).unwrap())
            .unwrap();
        let said = stderr(&deepinside([
            "trace",
            "--model",
            &description.to_string_lossy(),
            "--weights",
            &weights.to_string_lossy(),
            "--input",
            &format!("data={array}"),
            "--out",
            &path("out"),
        ]));
        let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        assert!(said.starts_with(&format!("error: the array for input 'data' is {shape}")), "{said}");
        assert!(!std::path::Path::new(&path("out")).exists());
    }
}

#[test]
fn every_rule_changes_the_gradient() {
    let [gradient, deconvnet, guided] =
        ["gradient", "deconvnet", "guided"].map(|rule| saliency_bytes("--rule", rule).0);
    assert!(gradient != deconvnet && deconvnet != guided && gradient != guided);
}

#[test]
fn several_photographs_go_on_after_one_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let good = photograph(folder.path(), "good.png");
    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, b"no picture").unwrap();
    let output = run(&["classify", &bad.to_string_lossy(), &good, "--json"]);
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert!(stderr(&output).contains("1 of 2 failed"), "{}", stderr(&output));
}

#[test]
fn unreadable_photographs_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, b"\x89PNG\r\n\x1a\n and no more").unwrap();
    let out = folder.path().join("out.png");
    let output = run(&["saliency", &bad.to_string_lossy(), "-o", &out.to_string_lossy()]);
    assert!(!output.status.success() && !out.exists(), "{}", stderr(&output));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "a temporary file was left behind");
}

/// It was said to have "4000×1 pixels", and `--resize` was advised, which shows nothing of such a picture either.
#[test]
fn of_a_photograph_of_one_column_the_width_comes_first_and_what_helps_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thin.png");
    Picture::new(1, 4000, vec![7; 12000]).unwrap().write_png(&path).unwrap();
    let photograph = path.to_string_lossy();
    let output = run(&["classify", &photograph, "--resize", "80"]);
    let said = stderr(&output);
    assert!(
        !output.status.success() && said.contains("1×4000 pixels") && said.contains("--crop whole"),
        "{said}"
    );
    assert!(!said.contains("--resize"), "{said}");
    let named = stdout(&run(&["classify", &photograph, "--resize", "80", "--crop", "whole"]));
    assert!(named.starts_with("probability      score  class  name\n"), "{named}");
}

#[test]
fn unknown_classes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    let output = run(&["saliency", &photograph, "--class", "99"]);
    assert!(stderr(&output).contains("0 to 9"), "{}", stderr(&output));
    let output = run(&["class-model", "goose"]);
    assert!(stderr(&output).contains("no class is called 'goose'"), "{}", stderr(&output));
}

#[test]
fn weights_that_do_not_fit_name_both_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of_network(folder.path(), |text| text.replacen("num_output: 8", "num_output: 9", 1));
    let weights = &network()[3];
    fails(
        &["info", "-m", &path.to_string_lossy(), "--weights", weights],
        &["conv1", "Convolution", "line", "9×3×11×11", "8×3×11×11"],
    );
}

#[test]
fn missing_weights_are_asked_for() {
    fails(&["info", "-m", &network()[1]], &["--weights"]);
}

#[test]
fn unknown_layers_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of_network(folder.path(), |text| text.replacen("\"LRN\"", "\"LNR\"", 1));
    let weights = &network()[3];
    fails(
        &["info", "-m", &path.to_string_lossy(), "--weights", weights],
        &["norm1", "LNR", "line", "did you mean"],
    );
}

#[test]
fn broken_text_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy_of_network(folder.path(), |text| text.replacen("type: \"ReLU\"", "type: \"ReLU", 1));
    fails(&["info", "-m", &path.to_string_lossy()], &["line", "changed.prototxt"]);
}

#[test]
fn truncated_weights_are_refused_at_every_kilobyte() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(&network()[3]).unwrap();
    let path = folder.path().join("short.caffemodel");
    for length in (0..bytes.len()).step_by(bytes.len() / 12) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        fails(&["info", "-m", &network()[1], "--weights", &path.to_string_lossy()], &[]);
    }
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    for extent in ["2000000000", "99999999999999", "-1", "0", "60000"] {
        let path = copy_of_network(folder.path(), |text| text.replace("dim: 67", &format!("dim: {extent}")));
        fails(&["info", "-m", &path.to_string_lossy(), "--weights", &network()[3]], &[]);
    }
}

#[test]
fn weights_that_are_no_numbers_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(&network()[3]).unwrap();
    // Somewhere in the large arrays of the fully connected layers: four bytes of a float become NaN whatever the offset.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xff);
    let path = folder.path().join("nan.caffemodel");
    std::fs::write(&path, &bytes).unwrap();
    let output = deepinside(["info", "-m", &network()[1], "--weights", &path.to_string_lossy()]);
    assert!(stderr(&output).contains("NaN or infinite"), "{}", stderr(&output));
}

#[test]
fn files_that_do_not_exist_are_named() {
    fails(&["info", "-m", "no-such.prototxt"], &["no-such.prototxt"]);
    let output = run(&["classify", "no-such.jpg"]);
    assert!(!output.status.success() && stderr(&output).contains("no-such.jpg"), "{}", stderr(&output));
}

#[test]
fn a_model_folder_says_how_photographs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.prototxt", "weights.caffemodel"] {
        std::fs::copy(fixtures().join("goldens/mini_caffenet").join(file), folder.path().join(file)).unwrap();
    }
    let names: Vec<String> = (0..10).map(|class| format!("n0000000{class} name {class}")).collect();
    std::fs::write(folder.path().join("names.txt"), names.join("\n")).unwrap();
    let description = "network = 'model.prototxt'\nweights = 'weights.caffemodel'\nlabels = 'names.txt'\n[input]\nresize = 80\n";
    std::fs::write(folder.path().join("model.toml"), description).unwrap();
    let photograph = photograph(folder.path(), "a.png");
    let model = folder.path().to_string_lossy().into_owned();
    let object = &json(&deepinside(["classify", &photograph, "-m", &model, "--json"]))[0];
    let best = &object["top"][0];
    let index = best["index"].as_u64().unwrap();
    assert_eq!(best["name"], format!("name {index}"));
    assert_eq!(best["synset"], format!("n0000000{index}"));
    // Without the description the folder is still unambiguous.
    std::fs::remove_file(folder.path().join("model.toml")).unwrap();
    stdout(&deepinside(["info", "-m", &model]));
    std::fs::write(folder.path().join("model.toml"), "network = 'x'\nwieghts = 'y'\n").unwrap();
    fails(&["info", "-m", &model], &["model.toml", "wieghts"]);
}

#[test]
fn a_folder_with_a_network_in_each_format_opens_caffe_s() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.prototxt", "weights.caffemodel"] {
        std::fs::copy(fixtures().join("goldens/mini_caffenet").join(file), folder.path().join(file)).unwrap();
    }
    std::fs::copy(fixtures().join("onnx/residual/model.onnx"), folder.path().join("other.onnx")).unwrap();
    let model = folder.path().to_string_lossy().into_owned();
    let described = stdout(&deepinside(["info", "-m", &model]));
    assert!(described.contains("model.prototxt") && described.contains("other.onnx"), "{described}");
    std::fs::copy(fixtures().join("onnx/residual/model.onnx"), folder.path().join("third.onnx")).unwrap();
    fails(&["info", "-m", &model], &["exactly one", "1, 1 and 2"]);
}

#[test]
fn graph_prints_what_every_layer_costs() {
    let object = &json(&run(&["graph", "--json"]))[0];
    let nodes = object["nodes"].as_array().unwrap();
    let node = |name: &str| nodes.iter().find(|node| node["name"] == name).unwrap();
    // By hand, of an input 3×67×67: conv1 has 8 filters of 3×11×11 at 15×15 places, with biases.
    let (conv1, weights, places) = (node("conv1"), 8 * 3 * 11 * 11, 15 * 15);
    assert_eq!(conv1["shapes"][0], serde_json::json!([1, 8, 15, 15]));
    assert_eq!(conv1["parameters"], weights + 8);
    assert_eq!(conv1["operations"], 2 * weights * places);
    let table = stdout(&run(&["graph"]));
    assert!(table.lines().any(|line| line.starts_with("conv1 ") && line.contains("1×8×15×15")), "{table}");
    let last = table.lines().last().unwrap();
    assert!(last.contains("in all"), "{last}");
}

#[test]
fn graph_draws_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.svg").to_string_lossy().into_owned();
    run(&["graph", "--format", "svg", "-o", &path]);
    let drawing = std::fs::read_to_string(&path).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    let dot = stdout(&run(&["graph", "--format", "dot"]));
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'));
    for layer in ["conv1", "pool5", "fc8"] {
        assert!(drawing.contains(layer) && dot.contains(layer), "{layer} is missing");
    }
    assert!(dot.contains("->"));
}

#[test]
fn trace_refuses_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").to_string_lossy().into_owned();
    let golden = fixtures().join("goldens/mini_caffenet/in_data.npy");
    let input = format!("data={}", golden.display());
    let start = ["trace", "-m", &network()[1], "--weights", &network()[3], "--out", &out].map(str::to_owned);
    let attempt = |more: &[&str], cause: &str| {
        let arguments: Vec<&str> = start.iter().map(String::as_str).chain(more.iter().copied()).collect();
        fails(&arguments, &[cause]);
        assert!(!Path::new(&out).exists(), "something was written");
    };
    attempt(&["--input", "data=no-such.npy"], "no-such.npy");
    attempt(&["--input", &format!("date={}", golden.display())], "date");
    attempt(&["--input", "data"], "NAME=FILE");
    attempt(&["--input", &input, "--seed", "fc9:1=1"], "fc9");
    attempt(&["--input", &input, "--seed", "fc8:10=1"], "10 elements");
    attempt(&["--input", &input, "--seed", &format!("fc8={}", golden.display())], "fc8");
}

#[test]
fn help_completions_and_manual_pages() {
    for command in ["classify", "saliency", "class-model", "layers", "trace", "info", "graph", "model"] {
        let text = stdout(&deepinside([command, "--help"]));
        assert!(text.contains("Examples:"), "{command}");
    }
    assert!(stdout(&deepinside(["completions", "bash"])).contains("class-model"));
    let folder = tempfile::tempdir().unwrap();
    stdout(&deepinside(["manual", &folder.path().to_string_lossy()]));
    assert!(folder.path().join("deepinside-saliency.1").exists());
}

/// A layer whose maps are constant has a picture that says so: no noise is blown up, and nothing is NaN.
#[test]
fn constant_maps_are_a_stated_result() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path(), "a.png");
    // A fully connected layer between of which nothing is active: its activations are zero, and so are all gradients before it.
    let dead = "layer { name: 'dead' type: 'Power' bottom: 'fc7' top: 'dead' power_param { scale: 0 } }";
    let change = |text: String| {
        let text = text.replacen("bottom: \"fc7\"\n  top: \"fc8\"", "bottom: \"dead\"\n  top: \"fc8\"", 1);
        assert!(text.contains("\"dead\""), "{text}");
        let at = text.find("layer {\n  name: \"fc8\"").unwrap();
        format!("{}{dead}\n{}", &text[..at], &text[at..])
    };
    let network = copy_of_network(folder.path(), change).to_string_lossy().into_owned();
    let [raw, out] = ["raw", "layers"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    for normalise in ["range", "max", "quantile", "signed"] {
        let output = deepinside([
            "layers",
            &photograph,
            "-m",
            &network,
            "--weights",
            &self::network()[3],
            "--json",
            "-o",
            &out,
            "--raw",
            &raw,
            "--normalise",
            normalise,
        ]);
        let object = &json(&output)[0];
        let map = |layer: &str, kind: &str| {
            let maps = object["maps"].as_array().unwrap();
            maps.iter().find(|map| map["layer"] == layer && map["kind"] == kind).unwrap().clone()
        };
        assert_eq!(map("dead", "activation")["constant"], 0.0, "{normalise}");
        assert_eq!(map("conv1", "gradient")["constant"], 0.0, "{normalise}");
        assert_eq!(map("conv1", "gradient")["range"], serde_json::json!([0.0, 0.0]), "{normalise}");
        assert_eq!(map("conv1", "activation")["constant"], serde_json::Value::Null, "{normalise}");
        assert!(
            stderr(&output).contains("note: the gradient of conv1 is 0 everywhere"),
            "{}",
            stderr(&output)
        );
        let gradient = deepinside::files::npy::read(Path::new(&raw).join("conv1-gradient.npy")).unwrap();
        assert!(gradient.data().iter().all(|&number| number == 0.0));
    }
    // The picture that maximises a score on which no pixel has any influence stays as it started.
    let picture = folder.path().join("model.png").to_string_lossy().into_owned();
    let output = deepinside([
        "class-model",
        "3",
        "--recipe",
        "paper",
        "-m",
        &network,
        "--weights",
        &self::network()[3],
        "--json",
        "-o",
        &picture,
        "--iterations",
        "3",
    ]);
    assert_eq!(json(&output)[0]["constant"], 0.0);
    assert!(stderr(&output).contains("the image is 0 everywhere"), "{}", stderr(&output));
}

/// A reader that went away ends a run quietly; a full disk does not.
#[cfg(target_os = "linux")]
#[test]
fn results_that_did_not_arrive_are_no_success() {
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_deepinside"));
    for arguments in [&["info"][..], &["model", "list"], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("cannot write to standard output"), "{}", stderr(&output));
    }
}

#[test]
fn files_of_another_kind_are_told_what_belongs_there() {
    let folder = tempfile::tempdir().unwrap();
    let [description, labels] = ["net.prototxt", "labels.txt"].map(|name| folder.path().join(name));
    std::fs::File::create(&description).unwrap().set_len(20 << 20).unwrap();
    std::fs::write(&labels, b"\xff\xfe\x00").unwrap();
    let [description, labels] = [description, labels].map(|path| path.to_string_lossy().into_owned());
    fails(&["info", "-m", &description], &["description and weights confused"]);
    let photograph = photograph(folder.path(), "a.png");
    fails(&["classify", &photograph, "--labels", &labels], &["one name a line", "UTF-8"]);
}
