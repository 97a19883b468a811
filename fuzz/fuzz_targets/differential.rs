//! Small random networks through plan, forward and backward pass, against a slow reference.
#![no_main]

use std::sync::LazyLock;

use deepinside_engine::Threads;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/engine/tests/differential/mod.rs"]
mod differential;

static THREADS: LazyLock<Threads> = LazyLock::new(|| Threads::new(1).expect("a thread"));

fuzz_target!(|data: &[u8]| {
    differential::compare(data, 1, &THREADS);
});
