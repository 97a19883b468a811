//! Any bytes as a table and as a list of photographs; what must hold of it is a function that the crate's own tests use, too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/jobs/tests/fuzzed/checks.rs"]
#[allow(dead_code, reason = "each target is one of the checks")]
mod checks;

fuzz_target!(|data: &[u8]| checks::table(data));
