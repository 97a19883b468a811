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
    assert_eq!(deepinside::files::npy::read(&raw).unwrap().shape(), [427, 640]);
}

#[test]
fn every_method_gives_a_box_within_the_photograph_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("cat.png").to_string_lossy().into_owned();
    for method in deepinside::localise::Method::NAMES {
        let run = |threads: &str| {
            let arguments = ["localise", &example("cat.png"), "--method", method, "--threads", threads];
            json(&deepinside(arguments.into_iter().chain(["-o", &picture, "--json"])))[0]["boxes"].clone()
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
    for beyond in ["--smoothing=-1", "--smoothing=1e30", "--smoothing=NaN"] {
        assert!(refused(&[beyond]).contains("smoothing"), "{beyond}");
    }
    for noise in ["--noise=NaN", "--noise=inf", "--noise=-1"] {
        assert!(refused(&["--smooth-grad", "2", noise]).contains("noise"), "{noise}");
    }
    assert!(refused(&["--smooth-grad", "0"]).contains("at least one noisy copy"));
    for alone in ["--noise=0.2", "--seed=3"] {
        assert!(refused(&[alone]).contains("--smooth-grad"), "{alone}");
    }
    assert!(refused(&["--class", "285", "--top", "2"]).contains("--top"));
    for multiple in ["--mean-multiple=NaN", "--mean-multiple=-1", "--mean-multiple=inf"] {
        assert!(refused(&[multiple]).contains("multiple of the mean"), "{multiple}");
    }
    for strong in ["--strong=NaN", "--strong=-1", "--strong=1e9"] {
        assert!(refused(&["--method", "energy", strong]).contains("strongest"), "{strong}");
    }
    assert!(
        refused(&["--cut", "--foreground-quantile=0.2", "--background-quantile=0.8"]).contains("quantile")
    );
    for flag in ["--refinements=1", "--clamped=false", "--background-quantile=0.2", "--smoothness=9"] {
        assert!(refused(&["--method", "energy", flag]).contains("--cut"), "{flag}");
    }
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

/// Every result keeps the name it was given: no input is lost, no file holds another result than the one it is called after.
#[test]
fn results_neither_overwrite_inputs_nor_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let photograph = path("cat.png");
    std::fs::copy(example("cat.png"), &photograph).unwrap();
    let before = std::fs::read(&photograph).unwrap();
    let refused = |flags: &[&str]| {
        let output = deepinside([&["localise", &photograph, "--method", "mean"], flags].concat());
        assert!(!output.status.success(), "{flags:?}");
        stderr(&output)
    };
    assert!(refused(&["-o", &photograph]).contains("was read by this run"));
    assert!(refused(&["-o", &path("x.png"), "--mask", &path("x.png")]).contains("two results"));
    assert!(
        refused(&["-o", &path("x.png"), "--voc", &path("."), "--coco", &path("cat.xml")])
            .contains("two results")
    );
    assert!(refused(&["-o", &path("x.png"), "--record", &photograph]).contains("has read"));
    assert!(refused(&["-o", &path("x.jpg")]).contains("ends in .png"));
    assert!(refused(&["-o", &path("x.png"), "--raw", &path("x.txt")]).contains("ends in .npy"));
    assert!(refused(&[&example("rocket.jpg"), "-o", &path("both.png")]).contains("give a folder"));
    assert!(!Path::new(&path("both.png")).exists());
    assert_eq!(std::fs::read(&photograph).unwrap(), before);
}

/// COCO's area, run lengths and box are of one thing.
#[test]
fn the_mask_lies_in_the_box_and_methods_that_were_changed_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let run = |flags: &[&str]| {
        let files =
            ["localise", &example("rocket.jpg"), "-o", &path("x.png"), "--mask", &path("mask.png"), "--json"];
        json(&deepinside([&files, flags].concat())).remove(0)
    };
    let result = run(&[]);
    assert_eq!(result["method"], "default");
    let mask = deepinside::vision::photograph::load(
        path("mask.png"),
        deepinside::vision::Colour::Grey(deepinside::vision::GreyWeights::Bt601),
    )
    .unwrap();
    let edge = |index: usize| result["boxes"][0]["box"][index].as_f64().unwrap() as usize;
    let inside = |index: usize| {
        let (column, row) = (index % mask.width(), index / mask.width());
        (edge(0)..edge(2)).contains(&column) && (edge(1)..edge(3)).contains(&row)
    };
    let object: Vec<usize> = (0..mask.data().len()).filter(|&index| mask.data()[index] > 0.5).collect();
    assert!(object.len() > 1000 && object.iter().all(|&index| inside(index)), "{}", object.len());

    let changed = run(&["--method", "mean", "--mean-multiple", "1e9"]);
    assert_eq!(changed["method"], "mean (changed)");
    assert_eq!(changed["boxes"][0]["nothing_chosen"], true, "{changed}");
    assert_eq!(changed["boxes"][0]["box"], serde_json::json!([0.0, 0.0, 640.0, 427.0]));
    let all = ["--method", "paper", "--foreground-quantile", "1", "--background-quantile", "0"];
    assert_eq!(run(&all)["boxes"][0]["nothing_chosen"], true);
    assert_eq!(run(&["--method", "paper"])["boxes"][0]["nothing_chosen"], false);
    // A wide photograph has pixels that none of the ten crops shows.
    let wide = deepinside::drawing::Picture::new(60, 600, [90, 160, 20].repeat(36000)).unwrap();
    wide.write_png(path("wide.png")).unwrap();
    let output =
        deepinside(["localise", &path("wide.png"), "--crops", "ten", "-o", &path("y.png"), "--json"]);
    let share = json(&output)[0]["unseen"].as_f64().unwrap();
    assert!((0.2..0.8).contains(&share) && stderr(&output).contains("of the photograph unseen"), "{share}");
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
