//! What holds of any bytes that pass for pictures.

use deepinside_vision::{Colour, LoadOptions, photograph};

/// As a picture of any format: an error or a photograph that is no larger than allowed.
pub fn pictures(data: &[u8]) {
    read(data, 1 << 20);
}

/// Behind the marker that a JPEG file begins with: the same.
pub fn jpeg(data: &[u8]) {
    read(&[&[0xff, 0xd8], data].concat(), 1 << 18);
}

fn read(bytes: &[u8], maximum_pixels: u64) {
    let options = LoadOptions { maximum_pixels, ..LoadOptions::default() };
    if let Ok(photograph) = photograph::from_bytes(bytes, "fuzzed", Colour::Rgb, options) {
        assert!(photograph.width() as u64 * photograph.height() as u64 <= maximum_pixels);
    }
}
