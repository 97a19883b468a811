//! Any bytes as a Parquet file: an error, or photographs of which each is read or refused.
#![no_main]

use std::io::empty;
use std::path::PathBuf;
use std::sync::LazyLock;

use deepinside_jobs::input::{InputOptions, Inputs, Reader, Selection};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("deepinside-fuzz-{}.parquet", std::process::id())));

fuzz_target!(|data: &[u8]| {
    std::fs::write(&*FILE, data).expect("a file");
    let options = InputOptions { target_column: Some("cls".to_owned()), ..InputOptions::default() };
    let names = [FILE.clone().into_os_string()];
    if let Ok(inputs) = Inputs::gather(&names, &options, Selection::default(), &mut empty()) {
        let mut reader = Reader::default();
        for item in inputs.items.iter().take(20) {
            if let Ok(bytes) = reader.read(item) {
                assert!(bytes.len() <= data.len().saturating_mul(2000), "{} bytes", bytes.len());
            }
        }
    }
});
