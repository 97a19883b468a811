//! Any text as what is known of pictures (a list or a COCO file): an error, or boxes that are some.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use deepinside::evaluation::ground_truth;
use deepinside::{Model, Settings};
use libfuzzer_sys::fuzz_target;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let onnx = include_bytes!("../../crates/cli/tests/fixtures/onnx/shuffle/model.onnx");
    Model::from_onnx(onnx.as_slice().into(), "fuzzed", Settings::default()).expect("a network")
});
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("deepinside-fuzz-{}.json", std::process::id())));

fuzz_target!(|text: &str| {
    std::fs::write(&*FILE, text).expect("a file");
    if let Ok(truth) = ground_truth(&FILE, None, &MODEL) {
        assert!(!truth.objects.is_empty());
        for object in &truth.objects {
            assert!(object.class_index < MODEL.score.classes);
            assert!(object.boxes.iter().flatten().all(|number| number.is_finite()));
        }
    }
});
