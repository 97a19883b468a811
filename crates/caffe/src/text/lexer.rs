//! Tokens of the text format, with their places.

use std::ops::Range;

use crate::error::CaffeError;

use super::Location;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name: letters, digits and underscores, no digit first.
    Identifier,
    /// A decimal, octal (`07`) or hexadecimal (`0x7`) number without a sign.
    Integer,
    /// A number with a point, an exponent or the suffix `f`.
    Float,
    /// A string in single or double quotes, with its quotes.
    String,
    /// One character of punctuation.
    Symbol(u8),
    /// The end of the text.
    End,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) location: Location,
}

impl Token {
    /// The bytes of the text that the token covers.
    pub(super) fn range(&self) -> Range<usize> {
        self.location.offset..self.location.offset + self.location.length
    }
}

/// Cuts a text into tokens, one at a time.
#[derive(Debug)]
pub(super) struct Lexer<'text> {
    text: &'text [u8],
    position: usize,
    line: usize,
    line_start: usize,
}

impl<'text> Lexer<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self { text: text.as_bytes(), position: 0, line: 1, line_start: 0 }
    }

    /// The next token, behind white space and comments.
    pub(super) fn next(&mut self) -> Result<Token, CaffeError> {
        self.skip_blank();
        let start = self.here();
        let Some(first) = self.peek() else {
            return Ok(Token { kind: TokenKind::End, location: start });
        };
        let kind = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                TokenKind::Identifier
            }
            b'0'..=b'9' => self.number(start)?,
            b'.' if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(start)?,
            b'"' | b'\'' => self.string(first, start)?,
            _ if first.is_ascii_graphic() => {
                self.position += 1;
                TokenKind::Symbol(first)
            }
            _ => return Err(self.unexpected_character(start)),
        };
        Ok(Token { kind, location: self.since(start) })
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.position + ahead).copied()
    }

    /// Moves past one byte, counting lines.
    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
            self.line_start = self.position + 1;
        }
        self.position += 1;
    }

    fn skip_while(&mut self, accepts: impl Fn(u8) -> bool) -> usize {
        let start = self.position;
        while self.peek().is_some_and(&accepts) {
            self.advance();
        }
        self.position - start
    }

    fn skip_if(&mut self, accepts: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| accepts.contains(&byte));
        self.position += usize::from(found);
        found
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            if self.peek() != Some(b'#') {
                return;
            }
            self.skip_while(|byte| byte != b'\n');
        }
    }

    /// A number, by the rules of protobuf's tokenizer.
    fn number(&mut self, start: Location) -> Result<TokenKind, CaffeError> {
        let leading_zero = self.peek() == Some(b'0');
        let digit = |byte: u8| byte.is_ascii_digit();
        if leading_zero && matches!(self.peek_at(1), Some(b'x' | b'X')) {
            self.position += 2;
            if self.skip_while(|byte| byte.is_ascii_hexdigit()) == 0 {
                return Err(self.bad_number(start, "0x must be followed by hexadecimal digits"));
            }
            return self.number_end(start, TokenKind::Integer);
        }
        if leading_zero && self.peek_at(1).is_some_and(digit) {
            self.skip_while(|byte| matches!(byte, b'0'..=b'7'));
            if self.peek().is_some_and(digit) {
                return Err(self.bad_number(start, "a number that starts with 0 must be octal"));
            }
            return self.number_end(start, TokenKind::Integer);
        }
        let mut kind = TokenKind::Integer;
        self.skip_while(digit);
        if self.skip_if(b".") {
            kind = TokenKind::Float;
            self.skip_while(digit);
        }
        if self.skip_if(b"eE") {
            kind = TokenKind::Float;
            self.skip_if(b"+-");
            if self.skip_while(digit) == 0 {
                return Err(self.bad_number(start, "an exponent must have digits"));
            }
        }
        if self.skip_if(b"fF") {
            kind = TokenKind::Float;
        }
        self.number_end(start, kind)
    }

    fn number_end(&mut self, start: Location, kind: TokenKind) -> Result<TokenKind, CaffeError> {
        if self.peek() == Some(b'.') {
            return Err(self.bad_number(start, "a number cannot have a second point"));
        }
        Ok(kind)
    }

    /// A string to its closing quote. Like Caffe's parser this lets a string run over the end of a line.
    fn string(&mut self, quote: u8, start: Location) -> Result<TokenKind, CaffeError> {
        self.advance();
        while let Some(byte) = self.peek() {
            self.advance();
            if byte == quote {
                return Ok(TokenKind::String);
            }
            if byte == b'\\' && self.peek().is_some() {
                self.advance();
            }
        }
        Err(CaffeError::Syntax {
            location: Location { length: 1, ..start },
            message: "this string is not closed before the end of the file".to_owned(),
        })
    }

    fn here(&self) -> Location {
        Location {
            line: self.line,
            column: self.position - self.line_start + 1,
            offset: self.position,
            length: 0,
        }
    }

    fn since(&self, start: Location) -> Location {
        Location { length: self.position - start.offset, ..start }
    }

    fn bad_number(&self, start: Location, message: &str) -> CaffeError {
        CaffeError::Syntax { location: self.since(start), message: message.to_owned() }
    }

    fn unexpected_character(&self, start: Location) -> CaffeError {
        let rest = &self.text[self.position..];
        // The text was UTF-8; a character has at most four bytes.
        let head = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
        let character = head.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        CaffeError::Syntax {
            location: Location { length: character.len_utf8(), ..start },
            message: format!("unexpected character {character:?} outside of a string or comment"),
        }
    }
}

