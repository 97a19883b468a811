//! Texts of class names as editors and shells save them: with a mark of their encoding, in UTF-16, with any line ends.

use std::borrow::Cow;

/// The text of a file, without its mark and with line feeds alone; `None` where it is neither UTF-8 nor marked as UTF-16.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let units = |pairs: &[u8], from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect();
        pairs.len().is_multiple_of(2).then(|| String::from_utf16(&units).ok()).flatten().map(Cow::Owned)
    };
    let text: Cow<'_, str> = match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes)?,
        _ => Cow::Borrowed(std::str::from_utf8(bytes).ok()?),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Some(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "it is not UTF-8 text" was said of what PowerShell's `>` writes.
    #[test]
    fn marks_of_an_encoding_are_no_part_of_the_text() {
        let marked = "\u{feff}Müller\r\n猫\r\n";
        let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&little[..], &big, marked.as_bytes(), "Müller\r猫\r".as_bytes()] {
            assert_eq!(decode(bytes).as_deref(), Some("Müller\n猫\n"));
        }
        // Half a letter, and Latin-1.
        assert_eq!(decode(&little[..little.len() - 1]), None);
        assert_eq!(decode(b"M\xfcller\n"), None);
    }
}
