//! `--record` and `replay`: the same bytes again, or what differs.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use deepinside::drawing::Picture;
use serde_json::Value;
use support::{deepinside, fixtures, json, stderr, stdout};

/// A folder with a small network and a photograph.
fn workshop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["model.prototxt", "weights.caffemodel"] {
        let golden = fixtures().join("goldens/mini_caffenet").join(file);
        std::fs::copy(golden, folder.path().join(file)).unwrap();
    }
    let pixel = |at: usize| [(at * 5 % 256) as u8, (at * at % 249) as u8, (at * 31 % 251) as u8];
    let picture = Picture::new(80, 90, (0..7200).flat_map(pixel).collect()).unwrap();
    picture.write_png(folder.path().join("a.png")).unwrap();
    folder
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

/// Runs a command on the small network with --record; the record as a value.
fn record(folder: &Path, arguments: &[&str]) -> Value {
    let mut all: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    all.extend(["-m".to_owned(), at(folder, "model.prototxt"), "--weights".to_owned()]);
    all.extend([at(folder, "weights.caffemodel"), "--record".to_owned(), at(folder, "run.json")]);
    stdout(&deepinside(&all));
    read(folder)
}

fn read(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("run.json")).unwrap()).unwrap()
}

fn replay(folder: &Path, more: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_deepinside"));
    command.current_dir(folder).args(["replay", "run.json"]).args(more).output().unwrap()
}

fn outputs(record: &Value) -> Vec<PathBuf> {
    let outputs = record["outputs"].as_array().unwrap();
    outputs.iter().map(|output| PathBuf::from(output["path"].as_str().unwrap())).collect()
}

#[test]
fn every_command_makes_the_same_bytes_again() {
    let folder = workshop();
    let [photograph, out] = ["a.png", "out"].map(|name| at(folder.path(), name));
    let [raw, frames] = ["raw.npy", "frames.gif"].map(|name| at(folder.path(), name));
    let picture = at(folder.path(), "out.png");
    let input = format!("data={}", fixtures().join("goldens/mini_caffenet/in_data.npy").display());
    let ascent =
        ["class-model", "3", "--iterations", "6", "--seed", "5", "--frame-every", "2", "-o", &picture];
    let truth =
        r#"[{"file": "a.png", "width": 80, "height": 90, "class_index": 3, "boxes": [[5, 5, 60, 70]]}]"#;
    let [known, details, table, page] =
        ["truth.json", "details.jsonl", "table.csv", "page.html"].map(|name| at(folder.path(), name));
    std::fs::write(&known, truth).unwrap();
    let evaluation = ["evaluate", "localisation", "--ground-truth", &known, "--json"];
    let cases: Vec<(Vec<&str>, usize)> = vec![
        (vec!["classify", &photograph, "--json"], 0),
        (vec!["saliency", &photograph, "-o", &picture, "--raw", &raw, "--class", "3"], 2),
        (vec!["saliency", &photograph, "-o", &picture, "--ten-crops", "--smooth-grad", "2"], 1),
        (vec!["localise", &photograph, "-o", &picture, "--method", "paper", "--json"], 1),
        ([&ascent[..], &["--raw", &raw, "--frames", &frames, "--recipe", "lucid"]].concat(), 3),
        (vec!["layers", &photograph, "-o", &out], 28),
        (vec!["compare", &photograph, "-o", &picture, "--table"], 1),
        ([&evaluation[..], &["--details", &details, "--csv", &table, "--html", &page]].concat(), 2),
        (vec!["trace", "--input", &input, "--out", &out, "--seed", "fc8:1=1"], 0),
    ];
    for (arguments, expected) in cases {
        let recorded = record(folder.path(), &arguments);
        let made = outputs(&recorded);
        assert!(
            made.len() == expected || (expected == 0 && arguments[0] == "trace"),
            "{arguments:?}: {made:?}"
        );
        let kept: Vec<Vec<u8>> = made.iter().map(|path| std::fs::read(path).unwrap()).collect();
        made.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let said = stdout(&replay(folder.path(), &[]));
        assert!(said.contains("all results are equal"), "{arguments:?}: {said}");
        let again = folder.path().join("replay-1");
        assert_eq!(again.is_dir(), !made.is_empty(), "{arguments:?}");
        for (path, kept) in made.iter().zip(kept) {
            let place = again.join(path.file_name().unwrap());
            assert_eq!(std::fs::read(&place).unwrap(), kept, "{}", place.display());
            assert!(!path.exists(), "{} was made in its old place", path.display());
        }
        if again.is_dir() {
            assert!(said.contains("the new results are in replay-1"), "{said}");
            std::fs::remove_dir_all(again).unwrap();
        }
    }
}

#[test]
fn results_can_be_made_again_in_another_folder() {
    let folder = workshop();
    let out = at(folder.path(), "out");
    let recorded = record(folder.path(), &["layers", &at(folder.path(), "a.png"), "-o", &out]);
    std::fs::remove_dir_all(&out).unwrap();
    let again = folder.path().join("again");
    let object = &json(&replay(folder.path(), &["--json", "--into", &again.to_string_lossy()]))[0];
    assert_eq!((&object["equal"], &object["printed"]), (&Value::Bool(true), &Value::from("equal")));
    assert!(!Path::new(&out).exists(), "the recorded place was touched");
    for path in outputs(&recorded) {
        assert!(again.join(path.file_name().unwrap()).is_file(), "{}", path.display());
    }
}

