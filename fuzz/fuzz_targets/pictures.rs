//! Any bytes as a picture of any format; what must hold of it is a function that the crate's own tests use, too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/vision/tests/fuzzed/checks.rs"]
#[allow(dead_code, reason = "each target is one of the checks")]
mod checks;

fuzz_target!(|data: &[u8]| checks::pictures(data));
