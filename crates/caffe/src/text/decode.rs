//! From the bytes of a file to text: byte order mark, encodings, and files that are not text at all.

use crate::error::{CaffeError, Warnings};

use super::MAX_TEXT_BYTES;

/// The UTF-8 byte order mark, which editors on Windows put in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a description. Bytes that are not UTF-8 are taken for Latin-1, with a warning.
pub(super) fn decode(bytes: &[u8], warnings: &mut Warnings) -> Result<String, CaffeError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(CaffeError::TooLarge {
            what: "bytes of a network description",
            found: bytes.len() as u64,
            limit: MAX_TEXT_BYTES as u64,
        });
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(not_text("it is text in UTF-16", "save it as UTF-8"));
    }
    if bytes.starts_with(b"\x89HDF") {
        return Err(not_text(
            "it is an HDF5 file",
            "give the description (.prototxt) here and this file as weights",
        ));
    }
    if bytes.contains(&0) {
        return Err(not_text(
            "it has binary content",
            "give the description (.prototxt) here and a .caffemodel as weights",
        ));
    }
    let mut replaced = 0_usize;
    let mut first_line = 0;
    let text = latin1_where_not_utf8(bytes, |before| {
        if replaced == 0 {
            first_line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        }
        replaced += 1;
    });
    if replaced > 0 {
        warnings.push(first_line, format!("{replaced} bytes are not UTF-8; they are read as Latin-1"));
    }
    Ok(text)
}

/// Decodes UTF-8, and each byte that is none as the Latin-1 character of that number. `on_replaced` is called for each
/// such byte with the text before it.
pub(crate) fn latin1_where_not_utf8(bytes: &[u8], mut on_replaced: impl FnMut(&str)) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            on_replaced(&text);
            text.push(char::from(*byte));
        }
    }
    text
}

fn not_text(found: &str, advice: &'static str) -> CaffeError {
    CaffeError::WrongFormat { expected: "the text of a network description", found: found.to_owned(), advice }
}
