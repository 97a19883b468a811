//! The checks of the fuzz targets, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[track_caller]
fn replay(target: &str, check: fn(&str)) {
    replay::replay(target, None, |data| check(&String::from_utf8_lossy(data)));
}

#[test]
fn annotations_are_read_or_refused() {
    replay("annotation", checks::annotation);
}

#[test]
fn ground_truth_is_read_or_refused() {
    replay("ground_truth", checks::ground_truth);
}

#[test]
fn lists_of_classes_are_read() {
    replay("labels", checks::labels);
}
