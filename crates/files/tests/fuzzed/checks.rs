//! What holds of any bytes that pass for an array of NumPy.

use deepinside_files::npy;

/// An error, or an array of as many numbers as its shape says.
pub fn npy(data: &[u8]) {
    if let Ok(array) = npy::from_bytes(data, "fuzzed") {
        assert_eq!(array.shape().iter().product::<usize>(), array.data().len());
    }
}
