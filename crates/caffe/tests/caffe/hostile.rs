//! Damaged files: whatever the bytes are, the answer is a result or an error, never a panic or a huge allocation.

use crate::common::{bytes, fixture};
use deepinside_caffe::{CaffeError, WeightFile, read_mean_bytes, read_weights_bytes};

/// A small generator of pseudo-random numbers (SplitMix64), so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// What a file may hold at most: its own bytes, each value once.
fn check(result: Result<WeightFile, CaffeError>, length: usize) -> bool {
    match result {
        Ok(file) => {
            let mut total = 0;
            for blob in file.layers.iter().flat_map(|layer| &layer.blobs) {
                assert_eq!(blob.shape.iter().product::<usize>(), blob.values().count());
                total += blob.bytes.len();
            }
            assert!(total <= length, "{total} bytes of weights in a file of {length}");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

const BINARIES: [&str; 6] = [
    "legacy_v1/weights.caffemodel",
    "legacy_v1/upgraded.caffemodel",
    "legacy_v1/weights_double_data.caffemodel",
    "legacy_v1/weights_with_diff.caffemodel",
    "mini_resnet/weights.caffemodel",
    "mini_squeezenet/weights.caffemodel",
];

#[test]
fn weights_cut_at_every_length() {
    for name in BINARIES {
        let whole = bytes(fixture(name));
        let mut readable = 0;
        for length in 0..whole.len() {
            readable += usize::from(check(read_weights_bytes(whole[..length].to_vec().into()), length));
        }
        // Only a cut between two layers leaves a file that is right in itself.
        assert!((1..100).contains(&readable), "{name}: {readable}");
    }
}

#[test]
fn weights_with_flipped_bytes() {
    let mut random = Random(1);
    for name in BINARIES {
        let whole = bytes(fixture(name));
        let (mut readable, mut refused) = (0, 0);
        for _ in 0..3_000 {
            let mut damaged = whole.clone();
            for _ in 0..=random.below(4) {
                // Most bytes are values; the headers are where damage tells.
                let bound = if random.below(2) == 0 { damaged.len() } else { damaged.len().min(400) };
                let at = random.below(bound);
                damaged[at] = random.below(256) as u8;
            }
            if check(read_weights_bytes(damaged.into()), whole.len()) { readable += 1 } else { refused += 1 }
        }
        assert!(readable > 100 && refused > 100, "{name}: {readable} read, {refused} refused");
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_weights_cut_and_flipped() {
    let whole = bytes(fixture("legacy_v1/weights.caffemodel.h5"));
    for length in (0..whole.len()).step_by(37) {
        let _ = check(read_weights_bytes(whole[..length].to_vec().into()), 16 * whole.len());
    }
    let mut random = Random(2);
    let (mut readable, mut refused) = (0, 0);
    for _ in 0..3_000 {
        let mut damaged = whole.clone();
        for _ in 0..=random.below(4) {
            let at = 8 + random.below(damaged.len() - 8);
            damaged[at] = random.below(256) as u8;
        }
        if check(read_weights_bytes(damaged.into()), 16 * whole.len()) { readable += 1 } else { refused += 1 }
    }
    assert!(readable > 100 && refused > 100, "{readable} read, {refused} refused");
}

#[test]
fn means_cut_and_flipped() {
    let mut random = Random(3);
    for name in ["mean/mean.binaryproto", "mean/mean_shape.binaryproto"] {
        let whole = bytes(fixture(name));
        for length in 0..whole.len() {
            assert!(read_mean_bytes(whole[..length].to_vec().into()).is_err(), "{name} cut at {length}");
        }
        for _ in 0..3_000 {
            let mut damaged = whole.clone();
            let at = random.below(40.min(whole.len()));
            damaged[at] = random.below(256) as u8;
            if let Ok(mean) = read_mean_bytes(damaged.into()) {
                assert_eq!(mean.shape.iter().product::<usize>(), mean.values.len());
            }
        }
    }
}

#[test]
fn claims_without_bytes_allocate_nothing() {
    // A field that claims 2^63 bytes, an endless integer, a field number of zero, a group, and floods of empty layers.
    for bytes in [
        &b"\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x02\x00",
        b"\x0b\x0c\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00",
    ] {
        assert!(matches!(read_weights_bytes(bytes.into()), Err(CaffeError::Corrupt { .. })), "{bytes:?}");
    }
    let layers = b"\xa2\x06\x00".repeat(100_001);
    assert!(matches!(read_weights_bytes(layers.into()), Err(CaffeError::TooLarge { .. })));
    let arrays = b"\x3a\x00".repeat(100_001);
    let mut file = b"\xa2\x06".to_vec();
    // 200,002 as an integer of three bytes.
    file.extend([0xc2, 0x9a, 0x0c]);
    file.extend(arrays);
    assert!(matches!(read_weights_bytes(file.into()), Err(CaffeError::TooLarge { .. })));
}