#[test]
fn a_record_says_what_was_used_and_decided() {
    let folder = workshop();
    let picture = at(folder.path(), "out.png");
    let recorded = record(
        folder.path(),
        &["class-model", "3", "--recipe", "paper", "--iterations", "2", "--seed", "9", "-o", &picture],
    );
    assert_eq!(recorded["deepinside"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&recorded["command"][0], &recorded["seed"]),
        (&Value::from("class-model"), &Value::from("9"))
    );
    assert_eq!(recorded["options"]["copies"], serde_json::json!(["1"]), "a default is an option too");
    let recipe = &recorded["resolved"]["recipe"];
    assert_eq!((&recipe["name"], &recipe["iterations"]), (&Value::from("paper"), &Value::from(2)));
    assert!(recorded["machine"]["threads"].as_u64().unwrap() >= 1);
    let names: Vec<String> = recorded["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            Path::new(file["path"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(names, ["model.prototxt", "weights.caffemodel"]);
    let output = &recorded["outputs"][0];
    assert_eq!(output["bytes"].as_u64(), Some(std::fs::metadata(&picture).unwrap().len()));

    let cut =
        ["--method", "paper", "--refinements", "2", "--crops", "ten", "--smooth-grad", "2", "--seed", "7"];
    let photograph = at(folder.path(), "a.png");
    let recorded = record(folder.path(), &[&["localise", &photograph, "-o", &picture], &cut[..]].concat());
    let method = &recorded["resolved"]["method"];
    assert_eq!(method["rule"]["cut"]["foreground"], 0.95);
    assert_eq!(method["rule"]["cut"]["cut"]["refinements"], 2);
    assert_eq!(method["evidence"]["rules"], serde_json::json!(["gradient"]));
    assert_eq!(method["evidence"]["crops"][9], "mirrored-centre");
    assert_eq!(method["evidence"]["noise"]["seed"], 7);
    assert_eq!(method["keep"], "largest");
}

#[test]
fn a_changed_input_is_named_and_nothing_is_made() {
    let folder = workshop();
    let [photograph, picture] = ["a.png", "out.png"].map(|name| at(folder.path(), name));
    record(folder.path(), &["saliency", &photograph, "-o", &picture]);
    Picture::filled(80, 90, [9, 8, 7]).unwrap().write_png(&photograph).unwrap();
    std::fs::remove_file(&picture).unwrap();
    let output = replay(folder.path(), &[]);
    let said = stderr(&output);
    assert!(!output.status.success() && said.contains("a.png has changed"), "{said}");
    assert!(!said.contains("model.prototxt") && !Path::new(&picture).exists());
    std::fs::remove_file(&photograph).unwrap();
    assert!(stderr(&replay(folder.path(), &[])).contains("a.png"));
}

#[test]
fn a_changed_option_differs() {
    let folder = workshop();
    let [photograph, picture] = ["a.png", "out.png"].map(|name| at(folder.path(), name));
    let mut recorded =
        record(folder.path(), &["saliency", &photograph, "-o", &picture, "--view", "map", "--class", "3"]);
    recorded["options"]["class"] = serde_json::json!(["4"]);
    std::fs::write(folder.path().join("run.json"), recorded.to_string()).unwrap();
    let output = replay(folder.path(), &[]);
    assert!(!output.status.success(), "another class has the same map");
    assert!(String::from_utf8_lossy(&output.stdout).contains("differs  "), "{output:?}");
    recorded["options"]["klass"] = serde_json::json!(["4"]);
    std::fs::write(folder.path().join("run.json"), recorded.to_string()).unwrap();
    assert!(stderr(&replay(folder.path(), &[])).contains("klass"));
}

#[test]
fn a_record_holds_nothing_of_the_environment() {
    let folder = workshop();
    let secret = "correct-horse-battery-staple";
    let arguments = ["classify", &at(folder.path(), "a.png"), "-m", &at(folder.path(), "model.prototxt")];
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_deepinside"))
        .args(arguments)
        .args([
            "--weights",
            &at(folder.path(), "weights.caffemodel"),
            "--record",
            &at(folder.path(), "run.json"),
        ])
        .env("DEEPINSIDE_SECRET", secret)
        .env("HTTPS_PROXY", format!("http://user:{secret}@proxy"))
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .output()
        .unwrap();
    assert!(status.status.success());
    let text = std::fs::read_to_string(folder.path().join("run.json")).unwrap();
    assert!(!text.contains(secret) && !text.contains("SECRET") && !text.contains("PROXY"), "{text}");
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let folder = workshop();
    let refused = |text: &str, cause: &str| {
        std::fs::write(folder.path().join("run.json"), text).unwrap();
        let output = replay(folder.path(), &[]);
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(cause) && !said.contains("panicked"), "{said}");
    };
    refused("", "no record of a run");
    refused("{\"deepinside\": 1}", "no record of a run");
    let mut recorded = record(folder.path(), &["classify", &at(folder.path(), "a.png")]);
    for command in [&["replay"][..], &["model", "pull"], &["bench"], &["nothing"], &[]] {
        recorded["command"] = serde_json::json!(command);
        refused(&recorded.to_string(), "record");
    }
    let output = deepinside(["bench", "--record", &at(folder.path(), "bench.json"), "--seconds", "0.01"]);
    assert!(!output.status.success() && stderr(&output).contains("made again"));
}

