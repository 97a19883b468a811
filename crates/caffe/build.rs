//! Compiles `proto/caffe.proto` without `protoc`: Rust types through prost, and the descriptors that the reader of the
//! text format looks field names up in.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/caffe.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.open_file("caffe.proto")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("caffe.bin"), compiler.encode_file_descriptor_set())?;
    prost_build::Config::new().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
