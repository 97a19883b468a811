//! Uploaded models are opened in a process of their own first, whose death is an answer.

#![cfg(unix)]

mod support;

use std::time::{Duration, Instant};

use deepinside_server::{Limits, ServerOptions, Trial};
use serde_json::json;
use support::{Reply, Running, fixtures, options};

/// A server whose models are tried by a shell script.
fn with_trial(script: &str) -> Running {
    let trial = Trial { program: "/bin/sh".into(), arguments: ["-c", script, "sh"].map(Into::into).to_vec() };
    let limits = Limits { job_time: Duration::from_secs(2), ..options().limits };
    Running::with(ServerOptions { allow_model_upload: true, trial: Some(trial), limits, ..options() })
}

fn upload(server: &Running) -> Reply {
    let onnx = std::fs::read(fixtures().join("onnx/shuffle/model.onnx")).unwrap();
    server.post_bytes("/api/v1/models?name=mine", "application/octet-stream", &onnx)
}

#[test]
fn a_process_that_dies_is_a_refusal() {
    for script in ["kill -9 $$", "cat >/dev/null; kill -ABRT $$", "exit 101", "exit 1"] {
        let server = with_trial(script);
        let refused = upload(&server).refused(422, "unfit");
        assert!(refused.starts_with("a process that was to open this model came to its end"), "{refused}");
        assert_eq!(server.get("/api/v1/models").json().as_array().unwrap().len(), 2);
        server.post("/api/v1/classify", &json!({"photograph": "example-cat"})).ok();
    }
}

#[test]
fn what_the_process_says_is_the_refusal() {
    let server = with_trial("cat >/dev/null; echo 'node 3 is no node'; exit 1");
    assert_eq!(upload(&server).refused(422, "unfit"), "node 3 is no node");
    // However much it says, as of a node whose name is long.
    let server = with_trial("cat >/dev/null; yes node | head -c 2000000 || exit 0; exit 1");
    // The first 4096 bytes of it, shortened as every sentence: 3700 and 300 of them are shown.
    let refused = upload(&server).refused(422, "unfit");
    assert!(refused.contains(" … (96 characters left out) … "), "{refused}");
    assert_eq!(refused.len(), 3700 + 34 + 300);
}

#[test]
fn a_process_that_never_ends_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let number = folder.path().join("number");
    let server = with_trial(&format!("echo $$ > {}; while :; do sleep 0.05; done", number.display()));
    upload(&server).refused(504, "too_long");
    let number = std::fs::read_to_string(number).unwrap();
    let start = Instant::now();
    while std::path::Path::new("/proc").join(number.trim()).exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "process {number} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process is given the model, and its bounds: those of all uploaded models and of a run, 1 GiB more, and the time of a job.
#[test]
fn a_process_that_opens_the_model_lets_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("given");
    let server = with_trial(&format!("cat > {0}; echo $1 $2 > {0}.bounds", given.display()));
    upload(&server).ok();
    let onnx = std::fs::read(fixtures().join("onnx/shuffle/model.onnx")).unwrap();
    assert!(std::fs::read(&given).unwrap() == onnx);
    let bounds = std::fs::read_to_string(folder.path().join("given.bounds")).unwrap();
    assert_eq!(bounds.trim(), format!("{} 2", 4u64 << 30));
}
