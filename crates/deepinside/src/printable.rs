//! Text from files, made safe to show.
//!
//! Names of networks, layers, classes and files are chosen by the author of the file. Shown as they are, escape sequences in them
//! steer a terminal, line feeds forge lines of a log, and marks of the writing direction reorder what is read.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character shows itself and changes nothing around it.
///
/// Control characters do not (C0 and C1, with line feeds and tabs), nor separators of lines and paragraphs, marks and overrides of
/// the writing direction (Unicode's annex 9), invisible tags, and the space without width. Joiners of letters do: scripts need them.
pub fn is_printable(character: char) -> bool {
    let is_hidden = matches!(character,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !is_hidden
}

/// A text on one line, in which characters that are not printable are written as Rust writes them: `\n`, `\u{1b}`.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_printable)
}

/// The same for a text of several lines: line feeds and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_printable(character) || matches!(character, '\n' | '\t'))
}

/// A sentence that says no more than can be read: names, equations and lists in it are as long as a file's author likes, and what stands
/// in the middle of a longer one is left out.
pub fn brief(sentence: &str) -> Cow<'_, str> {
    const LONGEST: usize = 4000;
    const END: usize = 300;
    if sentence.len() <= LONGEST {
        return Cow::Borrowed(sentence);
    }
    let boundary = |near: usize| (0..=near).rev().find(|&at| sentence.is_char_boundary(at)).unwrap_or(0);
    let (begin, rest) = sentence.split_at(boundary(LONGEST - END));
    let (middle, end) = rest.split_at(boundary(sentence.len() - END) - begin.len());
    Cow::Owned(format!("{begin} … ({} characters left out) … {end}", middle.chars().count()))
}

/// How many characters wide a column of a table is that holds these texts. Longer ones stick out: beside a name of a megabyte each row
/// would take one, and Rust's formatting pads to no more than 65,535 characters.
pub fn column<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    const WIDEST: usize = 160;
    let widths = texts.into_iter().map(|text| text.chars().count());
    widths.max().unwrap_or_default().min(WIDEST)
}

/// JSON in which characters that are not printable are written as `\uXXXX`. Outside strings there is none.
pub fn json(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_printable(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(shown)
}

/// A text of several lines in which every byte of a character that is not printable is a question mark: places in it stay.
pub fn in_place(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) || matches!(character, '\n' | '\r' | '\t') {
            shown.push(character);
        } else {
            shown.extend(std::iter::repeat_n('?', character.len_utf8()));
        }
    }
    shown
}

/// A text on one line in which nothing is markup of HTML, SVG or XML, within attributes neither.
pub fn markup(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in one_line(text).chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            // No character of XML.
            '\u{fffe}' | '\u{ffff}' => shown.push('\u{fffd}'),
            other => shown.push(other),
        }
    }
    shown
}

/// A text on one line in which nothing is markup of Markdown, within tables neither.
pub fn markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in one_line(text).chars() {
        // Of the other marks each does something only beside one of these, or alone in its line.
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '$') {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if stays(character) {
            shown.push(character);
        } else {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", character.escape_default());
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture's kind of five megabytes stood in the sentence that refused it.
    #[test]
    fn a_sentence_is_no_longer_than_can_be_read() {
        assert_eq!(brief("not a picture"), "not a picture");
        let name = "é".repeat(50_000);
        let text = brief(&name).into_owned();
        assert!(text.len() < 4100 && text.starts_with("éé") && text.ends_with("éé"), "{text}");
        let left_out: usize = text.split(['(', ' ']).find_map(|word| word.parse().ok()).unwrap();
        assert_eq!(text.matches('é').count() + left_out, 50_000);
    }

    #[test]
    fn nothing_steers_a_terminal_or_reorders_a_line() {
        let cases = [
            ("fire2/squeeze1x1", "fire2/squeeze1x1"),
            ("Zürich, 東京, می‌خواهم, 👩‍🔬", "Zürich, 東京, می‌خواهم, 👩‍🔬"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m\u{85}\u{7f}", "\\u{9b}31m\\u{85}\\u{7f}"),
            ("gpj.\u{202e}exe\u{2066}\u{2069}\u{200f}", "gpj.\\u{202e}exe\\u{2066}\\u{2069}\\u{200f}"),
            ("\u{2028}\u{2029}\u{feff}\u{e0041}", "\\u{2028}\\u{2029}\\u{feff}\\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(one_line(text), expected);
            assert_eq!(one_line(&one_line(text)), expected, "what is shown stays");
        }
        assert_eq!(lines("a\n\tb\r\u{1b}c"), "a\n\tb\\r\\u{1b}c");
        assert_eq!(in_place("a\n\u{1b}\u{9b}\u{202e}é"), "a\n??????é");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a\u{9b}": ["\u{7f}\u{202e}\u{e0041}é", "\n\\"]});
        let text = serde_json::to_string(&value).unwrap();
        let shown = json(&text);
        assert!(shown.chars().all(is_printable) && shown.contains("\\udb40\\udc41"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn names_are_no_markup() {
        assert_eq!(markup("<b a='1'>\"a\" & b\u{1b}"), "&lt;b a=&#39;1&#39;&gt;&quot;a&quot; &amp; b\\u{1b}");
        assert_eq!(markdown("a|b\n# *c* <i>[d](e)"), "a\\|b\\\\n\\# \\*c\\* \\<i\\>\\[d\\](e)");
    }
}
