//! Any bytes behind the signature of an HDF5 file, as Caffe weights: an error or numbers, never a panic.
#![no_main]

use bytes::Bytes;
use deepinside_caffe::read_weights_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = read_weights_bytes(Bytes::from([b"\x89HDF\r\n\x1a\n", data].concat()));
});
