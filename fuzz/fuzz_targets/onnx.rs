//! Any bytes as an ONNX model: an error or a network, never a panic.
#![no_main]

use bytes::Bytes;
use deepinside_onnx::{ImportOptions, Model, import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = Model::from_bytes(Bytes::copy_from_slice(data)) {
        let _ = import(&model, &ImportOptions::default());
    }
});
