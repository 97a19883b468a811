//! `proto/caffe.rs` and `proto/caffe.bin` are what the schema says: Rust types through prost, and the descriptors that the
//! reader of the text format looks field names up in. They are kept, so that a build needs no compiler of schemas.

use std::{env, fs, path::Path};

/// Compares a kept file with what it should be, or writes it when `GENERATE` is set.
fn kept(name: &str, expected: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto").join(name);
    if env::var_os("GENERATE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let is = fs::read(&path).unwrap_or_default();
    assert!(
        is == expected,
        "proto/{name} is not what proto/caffe.proto gives: run this test with GENERATE=1"
    );
}

#[test]
fn what_is_generated_follows_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([folder]).unwrap();
    compiler.open_file("caffe.proto").unwrap();
    kept("caffe.bin", &compiler.encode_file_descriptor_set());
    let out = tempfile::tempdir().unwrap();
    let mut config = prost_build::Config::new();
    config.out_dir(out.path()).compile_fds(compiler.file_descriptor_set()).unwrap();
    kept("caffe.rs", &fs::read(out.path().join("caffe.rs")).unwrap());
}
