//! Any text as a list of classes; what must hold of it is a function that the crate's own tests use, too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/deepinside/tests/fuzzed/checks.rs"]
#[allow(dead_code, reason = "each target is one of the checks")]
mod checks;

fuzz_target!(|text: &str| checks::labels(text));
