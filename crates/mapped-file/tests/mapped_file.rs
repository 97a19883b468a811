//! What a mapped file shows, refuses and gives back.

use std::{fs, io};

use mapped_file::MappedFile;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn shows_the_bytes_of_the_file_and_outlives_its_handle() {
    let folder = folder();
    let path = folder.path().join("weights");
    let content: Vec<u8> = (0..200_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    fs::write(&path, &content).expect("write");
    let mapped = MappedFile::open(&path).expect("open");
    assert_eq!(mapped.len(), content.len());
    assert_eq!(mapped.path(), path);
    assert!(!mapped.is_empty());
    let part = mapped.bytes().slice(1_000..150_000);
    drop(mapped);
    assert_eq!(&part[..], &content[1_000..150_000]);
}

#[test]
fn an_empty_file_has_no_bytes() {
    let folder = folder();
    let path = folder.path().join("empty");
    fs::write(&path, b"").expect("write");
    let mapped = MappedFile::open(&path).expect("open");
    assert!(mapped.is_empty());
    assert!(mapped.bytes().is_empty());
    mapped.release(&mapped.bytes());
}

#[test]
fn folders_and_missing_files_are_refused() {
    let folder = folder();
    let error = MappedFile::open(folder.path()).expect_err("a folder");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("is a folder"), "{error}");
    let error = MappedFile::open(folder.path().join("none")).expect_err("nothing there");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn devices_are_refused() {
    let error = MappedFile::open("/dev/null").expect_err("a device");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_change_of_length_is_noticed() {
    let folder = folder();
    let path = folder.path().join("growing");
    fs::write(&path, vec![1; 100]).expect("write");
    let mapped = MappedFile::open(&path).expect("open");
    mapped.check_unchanged().expect("nothing happened yet");
    fs::OpenOptions::new().append(true).open(&path).and_then(|file| file.set_len(200)).expect("grow");
    let error = mapped.check_unchanged().expect_err("the file grew");
    assert!(error.to_string().contains("had 100 bytes, now 200"), "{error}");
}

#[test]
fn release_ignores_what_is_not_in_the_map() {
    let folder = folder();
    let path = folder.path().join("weights");
    let content = vec![3; 300_000];
    fs::write(&path, &content).expect("write");
    let mapped = MappedFile::open(&path).expect("open");
    mapped.release(&content);
    mapped.release(&[]);
    let bytes = mapped.bytes();
    for range in [0..0, 0..1, 65_535..65_537, 0..300_000, 299_999..300_000] {
        mapped.release(&bytes[range]);
    }
    assert_eq!(bytes, content);
}

/// A part of the map, read after the file has become shorter, ended the process with a bus error.
#[cfg(unix)]
#[test]
fn a_file_that_has_become_shorter_is_read_as_an_error() {
    let folder = folder();
    let path = folder.path().join("shrinking");
    let content: Vec<u8> = (0..300_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    fs::write(&path, &content).expect("write");
    let mapped = MappedFile::open(&path).expect("open");
    let bytes = mapped.bytes();
    let mut read = vec![1; 1_000];
    mapped.read(&bytes[123_456..124_456], &mut read);
    assert_eq!(read, content[123_456..124_456]);
    mapped.check_unchanged().expect("nothing has changed");
    fs::File::options().write(true).open(&path).expect("open").set_len(100_500).expect("shorten");
    mapped.read(&bytes[100_000..101_000], &mut read);
    assert_eq!(read, vec![0; 1_000]);
    let error = mapped.check_unchanged().expect_err("shortened");
    assert!(error.to_string().contains("was changed by another program"), "{error}");
    // Not even the old length makes it whole again.
    fs::write(&path, &content).expect("write");
    mapped.check_unchanged().expect_err("not read whole");
}
