//! Literals as Python's `repr` writes them: dictionaries, lists and tuples of texts and numbers.

use serde_json::{Map, Value};

/// How deep literals may lie within each other.
const DEEPEST: usize = 8;

/// A Python literal as JSON; `None` where the text is none, or holds anything else than texts and numbers.
pub(super) fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '{' => {
                self.next();
                let mut object = Map::new();
                self.parted('}', |reader| {
                    let key = reader.key()?;
                    reader.eats(':').then_some(())?;
                    object.insert(key, reader.value(depth + 1)?);
                    Some(())
                })?;
                Some(Value::Object(object))
            }
            open @ ('[' | '(') => {
                self.next();
                let mut list = Vec::new();
                self.parted(if open == '[' { ']' } else { ')' }, |reader| {
                    list.push(reader.value(depth + 1)?);
                    Some(())
                })?;
                Some(Value::Array(list))
            }
            first if first.is_ascii_digit() => self.digits()?.parse::<u64>().ok().map(Value::from),
            _ => self.text().map(Value::String),
        }
    }

    /// Members between commas, one of which may follow the last, up to the closing bracket.
    fn parted(&mut self, close: char, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        while !self.eats(close) {
            member(self)?;
            if !self.eats(',') {
                return self.eats(close).then_some(());
            }
        }
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        Some(character)
    }

    fn eats(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn digits(&mut self) -> Option<String> {
        let rest = self.rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        self.rest = &rest[digits..];
        (digits > 0).then(|| rest[..digits].to_owned())
    }

    /// A number, or a text.
    fn key(&mut self) -> Option<String> {
        self.digits().or_else(|| self.text())
    }

    /// A text in single or double quotes, with Python's escapes; Python 2 writes a `u` before it.
    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix('u').unwrap_or(self.rest);
        let quote = self.next().filter(|character| matches!(character, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match self.next()? {
                character if character == quote => return Some(text),
                '\\' => text.push(self.escaped()?),
                character => text.push(character),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let digits = match self.next()? {
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            character @ ('\\' | '\'' | '"') => return Some(character),
            _ => return None,
        };
        let number = self.rest.get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
        self.rest = &self.rest[digits..];
        char::from_u32(number)
    }
}
