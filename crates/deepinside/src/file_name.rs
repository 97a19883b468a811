//! Names of files that are made of names in a model or a record.

use sha2::{Digest as _, Sha256};

use crate::printable::is_printable;

/// The longest that a name stays as it is, in bytes. File systems take 255, and endings such as `-activation.png` follow.
const LONGEST: usize = 200;

/// A text as one part of a file's name: it is no path, nothing hidden, and can be typed and shown.
///
/// `/` becomes `__`, as Caffe's users write blobs' names; what is not printable becomes `_`, and so does a dot in front, which hides a
/// file or leads to another folder. Of a long one the beginning stays, with a number made of all of it.
pub fn portable(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '/' => plain.push_str("__"),
            other => plain.push(if is_printable(other) { other } else { '_' }),
        }
    }
    if plain.starts_with('.') {
        plain.replace_range(..1, "_");
    }
    if plain.is_empty() {
        plain.push('_');
    }
    if plain.len() > LONGEST {
        let digits: String = Sha256::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let length = (0..LONGEST - digits.len()).rev().find(|&length| plain.is_char_boundary(length));
        plain.truncate(length.unwrap_or_default());
        plain.push('-');
        plain.push_str(&digits);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_plain_part_of_a_path() {
        let cases = [
            ("tabby", "tabby"),
            ("Identity:0", "Identity:0"),
            ("conv/3x3", "conv__3x3"),
            ("..", "_."),
            ("../../.bashrc", "_.__..__.bashrc"),
            ("/etc/passwd", "__etc__passwd"),
            ("", "_"),
            ("a\0b\nc\u{1b}d\u{202e}", "a_b_c_d_"),
        ];
        for (name, expected) in cases {
            assert_eq!(portable(name), expected);
        }
        let long = |last: &str| portable(&format!("{}{last}", "é".repeat(300)));
        assert!(long("a").len() <= LONGEST && long("a") != long("b"));
    }
}
