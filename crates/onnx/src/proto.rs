//! The messages of `proto/onnx.proto` as Rust types, generated at build time.

#![allow(missing_docs, reason = "generated; the meaning of the fields is ONNX's, their types say the rest")]
#![allow(clippy::doc_markdown)]

include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
