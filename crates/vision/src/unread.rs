//! Files that are no picture which is decoded: what they are, by their first bytes.

use crate::{Error, Result};

/// # Errors
/// For pictures in formats that are known and not decoded, and for files that are known and no pictures: what they are, and the remedy.
pub(crate) fn check(bytes: &[u8], origin: &str) -> Result<()> {
    let origin = || origin.to_owned();
    if let Some(format) = format(bytes) {
        return Err(Error::UnreadPictureFormat { origin: origin(), format });
    }
    match other(bytes) {
        Some(what) => Err(Error::NoPicture { origin: origin(), what }),
        None => Ok(()),
    }
}

/// The format of a picture that ImageMagick reads, and this crate does not.
fn format(bytes: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let begins = |magic: &[u8]| at(0, magic);
    if at(4, b"ftyp") {
        match bytes.get(8..12)? {
            b"avif" | b"avis" => return Some("AVIF"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                return Some("HEIC");
            }
            b"crx " => return Some("a camera's raw format (CR3)"),
            _ => {}
        }
    }
    Some(match () {
        () if begins(b"\xff\x0a") || begins(b"\0\0\0\x0cJXL \r\n") => "JPEG XL",
        () if begins(b"\0\0\0\x0cjP  \r\n") || begins(b"\xff\x4f\xff\x51") => "JPEG 2000",
        () if begins(b"8BPS") => "Photoshop's format",
        () if begins(b"v/1\x01") => "OpenEXR",
        () if begins(b"#?RADIANCE") || begins(b"#?RGBE") => "Radiance's format",
        () if begins(b"DDS ") => "DDS",
        () if begins(b"qoif") => "QOI",
        () if begins(b"SIMPLE  =") => "FITS",
        () if begins(b"%PDF") => "PDF",
        () if begins(b"\0\0\x01\0") => "ICO",
        () if at(128, b"DICM") => "DICOM",
        () if begins(b"FUJIFILMCCD-RAW")
            || begins(b"IIU\0")
            || begins(b"IIRO")
            || begins(b"IIRS")
            || begins(b"MMOR") =>
        {
            "a camera's raw format"
        }
        () if begins(b"II*\0") && at(8, b"CR\x02") => "a camera's raw format (CR2)",
        () if is_text_with(bytes, "<svg") => "SVG",
        () => return None,
    })
}

/// What a file is that is no picture.
fn other(bytes: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let begins = |magic: &[u8]| at(0, magic);
    const FILM: &str = "a film; take pictures out of it first, as with `ffmpeg -i FILM picture-%04d.png`";
    Some(match () {
        () if bytes.is_empty() => "an empty file; fetch it again",
        () if begins(b"version https://git-lfs") => {
            "a Git LFS pointer and not the picture itself; fetch it with `git lfs pull`"
        }
        () if is_text_with(bytes, "<html") || is_text_with(bytes, "<!doctype html") => {
            "a web page, as servers send it in place of a file; fetch the picture itself again"
        }
        () if begins(b"\x93NUMPY") => "a NumPy array; `explain` takes what a network reads with --array",
        () if begins(b"PK\x03\x04") || begins(b"\x1f\x8b") => {
            "an archive; unpack it and name the pictures within"
        }
        () if at(4, b"ftyp") || begins(b"\x1aE\xdf\xa3") || (begins(b"RIFF") && at(8, b"AVI ")) => FILM,
        () => return None,
    })
}

/// Whether a text begins with this, after a declaration and white space.
fn is_text_with(bytes: &[u8], word: &str) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with(word) || (text.starts_with("<?xml") && text.contains(word))
}
