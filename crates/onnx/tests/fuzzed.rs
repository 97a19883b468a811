//! The checks of the fuzz target, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn models_are_read_or_refused() {
    replay::replay("onnx", Some(("../cli/tests/fixtures/onnx", ".onnx")), checks::onnx);
}
