//! The checks of the fuzz targets, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn pictures_are_read_or_refused() {
    replay("pictures", Some(("tests/fixtures", ".png")), checks::pictures);
}

#[test]
fn photographs_of_jpeg_are_read_or_refused() {
    replay("jpeg", Some(("tests/fixtures", ".jpg")), |data| checks::jpeg(data.get(2..).unwrap_or_default()));
}
