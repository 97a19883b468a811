//! Any bytes as a file of Caffe weights and as a mean: an error or numbers, never a panic.
#![no_main]

use bytes::Bytes;
use deepinside_caffe::{read_mean_bytes, read_weights_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let _ = read_weights_bytes(bytes.clone());
    let _ = read_mean_bytes(bytes);
});
