//! `check`: what passes, and what is said where something does not.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use support::{deepinside, fixtures, json, stderr, stdout};

fn onnx(name: &str) -> PathBuf {
    fixtures().join("onnx").join(name).join("model.onnx")
}

fn description(folder: &Path, layers: &str) -> PathBuf {
    let path = folder.join("net.prototxt");
    let text = format!(
        "name: 'small'
        layer {{ name: 'data' type: 'Input' top: 'data' input_param {{ shape {{ dim: 1 dim: 3 dim: 12 dim: 12 }} }} }}
        {layers}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What a run printed that did not pass.
fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn verdicts(report: &serde_json::Value) -> Vec<(String, String)> {
    let text = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(check, "name"), text(check, "verdict"))).collect()
}

#[test]
fn networks_of_many_kinds_pass() {
    for name in ["residual", "shuffle", "next", "inverted", "channels_last", "segmenter", "shape_arithmetic"]
    {
        let output = deepinside(["check", "--json", "-m", onnx(name).to_str().unwrap()]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let report = &json(&output)[0];
        assert_eq!(report["passed"], true);
        let names: Vec<String> = verdicts(report).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["finite", "operators", "chain", "network", "batch", "threads", "repetition"]);
        assert!(verdicts(report).iter().all(|(_, verdict)| verdict == "passed"), "{name}: {report}");
        assert!(report["operators"].as_array().unwrap().len() > 3);
    }
}

/// `Pad` with a negative border became a cut that named the batch, too, and kept the first picture of sixteen only.
#[test]
fn a_cut_keeps_all_pictures_of_a_batch() {
    let output = deepinside(["check", "-m", onnx("branch_and_constants").to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_table_lists_operators_and_the_photograph_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let model = description(folder.path(), "layer { name: 'act' type: 'ReLU' bottom: 'data' top: 'act' }");
    let photograph = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
    let output =
        deepinside(["check", "--table", "-m", model.to_str().unwrap(), photograph.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let row = text.lines().next().unwrap();
    assert!(row.contains("act") && row.contains("Relu") && row.ends_with("0e0"), "{text}");
    assert!(text.contains("small: 7 of 7 checks passed"), "{text}");
}

#[test]
fn batch_statistics_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let layers = "layer { name: 'norm' type: 'BatchNorm' bottom: 'data' top: 'norm' batch_norm_param { use_global_stats: false } }
        layer { name: 'act' type: 'Power' bottom: 'norm' top: 'act' power_param { power: 2 } }
        layer { name: 'off' type: 'Pooling' bottom: 'act' top: 'off' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }";
    let model = description(folder.path(), layers);
    let output = deepinside(["check", "-m", model.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(printed(&output).contains("statistics of its batch"), "{}", printed(&output));
    assert!(stderr(&output).contains("small did not pass: batch"), "{}", stderr(&output));
}

#[test]
fn what_is_not_finite_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let layers = "layer { name: 'fine' type: 'Power' bottom: 'data' top: 'fine' power_param { scale: 2 } }
        layer { name: 'root' type: 'Power' bottom: 'fine' top: 'root' power_param { power: 0.5 } }
        layer { name: 'behind' type: 'ReLU' bottom: 'root' top: 'behind' }";
    let model = description(folder.path(), layers);
    let output = deepinside(["check", "--json", "-m", model.to_str().unwrap()]);
    assert!(!output.status.success());
    let report: serde_json::Value = serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!(report["passed"], false);
    assert!(report["checks"][0]["detail"].as_str().unwrap().contains("'root'"), "{report}");
    let skipped = verdicts(&report).into_iter().filter(|(_, verdict)| verdict == "skipped");
    assert_eq!(skipped.map(|(name, _)| name).collect::<Vec<_>>(), ["operators", "chain", "network", "batch"]);
}

#[test]
fn the_seed_draws_the_directions() {
    let errors = |seed: &str| {
        let output =
            deepinside(["check", "--json", "--seed", seed, "-m", onnx("residual").to_str().unwrap()]);
        json(&output)[0]["operators"].clone()
    };
    assert_eq!(errors("1"), errors("1"));
    assert_ne!(errors("1"), errors("2"));
}
