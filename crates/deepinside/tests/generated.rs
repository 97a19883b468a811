//! What is generated from the schemas of Caffe and ONNX is kept beside them, so that a build needs no compiler of schemas: Rust
//! types through prost, and for Caffe the descriptors that the reader of the text format looks field names up in. This is a test
//! that it is what the schemas say.

use std::{env, fs, path::Path};

/// Compares a kept file with what it should be, or writes it when `GENERATE` is set.
fn kept(path: &Path, expected: &[u8]) {
    if env::var_os("GENERATE").is_some() {
        fs::write(path, expected).unwrap();
    }
    let is = fs::read(path).unwrap_or_default();
    assert!(is == expected, "{} is not what its schema gives: run this test with GENERATE=1", path.display());
}

#[test]
fn what_is_generated_follows_the_schemas() {
    // Fields of bytes are slices of the file in ONNX's types; Caffe's are read without them.
    for (name, slices, descriptors) in [("caffe", &[][..], true), ("onnx", &["."][..], false)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("proto");
        let mut compiler = protox::Compiler::new([&folder]).unwrap();
        compiler.open_file(format!("{name}.proto")).unwrap();
        let out = tempfile::tempdir().unwrap();
        let mut config = prost_build::Config::new();
        config.bytes(slices).out_dir(out.path()).compile_fds(compiler.file_descriptor_set()).unwrap();
        let types = format!("{name}.rs");
        kept(&folder.join(&types), &fs::read(out.path().join(&types)).unwrap());
        if descriptors {
            kept(&folder.join(format!("{name}.bin")), &compiler.encode_file_descriptor_set());
        }
    }
}
