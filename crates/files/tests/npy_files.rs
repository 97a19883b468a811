//! NumPy files: what NumPy itself wrote is read, what we write is what NumPy writes, damage is refused.

use std::path::PathBuf;

use deepinside_files::{Array, npy};

fn fixture(name: &str) -> PathBuf {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let ours = crates.join("files/tests/fixtures").join(name);
    // Means and photographs of NumPy's making lie where they are prepared for networks.
    if ours.exists() { ours } else { crates.join("vision/tests/fixtures").join(name) }
}

fn refusal(bytes: &[u8]) -> String {
    npy::from_bytes(bytes, "array.npy").expect_err("this file must be refused").to_string()
}

/// A file of the given header text, padded as NumPy does, and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn every_element_type_that_numpy_writes() {
    let check = |name: &str, shape: &[usize], values: &[f32]| {
        let array = npy::read(fixture(name)).unwrap();
        assert_eq!((array.shape(), array.data()), (shape, values), "{name}");
    };
    check("npy_f2.npy", &[2, 3], &[1.5, -2.25, 65504.0, 2f32.powi(-24), 0.0, f32::NEG_INFINITY]);
    check("npy_i2_big_endian.npy", &[2, 3], &[1.0, -2.0, 300.0, -32768.0, 32767.0, 0.0]);
    check("npy_bool.npy", &[3], &[1.0, 0.0, 1.0]);
    check("npy_i1_scalar.npy", &[], &[-7.0]);
    let counting: Vec<f32> = (0..24).map(|value| value as f32).collect();
    check("npy_u8_fortran.npy", &[2, 3, 4], &counting);
    let (shape, values) = npy::read_f64(fixture("npy_f8_big_endian.npy")).unwrap();
    assert_eq!((shape, values), (vec![2], vec![1e-300, std::f64::consts::PI]));
    let (_, double) = npy::read_f64(fixture("mean.npy")).unwrap();
    let single = npy::read(fixture("mean_f32.npy")).unwrap();
    assert!(double.iter().zip(single.data()).all(|(&double, &single)| double as f32 == single));
    assert_eq!(npy::read(fixture("mean_fortran.npy")).unwrap(), npy::read(fixture("mean.npy")).unwrap());
}

#[test]
fn what_is_written_is_read_back_and_equals_numpys_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("array.npy");
    for name in ["mean_f32.npy", "tiny_in.npy", "tiny_20x25_aa.npy"] {
        let array = npy::read(fixture(name)).unwrap();
        npy::write(&path, &array).unwrap();
        assert_eq!(npy::read(&path).unwrap(), array);
        let (ours, numpys) = (std::fs::read(&path).unwrap(), std::fs::read(fixture(name)).unwrap());
        let data = 4 * array.data().len();
        assert_eq!(ours[ours.len() - data..], numpys[numpys.len() - data..], "{name}");
        assert_eq!((ours.len() - data) % 16, 0, "the header is aligned");
    }
    for shape in [vec![], vec![5], vec![1, 5, 1]] {
        let count = shape.iter().product();
        let array = Array::new(shape, (0..count).map(|value| value as f32 - 1.5).collect()).unwrap();
        let mut bytes = Vec::new();
        npy::write_to(&mut bytes, &array).unwrap();
        assert_eq!(npy::from_bytes(&bytes, "memory").unwrap(), array);
    }
}

#[test]
fn truncated_and_empty_files_say_so() {
    let bytes = std::fs::read(fixture("mean_f32.npy")).unwrap();
    let message = refusal(&bytes[..bytes.len() - 1]);
    assert!(message.contains("truncated") && message.contains("768") && message.contains("767"), "{message}");
    for length in 0..128 {
        let message = refusal(&bytes[..length]);
        assert!(message.contains("NumPy") || message.contains("truncated"), "{length}: {message}");
    }
    let longer = [bytes.as_slice(), b"after the end"].concat();
    assert_eq!(npy::from_bytes(&longer, "longer").unwrap(), npy::from_bytes(&bytes, "exact").unwrap());
    let empty = npy::read(fixture("npy_empty.npy")).unwrap_err().to_string();
    assert!(empty.contains("[3, 0]") && empty.contains("no elements"), "{empty}");
    assert!(npy::read("no/such.npy").unwrap_err().to_string().contains("no/such.npy"));
}

#[test]
fn other_element_types_are_named() {
    let text = npy::read(fixture("npy_text.npy")).unwrap_err().to_string();
    assert!(text.contains("<U2") && text.contains("astype"), "{text}");
    for descr in ["'<c8'", "'|O'", "'<f16'", "'<M8[ns]'", "[('a', '<f4')]"] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
        refusal(&file(&header, &[0; 64]));
    }
}

#[test]
fn hostile_headers_are_refused_quickly_and_without_memory() {
    let with_shape = |shape: &str| {
        file(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"), &[0; 64])
    };
    assert!(refusal(&with_shape("(100000, 100000)")).contains("100000"));
    assert!(refusal(&with_shape("(4294967296, 4294967296)")).contains("more than the"));
    assert!(refusal(&with_shape("(0, 4294967296, 4294967296)")).contains("no elements"));
    assert!(refusal(&with_shape("(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)")).contains("not decimal"));
    assert!(refusal(&with_shape("(99999999999999999999999999,)")).contains("too large"));
    assert!(refusal(&with_shape("(-1,)")).contains("negative"));
    assert!(refusal(&with_shape("(1000000,)")).contains("truncated"));
    refusal(&with_shape("(1.5,)"));
    refusal(&with_shape("'none'"));
    refusal(&with_shape(""));
    assert!(
        refusal(&with_shape(&format!("{}1{}", "(".repeat(7000), ")".repeat(7000)))).contains("not decimal")
    );
    assert!(refusal(&with_shape(&"[".repeat(30000))).contains("at most"));
    let mut second_version = b"\x93NUMPY\x02\x00".to_vec();
    second_version.extend(u32::MAX.to_le_bytes());
    assert!(refusal(&second_version).contains("at most"));
    assert!(refusal(b"\x93NUMPY\x09\x00\x00\x00").contains("version 9"));
    assert!(refusal(b"PK\x03\x04 this is an npz file").contains("signature"));
}

/// No single changed byte of a valid file makes the reader panic or take memory without bound.
#[test]
fn no_damage_makes_the_reader_panic() {
    let bytes = std::fs::read(fixture("npy_u8_fortran.npy")).unwrap();
    for at in 0..bytes.len() {
        for change in (1..=255u8).step_by(14) {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            let _ = npy::from_bytes(&damaged, "damaged");
        }
    }
}
