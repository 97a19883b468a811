//! What holds of any bytes that pass for an ONNX model.

use bytes::Bytes;
use deepinside_onnx::{ImportOptions, Model, import};

/// An error or a network, never a panic.
pub fn onnx(data: &[u8]) {
    if let Ok(model) = Model::from_bytes(Bytes::copy_from_slice(data)) {
        let _ = import(&model, &ImportOptions::default());
    }
}
