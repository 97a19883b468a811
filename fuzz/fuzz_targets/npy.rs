//! Any bytes as a NumPy array: an error or an array of as many numbers as its shape says.
#![no_main]

use deepinside_files::npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(array) = npy::from_bytes(data, "fuzzed") {
        assert_eq!(array.shape().iter().product::<usize>(), array.data().len());
    }
});
