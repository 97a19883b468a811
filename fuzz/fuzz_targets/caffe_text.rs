//! Any bytes as a Caffe network description: an error or a network, never a panic.
#![no_main]

use deepinside_caffe::{ImportOptions, ReadOptions, import, read_network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(network) = read_network(data, &ReadOptions::default()) {
        let _ = import(&network, None, &ImportOptions::default());
    }
});