#[test]
fn a_failed_run_leaves_no_record() {
    let folder = workshop();
    let arguments = ["classify", "no-such.png", "--record", &at(folder.path(), "run.json")];
    assert!(!deepinside(arguments).status.success() && !folder.path().join("run.json").exists());
}

/// Every file that a command writes must be in its record, so commands write through `output` alone.
#[test]
fn commands_write_files_through_one_door() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for door in
                [".write_png(", "npy::write(", "animation::write(", "fs::write(", "whole_file::write("]
            {
                assert!(!text.contains(door), "{} writes by {door}; use crate::output", path.display());
            }
        }
    }
}

/// The record of `trace` named the ONNX file and not the file beside it that holds the weights.
#[test]
fn a_trace_records_the_files_beside_an_onnx_file() {
    let folder = tempfile::tempdir().unwrap();
    let network = fixtures().join("onnx/external_data");
    for file in ["model.onnx", "weights.bin"] {
        std::fs::copy(network.join(file), folder.path().join(file)).unwrap();
    }
    let images = network.join("images.npy");
    let model = deepinside(["info", "--json", "-m", &at(folder.path(), "model.onnx")]);
    let input = format!("{}={}", json(&model)[0]["input"]["name"].as_str().unwrap(), images.display());
    let [model, out, run] = ["model.onnx", "out", "run.json"].map(|name| at(folder.path(), name));
    stdout(&deepinside(["trace", "--model", &model, "--input", &input, "--out", &out, "--record", &run]));
    let record = read(folder.path());
    let inputs = record["inputs"].as_array().unwrap();
    let has = |name: &str| inputs.iter().any(|input| input["path"].as_str().unwrap().ends_with(name));
    assert!(has("model.onnx") && has("weights.bin") && has("images.npy"), "{inputs:?}");
}

/// Such numbers come back one unit in the last place off where JSON is not read exactly.
#[test]
fn numbers_of_many_digits_are_replayed() {
    let folder = workshop();
    let [photograph, picture] = ["a.png", "out.png"].map(|name| at(folder.path(), name));
    for quantile in ["0.96", "0.9123456789012345"] {
        record(folder.path(), &["saliency", &photograph, "-o", &picture, "--quantile", quantile]);
        let output = replay(folder.path(), &[]);
        assert!(stdout(&output).contains("all results are equal"), "{quantile}: {}", stderr(&output));
    }
    for smoothing in ["0.012345678901234566", "0.06543210987654321"] {
        let arguments =
            ["localise", &photograph, "-o", &picture, "--method", "mean", "--smoothing", smoothing];
        record(folder.path(), &arguments);
        let output = replay(folder.path(), &[]);
        assert!(stdout(&output).contains("all results are equal"), "{smoothing}: {}", stderr(&output));
    }
}

#[test]
fn a_record_takes_no_result_s_place() {
    let folder = workshop();
    let [photograph, run, table] = ["a.png", "run.json", "table"].map(|name| at(folder.path(), name));
    let [network, weights] = ["model.prototxt", "weights.caffemodel"].map(|name| at(folder.path(), name));
    let model = ["-m", &network, "--weights", &weights];
    let truth = at(folder.path(), "truth.json");
    let picture =
        r#"[{"file": "a.png", "width": 90, "height": 80, "class_index": 1, "boxes": [[1, 2, 50, 60]]}]"#;
    std::fs::write(&truth, picture).unwrap();
    let evaluate = ["evaluate", "localisation", "--method", "mean", "--ground-truth", &truth];
    let refused: [Vec<&str>; 4] = [
        vec!["saliency", &photograph, "-o", &run, "--record", &run],
        [&evaluate[..], &["--details", &run, "--record", &run]].concat(),
        [&evaluate[..], &["--details", &table, "--csv", &table]].concat(),
        [&evaluate[..], &["--csv", &table, "--markdown", &table]].concat(),
    ];
    for arguments in refused {
        let output = deepinside([&arguments[..], &model].concat());
        let text = stderr(&output);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains("is to hold two results") || text.contains("ends in .png"), "{text}");
        assert!(!Path::new(&run).exists() && !Path::new(&table).exists(), "{arguments:?}");
    }
    // Before the work, so nothing is kept.
    let (details, nowhere) = (at(folder.path(), "details"), at(folder.path(), "nowhere/table"));
    let arguments = [&evaluate[..], &["--details", &details, "--csv", &nowhere]].concat();
    let output = deepinside([&arguments[..], &model].concat());
    assert!(stderr(&output).contains("there is no folder"), "{}", stderr(&output));
    assert!(!Path::new(&details).exists());
}
