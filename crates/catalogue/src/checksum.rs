//! Checksums of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256.
    Sha256(String),
    /// SHA-1: enough against accidents, not against attackers; some publishers state nothing else.
    Sha1(String),
}

/// Both checksums of bytes that arrive piece by piece.
#[derive(Default)]
pub(crate) struct Hashes {
    sha256: Sha256,
    sha1: Sha1,
}

/// Something that is not as it should be.
pub(crate) struct Difference {
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

impl Hashes {
    /// The length of a file, and its checksums.
    pub fn of_file(path: &Path) -> std::io::Result<(u64, Self)> {
        let mut file = File::open(path)?;
        let (mut hashes, mut length, mut buffer) = (Self::default(), 0, vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((length, hashes)),
                count => {
                    hashes.update(&buffer[..count]);
                    length += count as u64;
                }
            }
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
    }

    /// Compares with a checksum, where one is known.
    pub fn compare(self, expected: Option<&Checksum>) -> Option<Difference> {
        let (what, expected, found) = match expected? {
            Checksum::Sha256(digits) => ("SHA-256", digits, hexadecimal(&self.sha256.finalize())),
            Checksum::Sha1(digits) => ("SHA-1", digits, hexadecimal(&self.sha1.finalize())),
        };
        (*expected != found).then(|| Difference { what, expected: expected.clone(), found })
    }

    /// The SHA-256, for files without a published checksum.
    pub fn sha256(self) -> String {
        hexadecimal(&self.sha256.finalize())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of "abc" that the standard states.
    #[test]
    fn the_digests_are_those_of_the_standard() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        for expected in [Checksum::Sha256(sha256.to_owned()), Checksum::Sha1(sha1.to_owned())] {
            let mut hashes = Hashes::default();
            hashes.update(b"a");
            hashes.update(b"bc");
            assert!(hashes.compare(Some(&expected)).is_none());
        }
        let mut hashes = Hashes::default();
        hashes.update(b"abd");
        assert!(hashes.compare(Some(&Checksum::Sha1(sha1.to_owned()))).is_some());
    }
}
