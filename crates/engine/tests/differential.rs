//! Random small networks through plan, forward and backward pass, against a slow reference.

#[path = "differential/mod.rs"]
mod differential;

use deepinside_engine::Threads;

use crate::differential::{Outcome, compare};

#[test]
fn plans_compute_what_their_networks_say() {
    let threads = Threads::new(2).unwrap();
    let count: u64 = std::env::var("DEEPINSIDE_CASES").map_or(1500, |count| count.parse().unwrap());
    let near = (0..count).filter(|&seed| compare(&[], seed, &threads) == Outcome::NearTie).count();
    // Were they many, little would have been compared.
    assert!(near as u64 * 50 < count, "{near} of {count} are near ties");
}
