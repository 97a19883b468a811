//! Releasing a part of the map returns its memory. Alone in its program, because it reads the program's own size.
#![cfg(target_os = "linux")]

use std::{fs, io::Write};

use mapped_file::MappedFile;

const LENGTH: usize = 64 << 20;

/// The pages of this process that are resident because of files (on disk, or in a folder kept in memory), in bytes.
fn resident_file_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let kilobytes = |key: &str| -> usize {
        let line = status.lines().find(|line| line.starts_with(key)).expect(key);
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
    };
    (kilobytes("RssFile:") + kilobytes("RssShmem:")) * 1024
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

#[test]
fn released_pages_leave_memory_and_come_back_with_the_same_content() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let block: Vec<u8> = (0..1 << 20).map(|i| (i % 253) as u8).collect();
    for _ in 0..LENGTH / block.len() {
        file.write_all(&block).expect("write");
    }
    file.flush().expect("flush");

    let mapped = MappedFile::open(file.path()).expect("open");
    let bytes = mapped.bytes();
    let before = resident_file_bytes();
    let expected = sum(&bytes);
    let touched = resident_file_bytes();
    assert!(touched >= before + LENGTH / 2, "reading maps pages: {before} then {touched}");

    // All but the two ends, at offsets that are no page's.
    mapped.release(&bytes[1_001..LENGTH - 999]);
    let released = resident_file_bytes();
    assert!(released + LENGTH * 9 / 10 <= touched, "releasing returns them: {touched} then {released}");
    assert_eq!(sum(&bytes), expected);

    // Front to back in odd pieces, each smaller than a block or somewhat larger: all of it goes.
    for size in [10_007, 100_003] {
        let touched = resident_file_bytes();
        let total: u64 = bytes
            .chunks(size)
            .map(|piece| {
                let part = sum(piece);
                mapped.release(piece);
                part
            })
            .sum();
        assert_eq!(total, expected);
        let released = resident_file_bytes();
        assert!(released + LENGTH * 9 / 10 <= touched, "in pieces of {size}: {touched} then {released}");
        assert_eq!(sum(&bytes), expected);
    }
}
