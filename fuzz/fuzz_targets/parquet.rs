//! Any bytes as a Parquet file of photographs; what must hold of it is a function that the crate's own tests use, too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/jobs/tests/fuzzed/checks.rs"]
#[allow(dead_code, reason = "each target is one of the checks")]
mod checks;

// Panics of the format's reader are caught and answered; only those that leave the check are found.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |data: &[u8]| checks::parquet(data));
