//! The wire format of protocol buffers: fields one after the other, without copying their content.
//!
//! A general decoder would copy the arrays, and would not tell where in the file something is wrong.

use bytes::Bytes;

use crate::error::CaffeError;

/// A stretch of a file that holds one message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    content: Bytes,
    /// Where the next field starts in `content`.
    position: usize,
    /// Where `content` starts in the file.
    start: u64,
    /// How many bytes the file has.
    file_length: u64,
}

/// The content of a field.
#[derive(Debug)]
pub(super) enum Content {
    /// An integer or a truth value.
    Integer(u64),
    /// Eight bytes: a double.
    Eight([u8; 8]),
    /// Four bytes: a float.
    Four([u8; 4]),
    /// A string, a message or packed numbers.
    Delimited(Message),
}

/// A field and its number.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) content: Content,
}

impl Message {
    /// The message that a whole file holds.
    pub(super) fn of_file(content: Bytes) -> Self {
        let file_length = content.len() as u64;
        Self { content, position: 0, start: 0, file_length }
    }

    /// The bytes of the message.
    pub(super) fn into_bytes(self) -> Bytes {
        self.content
    }

    /// The next field, or `None` at the end of the message.
    pub(super) fn next_field(&mut self) -> Result<Option<Field>, CaffeError> {
        if self.position == self.content.len() {
            return Ok(None);
        }
        let at = self.position;
        let key = self.integer()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let Some(number) = number else {
            return Err(self.corrupt(at, format!("{key} is not the key of a field")));
        };
        let content = match key & 7 {
            0 => Content::Integer(self.integer()?),
            1 => Content::Eight(self.array()?),
            2 => {
                let length = self.integer()?;
                Content::Delimited(self.delimited(length)?)
            }
            5 => Content::Four(self.array()?),
            kind => {
                return Err(self.corrupt(at, format!("field {number} has the unknown wire type {kind}")));
            }
        };
        Ok(Some(Field { number, content }))
    }

    /// The rest of the message as packed integers.
    pub(super) fn packed_integers(mut self) -> Result<Vec<u64>, CaffeError> {
        let mut values = Vec::new();
        while self.position < self.content.len() {
            values.push(self.integer()?);
        }
        Ok(values)
    }

    /// A base-128 integer, the low seven bits first.
    fn integer(&mut self) -> Result<u64, CaffeError> {
        let at = self.position;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.content.get(self.position) else {
                return Err(self.corrupt(self.position, "an integer is cut short".to_owned()));
            };
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt(at, "an integer has more than ten bytes".to_owned()))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CaffeError> {
        let Some(bytes) = self.content[self.position..].first_chunk::<N>() else {
            return Err(self.corrupt(self.position, format!("a number of {N} bytes is cut short")));
        };
        self.position += N;
        Ok(*bytes)
    }

    fn delimited(&mut self, length: u64) -> Result<Message, CaffeError> {
        let left = self.content.len() - self.position;
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= left) else {
            return Err(self.corrupt(
                self.position,
                format!("a field claims {length} bytes where only {left} are left"),
            ));
        };
        let range = self.position..self.position + length;
        let message = Message {
            content: self.content.slice(range),
            position: 0,
            start: self.start + self.position as u64,
            file_length: self.file_length,
        };
        self.position += length;
        Ok(message)
    }

    /// The error that something is wrong `position` bytes into this message.
    pub(super) fn corrupt(&self, position: usize, message: String) -> CaffeError {
        CaffeError::Corrupt { message, offset: self.start + position as u64, length: self.file_length }
    }
}
