//! `deepinside localise` and `deepinside evaluate localisation`, on the built-in network.
#![cfg(feature = "builtin-model")]

mod support;

use std::path::Path;

use support::{deepinside, json, stderr, stdout};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    path.to_string_lossy().into_owned()
}

#[test]
fn the_rocket_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (picture, mask, raw) = (path("rocket.png"), path("mask.png"), path("map.npy"));
    let arguments = ["localise", &example("rocket.jpg"), "--top", "2", "--json"];
    let files = ["-o", &picture, "--mask", &mask, "--raw", &raw];
    let result = &json(&deepinside(arguments.iter().copied().chain(files)))[0];
    let boxes = result["boxes"].as_array().unwrap();
    assert_eq!(boxes.len(), 2);
    let edges: Vec<f64> =
        boxes[0]["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
    // The rocket stands at columns 310 to 336 and rows 127 to 400 of 640 × 427.
    assert!(edges[0] < 312.0 && edges[2] > 330.0 && edges[1] < 250.0 && edges[3] > 250.0, "{edges:?}");
    assert!(boxes[0]["name"].is_string() && boxes[0]["index"].is_u64() && boxes[0]["score"].is_f64());
    assert!(Path::new(&picture).is_file() && Path::new(&mask).is_file());
    assert_eq!(deepinside::vision::npy::read(&raw).unwrap().shape(), [427, 640]);
}

#[test]
fn every_method_gives_a_box_within_the_photograph_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("cat.png").to_string_lossy().into_owned();
    for method in deepinside::localise::Method::NAMES {
        let run = |threads: &str| {
            let arguments = ["localise", &example("cat.png"), "--method", method, "--threads", threads];
            let output = ["-o", &picture, "--json", "--refinements", "1"];
            json(&deepinside(arguments.into_iter().chain(output)))[0]["boxes"].clone()
        };
        let boxes = run("1");
        assert_eq!(boxes, run("2"), "{method}");
        let edge = |index: usize| boxes[0]["box"][index].as_f64().unwrap();
        assert!(edge(0) < edge(2) && edge(1) < edge(3) && edge(2) <= 451.0 && edge(3) <= 300.0, "{boxes}");
    }
}

/// Figure 3 of the paper: a twentieth of the pixels is surely the object, three tenths are surely not.
#[test]
fn markers_are_blue_cyan_and_red() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let arguments = ["localise", &example("cat.png"), "--method", "paper-literal", "-o", &path("cat.png")];
    assert!(deepinside(arguments.into_iter().chain(["--markers", &path("markers.png")])).status.success());
    let load = |path: &str| {
        deepinside::vision::photograph::load(path, deepinside::vision::Colour::Rgb).unwrap().data().to_vec()
    };
    let (marked, plain) = (load(&path("markers.png")), load(&example("cat.png")));
    // A marker's colour covers 55 %: the rest is the photograph's.
    let mut counts = [0; 3];
    for (marked, plain) in marked.chunks_exact(3).zip(plain.chunks_exact(3)) {
        let colour: Vec<f32> = marked.iter().zip(plain).map(|(m, p)| (m - 0.45 * p) / 0.55).collect();
        let kind = if colour[0] > 0.5 {
            2
        } else if colour[1] > 0.5 {
            1
        } else {
            0
        };
        counts[kind] += 1;
    }
    let pixels = (marked.len() / 3) as f64;
    let shares = counts.map(|count| f64::from(count) / pixels);
    assert!((shares[0] - 0.05).abs() < 0.01 && (shares[1] - 0.30).abs() < 0.01, "{shares:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |flags: &[&str]| {
        let output = deepinside([&["localise", &example("cat.png")], flags].concat());
        assert!(!output.status.success(), "{flags:?}");
        stderr(&output)
    };
    assert!(refused(&["--method", "magic"]).contains("paper"));
    assert!(refused(&["--energy", "1.5"]).contains("between 0 and 1"));
    assert!(refused(&["--cut", "--foreground-quantile=-0.5"]).contains("quantile"));
    assert!(refused(&["--smoothing=-1"]).contains("deviation"));
    assert!(refused(&["--cut", "--smoothness=-5"]).contains("border"));
    assert!(refused(&["--cut", "--saliency-weight=1", "--neutral=0"]).contains("mean"));
    assert!(refused(&["--top", "0"]).contains("--top"));
    assert!(refused(&["--markers", "markers.png"]).contains("--cut"));
    assert!(refused(&["--overlap=-1"]).contains("multiple of the mean"));
    assert!(refused(&["--method", "mean", "--layer", "x"]).contains("--cam"));
    assert!(refused(&["--method", "grad-cam", "--layer", "no-such-layer"]).contains("no value named"));
    assert!(
        refused(&["--cut", "--rules", "gradient", "--cam", "none", "--method", "grad-cam", "--layer", "x"])
            .contains("--cam")
    );
}

#[test]
fn errors_are_counted_against_known_boxes() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("truth.json");
    let entry = |name: &str, class: usize, bounds: &str| {
        let file = serde_json::to_string(&example(name)).unwrap();
        format!(
            r#"{{"file": {file}, "width": 640, "height": 427, "class_index": {class}, "boxes": [{bounds}]}}"#
        )
    };
    // 657 is "missile", 744 "projectile"; nothing lies in the corner.
    let rocket = entry("rocket.jpg", 657, "[200, 60, 440, 427]");
    let corner = entry("rocket.jpg", 657, "[0, 0, 20, 20]");
    std::fs::write(&list, format!("[{rocket}, {corner}]")).unwrap();
    let details = folder.path().join("details.jsonl");
    let list = list.to_string_lossy().into_owned();
    let arguments = ["evaluate", "localisation", "--ground-truth", &list, "--method", "mean", "--json"];
    let more = ["--details", &details.to_string_lossy()];
    let result = &json(&deepinside(arguments.into_iter().chain(more)))[0];
    assert_eq!(result["images"], 2);
    assert_eq!(result["method"], "mean");
    let known = result["localisation"]["gt_known_error"].as_f64().unwrap();
    assert!(known >= 0.5, "the corner cannot be found: {known}");
    assert_eq!(result["classification"]["top5_error"], 0.0);
    for key in ["top1_error", "top5_error"] {
        assert!(result["localisation"][key].as_f64().unwrap() >= known);
    }
    assert!(result["pointing"]["hit_rate"].as_f64().unwrap() <= 0.5);
    assert!(result["seconds_per_image"].as_f64().unwrap() > 0.0);
    let lines = std::fs::read_to_string(details).unwrap();
    assert_eq!(lines.lines().count(), 3, "settings, and a line for each picture");
    // For people.
    let table = stdout(&deepinside(arguments.into_iter().filter(|argument| *argument != "--json")));
    assert!(table.contains("box of the known class"), "{table}");

    std::fs::write(&list, "[]").unwrap();
    let refused = deepinside(["evaluate", "localisation", "--ground-truth", &list]);
    assert!(!refused.status.success() && stderr(&refused).contains("lists no picture"));
}
