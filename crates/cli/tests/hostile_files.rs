//! Files that have no end, or are mostly holes: refused at once.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{fixtures, stderr};

/// Runs a command that has to be refused within a few seconds; gives the sentence.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let start = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_deepinside"));
    let mut child = program
        .current_dir(folder)
        .args(arguments)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!("{arguments:?} still runs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// Zeros behind a network were walked through one by one, and took memory as far as there was any.
#[cfg(unix)]
#[test]
fn holes_in_files_are_not_walked_through() {
    let folder = tempfile::tempdir().unwrap();
    let hole = |name: &str, begins: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, begins).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_len(20 << 30).unwrap();
    };
    let network = std::fs::read(fixtures().join("onnx/residual/model.onnx")).unwrap();
    hole("a.onnx", b"");
    hole("b.onnx", &network);
    hole("c.prototxt", b"name: \"x\"");
    hole("d.txt", b"cat");
    hole("e.jpg", b"\xff\xd8");
    hole("f.caffemodel", b"");
    std::fs::write(folder.path().join("n.prototxt"), "name: \"x\"\n").unwrap();
    for arguments in [
        &["info", "-m", "a.onnx"][..],
        &["info", "-m", "b.onnx"],
        &["info", "-m", "c.prototxt"],
        &["info", "-m", "d.txt"],
        &["info", "-m", "n.prototxt", "--weights", "f.caffemodel"],
        &["classify", "e.jpg", "-m", "b.onnx"],
        &["replay", "d.txt"],
    ] {
        refused(folder.path(), arguments);
    }
}

/// The kernel's messages are a file without a length, at which a reader waits for the next message.
#[cfg(target_os = "linux")]
#[test]
fn files_without_an_end_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let network = fixtures().join("onnx/residual/model.onnx");
    std::fs::write(folder.path().join("n.prototxt"), "name: \"x\"\n").unwrap();
    for arguments in [
        &["info", "-m", "/proc/kmsg"][..],
        &["info", "-m", "n.prototxt", "--weights", "/proc/kmsg"],
        &["classify", "/proc/kmsg", "-m", network.to_str().unwrap()],
        &["info", "-m", network.to_str().unwrap(), "--labels", "/proc/kmsg"],
        &["replay", "/proc/kmsg"],
    ] {
        refused(folder.path(), arguments);
    }
}

/// Shards and tables of what is true that others made may be pipes, or name some, and were waited for; a description of arrays was read in
/// whole, however long it was.
#[cfg(unix)]
#[test]
fn pipes_in_the_place_of_files_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let network = fixtures().join("onnx/residual/model.onnx").to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("shard")).unwrap();
    for name in ["picture.jpg", "shard/journal.jsonl", "atlas.json"] {
        assert!(Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap().success());
    }
    let truth =
        r#"[{"file": "picture.jpg", "width": 8, "height": 8, "class_index": 1, "boxes": [[0, 0, 7, 7]]}]"#;
    std::fs::write(folder.path().join("truth.json"), truth).unwrap();
    for arguments in [
        &["batch", "merge", "shard", "--out", "c"][..],
        &[
            "evaluate",
            "classification",
            "--ground-truth",
            "truth.json",
            "-m",
            &network,
            "--details",
            "d.jsonl",
        ],
        &["atlas", "--classes", "1", "--folder", ".", "-m", &network, "-o", "atlas.png"],
    ] {
        let sentence = refused(folder.path(), arguments);
        assert!(sentence.contains("it is not a regular file"), "{arguments:?}: {sentence}");
    }
}

/// Each of a hundred thousand results was compared with each.
#[test]
fn a_network_of_very_many_results_is_asked_for_its_score() {
    let folder = tempfile::tempdir().unwrap();
    let tops: String = (0..20_000).map(|index| format!("top: \"r{index}\" ")).collect();
    let text = format!(
        "input: \"data\" input_shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }} layer {{ name: \"split\" type: \"Split\" bottom: \"data\" {tops} }}"
    );
    std::fs::write(folder.path().join("n.prototxt"), text).unwrap();
    let told = refused(folder.path(), &["info", "-m", "n.prototxt"]);
    assert!(told.contains("20000 results that may be its scores; name the score with --score"), "{told}");
}

/// Two hundred bytes with a score of 134 million classes took minutes and gigabytes, for each class has a name and a rank.
#[test]
fn a_network_of_very_many_classes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let network = fixtures().join("hostile/many_classes.onnx").to_string_lossy().into_owned();
    let sentence = refused(folder.path(), &["info", "-m", &network]);
    assert!(sentence.contains("has 134217728 classes"), "{sentence}");
}

/// Files of a kilobyte whose activations take gigabytes, or whose layers take minutes, were run: an enlargement to 400 million numbers, many layers that
/// share a filter of one number, or are functions of something large. A limit of memory that is given is the only one.
#[test]
fn what_a_network_takes_is_in_proportion_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let picture = fixtures().join("../../../../examples/cat.png").to_string_lossy().into_owned();
    for (name, told) in [
        ("enlarged", "billion operations for a picture"),
        ("shared_filters", "billion operations for a picture"),
        ("sines", "billion operations for a picture"),
    ] {
        let network = fixtures().join(format!("hostile/{name}.onnx")).to_string_lossy().into_owned();
        for command in ["classify", "saliency"] {
            let sentence = refused(folder.path(), &[command, &picture, "-m", &network]);
            assert!(sentence.contains(told), "{name}: {sentence}");
        }
    }
    let network = fixtures().join("hostile/shared_filters.onnx").to_string_lossy().into_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_deepinside"))
        .args(["classify", &picture, "-m", &network, "--memory-limit", "300"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The lines around a fault were drawn, however long they were: the drawing of one of more than 65,535 characters ended in a panic.
#[test]
fn a_fault_in_a_very_long_line_is_told_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = r#"input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } "#;
    let layer = r#"layer { name: "gp" type: "Pooling" bottom: "c" top: "gp" pooling_param { pool: AVE global_pooling: true } }"#;
    for length in [100, 70_000] {
        std::fs::write(folder.path().join("n.prototxt"), [input, &" ".repeat(length), layer].concat())
            .unwrap();
        let sentence = refused(folder.path(), &["info", "-m", "n.prototxt", "--random-weights", "1"]);
        assert!(sentence.contains("layer 'gp' (Pooling, line 1)"), "{sentence}");
        assert!(sentence.len() < 2000, "{} characters", sentence.len());
    }
}

/// Their numbers were made before they were counted, in 4.6 GB, and pictures of 20,000 × 20,000 pixels before the first layer.
#[test]
fn random_weights_are_counted_before_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let network = |side: usize, outputs: usize| {
        format!(
            r#"input: "data" input_shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }}
            layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param {{ pool: AVE global_pooling: true }} }}
            layer {{ name: "a" type: "InnerProduct" bottom: "p" top: "a" inner_product_param {{ num_output: {outputs} }} }}
            layer {{ name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param {{ num_output: 1000 }} }}"#
        )
    };
    for (side, outputs, told) in [(8, 1_000_000, "fills 1004001000 weights"), (20_000, 5, "needs 4577 MB")] {
        std::fs::write(folder.path().join("n.prototxt"), network(side, outputs)).unwrap();
        let sentence = refused(folder.path(), &["info", "-m", "n.prototxt", "--random-weights", "1"]);
        assert!(sentence.contains(told), "{sentence}");
    }
}
