//! What a JPEG file's marker structure says before and beside decoding.
//!
//! The decoder is lenient: it fills a truncated picture with grey and says nothing, and it takes every four-channel
//! file for Adobe's inverted inks. Both would silently feed a network something else than the photograph, so the
//! markers are walked once here: is the end-of-image marker of the picture there, how many channels are there, and
//! did an Adobe program write them? Embedded thumbnails do not confuse the walk since it steps over whole segments.

/// The outcome of one walk over the markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JpegStructure {
    /// Whether the end-of-image marker was reached after at least one scan.
    pub complete: bool,
    /// The number of channels that the frame header states, 0 when there is none.
    pub channels: u8,
    /// Whether an Adobe APP14 segment is present.
    pub adobe: bool,
    /// How many scans there are: passes over the picture.
    pub scans: usize,
}

/// Start of image, end of image, start of scan, and the application segment in which Adobe describes colours.
const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const APPLICATION_14: u8 = 0xEE;

impl JpegStructure {
    /// Walks the markers of `bytes`; `None` when they are not a JPEG file.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.first_chunk() != Some(&[0xFF, START_OF_IMAGE]) {
            return None;
        }
        let mut structure = Self { complete: false, channels: 0, adobe: false, scans: 0 };
        let mut at = 2;
        while let Some(marker_at) = next_marker(bytes, at) {
            let marker = bytes[marker_at];
            at = marker_at + 1;
            match marker {
                END_OF_IMAGE => {
                    structure.complete = structure.scans > 0;
                    break;
                }
                START_OF_IMAGE => continue,
                _ => {}
            }
            let Some(length) = bytes.get(at..at + 2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]))
            else {
                break;
            };
            let segment = bytes.get(at + 2..at + length.max(2)).unwrap_or_default();
            match marker {
                // All frame headers (baseline to lossless), without the three table segments between them.
                0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                    structure.channels = segment.get(5).copied().unwrap_or(0);
                }
                APPLICATION_14 => structure.adobe |= segment.starts_with(b"Adobe"),
                START_OF_SCAN => structure.scans += 1,
                _ => {}
            }
            at += length.max(2);
        }
        Some(structure)
    }
}

/// The position of the next marker's code at or after `at`.
///
/// Within the coded data of a scan `FF 00` is a data byte and `FF D0`–`FF D7` restart it: neither ends the data.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        match *bytes.get(at + 1)? {
            0x00 | 0x01 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHELSEA: &[u8] = include_bytes!("../tests/fixtures/chelsea.jpg");

    #[test]
    fn a_whole_file_is_complete_and_every_prefix_is_not() {
        let whole = JpegStructure::of(CHELSEA).unwrap();
        assert_eq!(
            whole,
            JpegStructure { complete: true, channels: 3, adobe: whole.adobe, scans: whole.scans }
        );
        for length in (0..CHELSEA.len() - 1).step_by(997) {
            assert!(
                !JpegStructure::of(&CHELSEA[..length]).is_some_and(|s| s.complete),
                "prefix of {length} bytes"
            );
        }
        let mut padded = CHELSEA.to_vec();
        padded.extend([0; 100]);
        assert!(JpegStructure::of(&padded).unwrap().complete, "bytes after the end are allowed");
    }

    #[test]
    fn markers_inside_a_segment_are_not_seen() {
        // An application segment which contains a whole tiny file, then nothing.
        let bytes = [0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x08, 0xFF, 0xDA, 0x00, 0x02, 0xFF, 0xD9];
        assert_eq!(
            JpegStructure::of(&bytes),
            Some(JpegStructure { complete: false, channels: 0, adobe: false, scans: 0 })
        );
        assert_eq!(JpegStructure::of(b"\x89PNG"), None);
    }
}
