//! `report`, presets and `evaluate faithfulness`.

mod support;

use std::path::{Path, PathBuf};

use support::{deepinside, json};

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deepinside/tests/fixtures/attribution");
    folder.join(name).to_string_lossy().into_owned()
}

/// A photograph whose name would be markup where it is not escaped.
fn photograph(folder: &Path) -> String {
    let photograph = folder.join("a<b>&|c.png");
    let cat = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/cat.png");
    std::fs::copy(cat, &photograph).unwrap();
    photograph.to_string_lossy().into_owned()
}

#[test]
fn a_report_holds_every_method_beside_maps_that_know_nothing_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path());
    let [html, markdown] = ["report.html", "report.md"].map(|name| folder.path().join(name));
    let model = fixture("residual.onnx");
    let done = deepinside([
        "report",
        &photograph,
        "-m",
        &model,
        "--method",
        "gradient",
        "--method",
        "rise:samples=20,cells=4",
        "--method",
        "guided",
        "--steps",
        "8",
        "--depths",
        "2",
        "--json",
        "-o",
        html.to_str().unwrap(),
        "--markdown",
        markdown.to_str().unwrap(),
    ]);
    let found = &json(&done)[0];
    let cards = found["cards"].as_array().unwrap();
    assert_eq!(cards.iter().map(|card| &card["method"]).collect::<Vec<_>>(), ["gradient", "rise", "guided"]);
    assert_eq!(found["controls"].as_array().unwrap().len(), 3);
    assert!(found["measured"].as_str().unwrap().starts_with("p("));
    for card in cards {
        let curve = card["faithfulness"]["deletion_curve"].as_array().unwrap();
        assert_eq!(curve.len(), 9);
        assert_eq!(curve[0], found["controls"][0]["faithfulness"]["deletion_curve"][0]);
        assert!(!card["verdict"].as_str().unwrap().is_empty());
        assert_eq!(card["randomised"].as_array().unwrap().len(), 2);
    }
    assert!(cards[2]["notes"].to_string().contains("Adebayo"));
    let agreement = &found["agreement"];
    assert!((agreement[1][1].as_f64().unwrap() - 1.0).abs() < 1e-12 && agreement[0][1] == agreement[1][0]);
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("a&lt;b&gt;&amp;|c.png") && !html.contains("a<b>"), "a name is not escaped");
    assert!(!html.contains("<script") && html.matches("data:image/png;base64,").count() == 6);
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(!markdown.contains("a<b>") && markdown.matches("\n| ").count() >= 7, "{markdown}");
}

#[test]
fn what_a_report_cannot_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (photograph, model) = (photograph(folder.path()), fixture("residual.onnx"));
    let output = folder.path().join("report.txt");
    for (flags, cause) in [
        (vec!["--method", "gradientt"], "gradient"),
        (vec!["--method", "rise:samples"], "NAME:PARAMETER=VALUE"),
        (vec!["--method", "rise:sample=3"], "samples"),
        (vec!["-o", output.to_str().unwrap()], "html"),
        (vec!["--method", "attention-rollout"], "attention"),
    ] {
        let done = deepinside(["report", &photograph, "-m", &model].iter().chain(&flags));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(cause), "{flags:?}: {said}");
    }
    assert!(!output.exists());
}

#[test]
fn a_preset_fills_in_what_is_not_given_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw.npy");
    let (model, array) = (fixture("residual.onnx"), fixture("x.npy"));
    let explain = |flags: &[&str]| {
        let line = [
            "explain",
            "-m",
            &model,
            "--array",
            &array,
            "--target",
            "2",
            "--raw",
            raw.to_str().unwrap(),
            "--json",
        ];
        deepinside(line.iter().chain(flags))
    };
    let found = json(&explain(&["--method", "smooth-grad", "--preset", "zennit", "--set", "samples=3"]));
    assert!(
        found[0]["notes"].to_string().contains("deviation=0.1")
            && !found[0]["notes"].to_string().contains("samples")
    );
    for (flags, cause) in [
        (["--method", "rise", "--preset", "captum"], "says nothing about rise"),
        (["--method", "rise", "--preset", "captumm"], "there is no preset"),
    ] {
        let done = explain(&flags);
        assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains(cause), "{flags:?}");
    }
}

#[test]
fn faithfulness_over_pictures_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let photograph = photograph(folder.path());
    let truth = folder.path().join("truth.json");
    let object = serde_json::json!({
        "file": photograph, "width": 10, "height": 10, "class_index": 2, "boxes": [[0, 0, 5, 5]]
    });
    std::fs::write(&truth, serde_json::json!([object]).to_string()).unwrap();
    let details = folder.path().join("details.jsonl");
    let (model, truth) = (fixture("residual.onnx"), truth.to_string_lossy().into_owned());
    let line = [
        "evaluate",
        "faithfulness",
        "-m",
        &model,
        "--ground-truth",
        &truth,
        "--method",
        "gradient",
        "--method",
        "grad-cam",
        "--steps",
        "4",
        "--details",
        details.to_str().unwrap(),
        "--json",
    ];
    let first = json(&deepinside(line));
    let methods = first[0]["methods"].as_array().unwrap();
    // Two methods and three maps that know nothing of the network, the best first.
    assert_eq!((methods.len(), &methods[0]["behind_best"]["rate"]), (5, &0.0.into()));
    assert_eq!(std::fs::read_to_string(&details).unwrap().lines().count(), 2);
    assert_eq!(json(&deepinside(line))[0]["methods"], first[0]["methods"]);
    assert_eq!(std::fs::read_to_string(&details).unwrap().lines().count(), 2);
}
