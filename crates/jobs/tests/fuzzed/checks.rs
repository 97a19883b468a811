//! What holds of any bytes that pass for a data set or a record.

use std::io::empty;
use std::path::{Path, PathBuf};

use deepinside_jobs::input::{InputOptions, Inputs, Reader, Selection};
use deepinside_jobs::record::Record;

/// As the record of a run: an error, or a record that is the same when it is written and read.
pub fn record(text: &str) {
    if let Ok(record) = Record::parse(text, Path::new("fuzzed")) {
        let again = serde_json::to_string(&record).expect("a record is JSON");
        let again = Record::parse(&again, Path::new("fuzzed")).expect("what was read is read again");
        assert_eq!(serde_json::to_value(&again).ok(), serde_json::to_value(&record).ok());
    }
}

/// As a WebDataset shard: an error, or photographs of which each is read or refused.
pub fn tar(data: &[u8]) {
    for bytes in gathered(data, "tar") {
        assert!(bytes.len() <= data.len(), "{} bytes of {}", bytes.len(), data.len());
    }
}

/// As a Parquet file: the same. Its pages are compressed, some two thousand times at the most that its codecs can.
#[allow(dead_code, reason = "the reader is behind a feature")]
pub fn parquet(data: &[u8]) {
    for bytes in gathered(data, "parquet") {
        assert!(bytes.len() <= data.len().saturating_mul(2000), "{} bytes of {}", bytes.len(), data.len());
    }
}

/// As a table, and as a list of paths: an error, or photographs, of which none is there.
pub fn table(data: &[u8]) {
    gathered(data, "csv");
    let options = InputOptions { root: Some(nowhere()), ..InputOptions::default() };
    let _ = Inputs::gather(&["-".into()], &options, Selection::default(), &mut &*data);
}

fn nowhere() -> PathBuf {
    std::env::temp_dir().join("there is no such folder")
}

/// The first photographs that can be read.
fn gathered(data: &[u8], ending: &str) -> Vec<Vec<u8>> {
    // Tests of one process run at the same time.
    let file = std::env::temp_dir().join(format!("deepinside-fuzzed-{}.{ending}", std::process::id()));
    std::fs::write(&file, data).expect("a file");
    let options = InputOptions {
        target_column: Some("cls".to_owned()),
        root: Some(nowhere()),
        ..InputOptions::default()
    };
    let names = [file.clone().into_os_string()];
    let inputs = Inputs::gather(&names, &options, Selection::default(), &mut empty()).unwrap_or_default();
    let mut reader = Reader::default();
    let read = inputs.items.iter().take(20).filter_map(|item| reader.read(item).ok()).collect();
    std::fs::remove_file(&file).expect("the file that was written");
    read
}
