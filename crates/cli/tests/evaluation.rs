//! `deepinside evaluate`, and the formats that `localise` writes and `evaluate` reads, on the built-in network.
#![cfg(feature = "builtin-model")]

mod support;

use std::path::{Path, PathBuf};

use support::{deepinside, json, stderr, stdout};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn example(name: &str) -> String {
    examples().join(name).to_string_lossy().into_owned()
}

/// What is found in two photographs, written in both formats into a folder.
fn found(folder: &Path) -> [String; 2] {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (coco, voc) = (path("found.json"), path("xml"));
    let output = deepinside([
        "localise",
        &example("cat.png"),
        &example("rocket.jpg"),
        "-o",
        &path("pictures/"),
        "--coco",
        &coco,
        "--voc",
        &voc,
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    [coco, voc]
}

/// Boxes that the program found are true by definition: whichever way they are read, it finds them again.
#[test]
fn boxes_in_foreign_formats_are_those_that_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = examples().to_string_lossy().into_owned();
    for truth in found(folder.path()) {
        let arguments = ["evaluate", "localisation", "--ground-truth", &truth, "--pictures", &pictures];
        let result = &json(&deepinside(arguments.into_iter().chain(["--json"])))[0];
        assert_eq!(result["images"], 2, "{truth}");
        assert_eq!(result["localisation"]["gt_known_error"], 0.0, "{truth}");
        assert_eq!(result["classification"]["top1_error"], 0.0, "{truth}");
        assert_eq!(result["constant_maps"], 0);
        let accuracy = &result["localisation"]["max_box_accuracy_v2"];
        assert!((0.0..=1.0).contains(&accuracy.as_f64().unwrap()), "{accuracy}");
        let arguments = ["evaluate", "classification", "--ground-truth", &truth, "--pictures", &pictures];
        let result = &json(&deepinside(arguments.into_iter().chain(["--json"])))[0];
        assert_eq!(result["classification"]["top1_error"], 0.0, "{truth}");
    }
}

#[test]
fn coco_files_hold_the_mask_and_what_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let [coco, voc] = found(folder.path());
    let dataset: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(coco).unwrap()).unwrap();
    let (images, annotations) =
        (dataset["images"].as_array().unwrap(), dataset["annotations"].as_array().unwrap());
    assert_eq!((images.len(), annotations.len()), (2, 2));
    assert_eq!(images[1]["file_name"], "rocket.jpg");
    for annotation in annotations {
        let known = |list: &str, id: &str| {
            dataset[list].as_array().unwrap().iter().any(|entry| entry["id"] == annotation[id])
        };
        assert!(known("images", "image_id") && known("categories", "category_id"));
        let counts = annotation["segmentation"]["counts"].as_array().unwrap();
        let runs: Vec<u64> = counts.iter().map(|count| count.as_u64().unwrap()).collect();
        let size = &annotation["segmentation"]["size"];
        assert_eq!(runs.iter().sum::<u64>(), size[0].as_u64().unwrap() * size[1].as_u64().unwrap());
        let inside: u64 = runs.iter().skip(1).step_by(2).sum();
        assert_eq!(annotation["area"].as_f64().unwrap(), inside as f64);
    }
    let text = std::fs::read_to_string(Path::new(&voc).join("cat.xml")).unwrap();
    assert!(text.contains("<filename>cat.png</filename>") && text.contains("<name>n0"), "{text}");
}

#[test]
fn classes_that_the_network_lacks_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let write = |categories: &str| {
        let text = format!(
            r#"{{"images": [{{"id": 1, "file_name": "cat.png", "width": 451, "height": 300}}], "categories": {categories},
                "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 90, 90]}},
                {{"id": 2, "image_id": 1, "category_id": 2, "bbox": [10, 10, 90, 90]}}]}}"#
        );
        std::fs::write(&path, text).unwrap();
        let pictures = examples().to_string_lossy().into_owned();
        deepinside([
            "evaluate",
            "pointing",
            "--ground-truth",
            &path.to_string_lossy(),
            "--pictures",
            &pictures,
        ])
    };
    let output = write(r#"[{"id": 1, "name": "tabby"}, {"id": 2, "name": "griffin"}]"#);
    assert!(
        stderr(&output).contains("1 objects of 1 classes ('griffin') are left out"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).contains("on 1 pictures"), "{}", stdout(&output));
    let output = write(r#"[{"id": 1, "name": "dragon"}, {"id": 2, "name": "griffin"}]"#);
    assert!(
        !output.status.success() && stderr(&output).contains("no picture that can be used"),
        "{}",
        stderr(&output)
    );
}

/// A network that was trained on keeps its name, and often its length.
#[test]
fn kept_results_of_a_network_that_was_written_anew_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (truth, details, network) = (path("truth.json"), path("details.jsonl"), path("shifted.prototxt"));
    let picture = serde_json::to_string(&example("cat.png")).unwrap();
    std::fs::write(
        &truth,
        format!(r#"[{{"file": {picture}, "width": 1, "height": 1, "class_index": 1, "boxes": []}}]"#),
    )
    .unwrap();
    let run = |shift: u8| {
        let layers = format!(
            r#"
            layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }} }} }}
            layer {{ name: "up" type: "Power" bottom: "data" top: "up" power_param {{ shift: {shift} }} }}
            layer {{ name: "mean" type: "Pooling" bottom: "up" top: "mean" pooling_param {{ pool: AVE global_pooling: true }} }}
            "#
        );
        std::fs::write(&network, layers).unwrap();
        let arguments = ["evaluate", "classification", "-m", &network, "--ground-truth", &truth];
        deepinside(arguments.into_iter().chain(["--details", &details]))
    };
    for _ in 0..2 {
        let output = run(5);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let refused = stderr(&run(6));
    assert!(refused.contains("other settings (model_files:"), "{refused}");
}

