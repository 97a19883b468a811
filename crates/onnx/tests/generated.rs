//! `proto/onnx.rs` is what the schema says: Rust types through prost, whose fields of bytes become slices of the file. It is
//! kept, so that a build needs no compiler of schemas.

use std::{env, fs, path::Path};

/// Compares a kept file with what it should be, or writes it when `GENERATE` is set.
fn kept(name: &str, expected: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto").join(name);
    if env::var_os("GENERATE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let is = fs::read(&path).unwrap_or_default();
    assert!(is == expected, "proto/{name} is not what proto/onnx.proto gives: run this test with GENERATE=1");
}

#[test]
fn what_is_generated_follows_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([folder]).unwrap();
    compiler.open_file("onnx.proto").unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut config = prost_build::Config::new();
    config.bytes(["."]).out_dir(out.path()).compile_fds(compiler.file_descriptor_set()).unwrap();
    kept("onnx.rs", &fs::read(out.path().join("onnx.rs")).unwrap());
}