/// The bytes that a string token stands for: quotes removed, escapes resolved. The error is a sentence.
pub(super) fn unescape(literal: &str) -> Result<Vec<u8>, String> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default().as_bytes();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let Some((code, tail)) = rest.split_first() else {
            return Err("a string cannot end in a single backslash".to_owned());
        };
        rest = tail;
        match code {
            b'a' => bytes.push(0x07),
            b'b' => bytes.push(0x08),
            b'f' => bytes.push(0x0c),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'v' => bytes.push(0x0b),
            b'\\' | b'?' | b'\'' | b'"' => bytes.push(*code),
            b'0'..=b'7' => {
                let (more, tail) = digits(rest, 8, 2);
                rest = tail;
                let value = more.iter().fold(u32::from(code - b'0'), |value, digit| value * 8 + digit);
                // Three octal digits can exceed a byte; protobuf keeps the low eight bits.
                bytes.push((value & 0xff) as u8);
            }
            b'x' | b'X' => {
                let (found, tail) = digits(rest, 16, 2);
                rest = tail;
                if found.is_empty() {
                    return Err("\\x must be followed by hexadecimal digits".to_owned());
                }
                bytes.push((found.iter().fold(0, |value, digit| value * 16 + digit) & 0xff) as u8);
            }
            b'u' | b'U' => {
                let count = if *code == b'u' { 4 } else { 8 };
                let (found, tail) = digits(rest, 16, count);
                rest = tail;
                let value = found.iter().fold(0_u32, |value, digit| (value << 4) | digit);
                let character =
                    (found.len() == count).then(|| char::from_u32(value)).flatten().ok_or_else(|| {
                        format!(
                            "\\{} must be followed by the {count} hexadecimal digits of a character",
                            char::from(*code)
                        )
                    })?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(format!("unknown escape sequence \\{} in a string", char::from(*code))),
        }
    }
    Ok(bytes)
}

/// The values of up to `most` leading digits in a base, and what follows them.
fn digits(bytes: &[u8], base: u32, most: usize) -> (Vec<u32>, &[u8]) {
    let values: Vec<u32> =
        bytes.iter().take(most).map_while(|byte| char::from(*byte).to_digit(base)).collect();
    let rest = &bytes[values.len()..];
    (values, rest)
}
