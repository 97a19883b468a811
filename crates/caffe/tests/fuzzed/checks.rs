//! What holds of any bytes that pass for Caffe's files.

use bytes::Bytes;
use deepinside_caffe::{
    ImportOptions, ReadOptions, import, read_mean_bytes, read_network, read_weights_bytes,
};

/// As a network description: an error or a network, never a panic.
pub fn caffe_text(data: &[u8]) {
    if let Ok(network) = read_network(data, &ReadOptions::default()) {
        let _ = import(&network, None, &ImportOptions::default());
    }
}

/// As a file of weights and as a mean: an error or numbers, never a panic.
pub fn caffe_weights(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = read_weights_bytes(bytes.clone());
    let _ = read_mean_bytes(bytes);
}

/// Behind the signature of an HDF5 file, as weights: an error or numbers, never a panic.
#[allow(dead_code, reason = "the reader is behind a feature")]
pub fn hdf5(data: &[u8]) {
    let _ = read_weights_bytes(Bytes::from([b"\x89HDF\r\n\x1a\n", data].concat()));
}
