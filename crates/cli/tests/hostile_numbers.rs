//! Networks that give NaN or infinite numbers: a sentence and exit code 1, no class and no picture.
//!
//! ONNX Runtime gives NaN for all scores of `nan_weights.onnx`, infinite ones and NaN for `overflow.onnx`, and zeros for
//! `infinite_gradient.onnx`, whose gradient (a root's at zero, times kernels of zeros) is NaN in PyTorch.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use deepinside::drawing::Picture;
use deepinside::files::{Array, npy};
use support::{fixtures, json, stderr, stdout};

fn network(name: &str) -> String {
    fixtures().join("hostile").join(name).to_string_lossy().into_owned()
}

/// A folder with a photograph and what is known of it.
fn workshop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixel = |at: usize| [(at * 5 % 256) as u8, (at * at % 249) as u8, (at * 31 % 251) as u8];
    let picture = Picture::new(24, 20, (0..480).flat_map(pixel).collect()).unwrap();
    picture.write_png(folder.path().join("a.png")).unwrap();
    let truth =
        r#"[{"file": "a.png", "width": 24, "height": 20, "class_index": 3, "boxes": [[5, 5, 20, 15]]}]"#;
    std::fs::write(folder.path().join("truth.json"), truth).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deepinside")).current_dir(folder).args(arguments).output().unwrap()
}

/// Every command that makes a result of scores.
const COMMANDS: [&[&str]; 17] = [
    &["classify", "a.png"],
    &["classify", "a.png", "--crop", "ten", "--json"],
    &["saliency", "a.png", "--class", "0"],
    &["saliency", "a.png", "--view", "overlay", "--raw", "r.npy", "--raw-gradient", "g.npy"],
    &["saliency", "a.png", "--class", "3", "--ten-crops"],
    &["saliency", "a.png", "--smooth-grad", "2", "--smoothing", "0.02"],
    &["saliency", "a.png", "--recipe", "original"],
    &["localise", "a.png", "--class", "1", "--coco", "c.json", "--voc", "v"],
    &["localise", "a.png", "--method", "grad-cam", "--mask", "m.png"],
    &["layers", "a.png", "--class", "2", "-o", "l", "--raw", "lr"],
    &["compare", "a.png", "--class", "2", "--raw", "cr"],
    &["compare", "a.png", "--layer", "activation", "--channel", "1", "--table"],
    &["class-model", "1", "--recipe", "lucid", "--iterations", "2", "--frames", "f.gif"],
    &["atlas", "--classes", "1-2", "--recipe", "lucid", "--iterations", "2"],
    &["evaluate", "localisation", "--ground-truth", "truth.json", "--csv", "t.csv", "--html", "t.html"],
    &["evaluate", "classification", "--ground-truth", "truth.json", "--markdown", "t.md"],
    &["check", "a.png"],
];

fn results(folder: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path.to_string_lossy().into_owned()) }
        }
    }
    let made = |file: &String| {
        [".png", ".npy", ".gif", ".csv", ".md", ".html", ".xml"].iter().any(|end| file.ends_with(end))
    };
    files.into_iter().filter(|file| made(file) && !file.ends_with("/a.png")).collect()
}

/// `classify` ranked NaN, and `saliency` drew a map of a network whose scores were infinite.
#[test]
fn scores_that_are_not_finite_are_no_result() {
    for (network_name, cause) in [
        (
            "nan_weights.onnx",
            "'conv' is the first value that holds such numbers (256 of 1024); its weights 'kernel' hold them",
        ),
        ("overflow.onnx", "'conv' is the first value that holds such numbers"),
    ] {
        for command in COMMANDS {
            let folder = workshop();
            let output = run(folder.path(), &[command, &["-m", &network(network_name)]].concat());
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{network_name} {command:?}: {said}");
            assert_eq!(results(folder.path()), Vec::<String>::new(), "{network_name} {command:?}");
            let out = String::from_utf8_lossy(&output.stdout);
            if command[0] == "check" {
                assert!(out.contains("FAILED   finite") && !out.contains("NaN of"), "{out}");
                continue;
            }
            assert!(!out.contains("NaN") && !out.contains("inf"), "{command:?}: {out}");
            // An ascent starts from a picture of its own, and is not run again to find the place.
            if matches!(command[0], "class-model" | "atlas") {
                assert!(said.contains("are not finite"), "{command:?}: {said}");
                continue;
            }
            assert!(said.contains("the class scores: 10 of 10 are not finite"), "{command:?}: {said}");
            assert!(said.contains(cause), "{command:?}: {said}");
        }
    }
}

#[test]
fn gradients_that_are_not_finite_are_no_result() {
    let of_scores = ["classify", "evaluate"];
    // Between the layer whose map it is and the score the gradient is finite.
    let of_a_layer = |command: &[&str]| command.contains(&"grad-cam");
    for command in COMMANDS.into_iter().filter(|own| !of_scores.contains(&own[0]) && !of_a_layer(own)) {
        let folder = workshop();
        let output = run(folder.path(), &[command, &["-m", &network("infinite_gradient.onnx")]].concat());
        let said = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("not finite") || said.contains("range of numbers"), "{command:?}: {said}");
        assert_eq!(results(folder.path()), Vec::<String>::new(), "{command:?}");
    }
    // The scores are zeros, which is an opinion.
    let folder = workshop();
    stdout(&run(folder.path(), &["classify", "a.png", "-m", &network("infinite_gradient.onnx")]));
}

/// A trace is there to show numbers as they are.
#[test]
fn a_trace_shows_numbers_that_are_not_finite_and_says_so() {
    let folder = workshop();
    let input = Array::new([1, 3, 16, 16], vec![0.5; 768]).unwrap();
    npy::write(folder.path().join("in.npy"), &input).unwrap();
    let network = network("nan_weights.onnx");
    let trace = ["trace", "-m", &network, "--input", "picture=in.npy", "--seed", "scores:1=1", "--out", "t"];
    let output = run(folder.path(), &trace);
    stdout(&output);
    let said = stderr(&output);
    assert!(
        said.contains("data of 'conv': 256 of 1024 are not finite (256 NaN, 0 infinite) (the first of"),
        "{said}"
    );
    let data = npy::read(folder.path().join("t/data_scores.npy")).unwrap();
    assert!(data.data().iter().all(|number| number.is_nan()));
}

#[test]
fn the_table_of_checks_and_times_say_it() {
    let folder = workshop();
    let network = network("overflow.onnx");
    let report = run(folder.path(), &["check", "-m", &network, "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(
        object["score"].is_null() && object["class"].is_null() && object["class_name"].is_null(),
        "{object}"
    );
    assert_eq!(object["checks"][0]["verdict"], "failed", "{object}");
    let times = run(folder.path(), &["bench", "-m", &network, "--seconds", "0.01", "--json"]);
    json(&times);
    assert!(stderr(&times).contains("the class scores: "), "{}", stderr(&times));
}
