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
