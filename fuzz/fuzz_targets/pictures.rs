//! Any bytes as a picture of any format: an error or a photograph, within memory in proportion to its pixels.
#![no_main]

use deepinside_vision::{Colour, LoadOptions, photograph};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = LoadOptions { maximum_pixels: 1 << 20, ..LoadOptions::default() };
    let _ = photograph::from_bytes(data, "fuzzed", Colour::Rgb, options);
});
