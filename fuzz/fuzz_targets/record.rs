//! Any text as the record of a run: an error, or a record that is the same when it is written and read.
#![no_main]

use std::path::Path;

use deepinside_jobs::record::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(record) = Record::parse(text, Path::new("fuzzed")) {
        let again = serde_json::to_string(&record).expect("a record is JSON");
        let again = Record::parse(&again, Path::new("fuzzed")).expect("what was read is read again");
        assert_eq!(serde_json::to_value(&again).ok(), serde_json::to_value(&record).ok());
    }
});
