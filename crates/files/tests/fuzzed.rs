//! The checks of the fuzz target, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn arrays_of_numpy_are_read_or_refused() {
    replay::replay("npy", Some(("tests/fixtures", ".npy")), checks::npy);
}