#[test]
fn a_stopped_evaluation_goes_on_and_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (truth, details) = (path("truth.json"), path("details.jsonl"));
    let entry = |name: &str, class: usize| {
        format!(
            r#"{{"file": {}, "width": 1, "height": 1, "class_index": {class}, "boxes": [[0.2, 0.2, 0.8, 0.9]]}}"#,
            serde_json::to_string(&example(name)).unwrap()
        )
    };
    std::fs::write(&truth, format!("[{}, {}]", entry("cat.png", 285), entry("rocket.jpg", 657))).unwrap();
    let run = |method: &str| {
        let arguments = ["evaluate", "localisation", "--ground-truth", &truth, "--method", method];
        let reports =
            ["--csv", &path("table.csv"), "--markdown", &path("table.md"), "--html", &path("report.html")];
        let more = ["--details", &details, "--versus", method, "--json"];
        deepinside(arguments.into_iter().chain(reports).chain(more))
    };
    let first = json(&run("grad-cam"))[0].clone();
    // A method does not differ from itself.
    assert_eq!(first["versus"]["gt_known_error_difference"]["interval95"], serde_json::json!([0.0, 0.0]));
    // Only the first picture is kept, and what it says is believed: its box is not computed again.
    let text = std::fs::read_to_string(&details).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    let mut kept: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    kept["overlap"] = 0.987.into();
    kept["rank"] = 77.into();
    std::fs::write(&details, format!("{}\n{kept}\n{}", lines[0], &lines[2][..20])).unwrap();
    let second = json(&run("grad-cam"))[0].clone();
    assert_eq!(std::fs::read_to_string(&details).unwrap().lines().count(), 3);
    assert!(second["classification"]["top5_error"].as_f64().unwrap() >= 0.5);
    let refused = run("mean");
    assert!(
        !refused.status.success() && stderr(&refused).contains("other settings (how:"),
        "{}",
        stderr(&refused)
    );
    // Other boxes of the same picture: what is kept is not theirs.
    let moved =
        std::fs::read_to_string(&truth).unwrap().replacen("0.2, 0.2, 0.8, 0.9", "0.0, 0.0, 0.1, 0.1", 1);
    std::fs::write(&truth, moved).unwrap();
    let third = json(&run("grad-cam"))[0].clone();
    assert!(third["localisation"]["gt_known_error"].as_f64().unwrap() >= 0.5, "{third}");
    assert_eq!(std::fs::read_to_string(&details).unwrap().lines().count(), 4);
    let csv = std::fs::read_to_string(path("table.csv")).unwrap();
    assert!(csv.starts_with("measure,value,low95,high95\n") && csv.contains("\ngt_known_error,"), "{csv}");
    assert!(std::fs::read_to_string(path("table.md")).unwrap().contains("| box of the known class |"));
    let report = std::fs::read_to_string(path("report.html")).unwrap();
    assert!(report.contains("data:image/png;base64,") && report.trim_end().ends_with("</html>"));
    assert!(!report.contains("http://") && !report.contains("https://"), "the report needs no other file");
}

#[test]
fn lists_that_mean_nothing_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let good = r#"[{"file": "a.png", "width": 4, "height": 3, "class_index": 7, "boxes": [[0, 1, 2.5, 3]], "more": 1}]"#;
    for (text, reason) in [
        ("[]".to_owned(), "lists no picture"),
        ("nonsense".to_owned(), "no list of pictures"),
        ("{}".to_owned(), "no COCO file"),
        (good.replace("2.5", "-1"), "left < right"),
        (good.replace("[[0, 1, 2.5, 3]]", "[]"), "at least one box"),
        (good.replace("\"width\": 4", "\"width\": 0"), "needs a size"),
        // Wholly outside of the picture.
        (good.replace("[[0, 1, 2.5, 3]]", "[[9, 1, 12, 3]]"), "within the picture"),
        (good.replace("2.5", "1e308"), "1 boxes reach beyond"),
        (good.to_owned(), "a.png"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let output = deepinside(["evaluate", "localisation", "--ground-truth", &path.to_string_lossy()]);
        assert!(!output.status.success() && stderr(&output).contains(reason), "{text}: {}", stderr(&output));
    }
    let output = deepinside(["evaluate", "localisation", "--ground-truth", &folder.path().to_string_lossy()]);
    assert!(stderr(&output).contains("this one has none"), "{}", stderr(&output));
}
