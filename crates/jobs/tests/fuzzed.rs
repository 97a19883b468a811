//! The checks of the fuzz targets, with seeds and damaged seeds.

#[path = "fuzzed/checks.rs"]
mod checks;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use replay::replay;

/// The format's reader panicked at files whose dictionaries are missing, and passed over pairs without bytes for minutes.
#[cfg(feature = "parquet")]
#[test]
fn parquet_files_are_read_or_refused() {
    replay("parquet", Some(("tests/fixtures", ".parquet")), checks::parquet);
}

#[test]
fn records_are_read_or_refused() {
    replay("record", None, |data| checks::record(&String::from_utf8_lossy(data)));
}

#[test]
fn tables_are_read_or_refused() {
    replay("table", None, checks::table);
}

#[test]
fn shards_are_read_or_refused() {
    replay("tar", None, checks::tar);
}
