//! The checks of the fuzz targets, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn descriptions_are_read_or_refused() {
    replay("caffe_text", Some(("tests/fixtures", ".prototxt")), checks::caffe_text);
}

#[test]
fn weights_and_means_are_read_or_refused() {
    replay("caffe_weights", Some(("tests/fixtures", ".caffemodel")), checks::caffe_weights);
    replay("caffe_weights", Some(("tests/fixtures/mean", ".binaryproto")), checks::caffe_weights);
}

#[cfg(feature = "hdf5")]
#[test]
fn weights_in_hdf5_are_read_or_refused() {
    replay("hdf5", Some(("tests/fixtures", ".h5")), |data| checks::hdf5(data.get(8..).unwrap_or_default()));
}
