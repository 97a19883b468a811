//! Any bytes behind the marker that a JPEG file begins with.
#![no_main]

use deepinside_vision::{Colour, LoadOptions, photograph};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = [&[0xff, 0xd8], data].concat();
    let options = LoadOptions { maximum_pixels: 1 << 18, ..LoadOptions::default() };
    let _ = photograph::from_bytes(&bytes, "fuzzed", Colour::Rgb, options);
});
