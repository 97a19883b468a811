//! The messages of `proto/onnx.proto` as Rust types, generated (`crates/deepinside/tests/generated.rs`).

#![allow(missing_docs, reason = "generated; the meaning of the fields is ONNX's, their types say the rest")]
#![allow(clippy::doc_markdown)]

include!("../proto/onnx.rs");
