//! A look at the structures in a Parquet file before its reader reads them.
//!
//! They are written in Thrift's compact protocol. The reader passes over fields that it does not know element by element, and as it
//! passes them truth values have no bytes: a list of two thousand million of them is six bytes that take seconds, and a list of such
//! lists takes any time. Here no more elements are let through than a file has bytes for.
//!
//! The reader takes a field that it knows in the form that the format gives it, whatever form the file says. So that both see the same
//! structure, the forms of all fields that it knows stand here, and a file that says another is refused.

use std::io::{Error, ErrorKind, Read, Result};

use Form::{Byte, Bytes, Double, List, Number, Structure, Truth};

/// How deep structures lie in each other at most: the reader's own bound.
const DEEPEST: usize = 64;

/// The form of a field.
#[derive(Clone, Copy)]
enum Form {
    Truth,
    Byte,
    Number,
    Double,
    Bytes,
    List(&'static Form),
    Structure(Fields),
}

/// The fields of a structure that are known, by their numbers.
type Fields = &'static [(i16, Form)];

const NUMBERS: Form = List(&Number);
const TEXT_PAIRS: Form = List(&Structure(&[(1, Bytes), (2, Bytes)]));
const NOTHING: Form = Structure(&[]);

const STATISTICS: Form = Structure(&[
    (1, Bytes),
    (2, Bytes),
    (3, Number),
    (4, Number),
    (5, Bytes),
    (6, Bytes),
    (7, Truth),
    (8, Truth),
    (9, Number),
]);

const TIME: Form = Structure(&[(1, Truth), (2, Structure(&[(1, NOTHING), (2, NOTHING), (3, NOTHING)]))]);

const LOGICAL_TYPE: Form = Structure(&[
    (1, NOTHING),
    (2, NOTHING),
    (3, NOTHING),
    (4, NOTHING),
    (5, Structure(&[(1, Number), (2, Number)])),
    (6, NOTHING),
    (7, TIME),
    (8, TIME),
    (10, Structure(&[(1, Byte), (2, Truth)])),
    (11, NOTHING),
    (12, NOTHING),
    (13, NOTHING),
    (14, NOTHING),
    (15, NOTHING),
    (16, Structure(&[(1, Byte)])),
    (17, Structure(&[(1, Bytes)])),
    (18, Structure(&[(1, Bytes), (2, Number)])),
    (19, NOTHING),
]);

const SCHEMA_ELEMENT: Form = Structure(&[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Bytes),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, LOGICAL_TYPE),
]);

const BOX: Form = Structure(&[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
]);

const COLUMN: Form = Structure(&[
    (1, Number),
    (2, NUMBERS),
    (3, List(&Bytes)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, TEXT_PAIRS),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, STATISTICS),
    (13, List(&Structure(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Structure(&[(1, Number), (2, NUMBERS), (3, NUMBERS)])),
    (17, Structure(&[(1, BOX), (2, NUMBERS)])),
]);

const COLUMN_CHUNK: Form =
    Structure(&[(1, Bytes), (2, Number), (3, COLUMN), (4, Number), (5, Number), (6, Number), (7, Number)]);

const ROW_GROUP: Form = Structure(&[
    (1, List(&COLUMN_CHUNK)),
    (2, Number),
    (3, Number),
    (4, List(&Structure(&[(1, Number), (2, Truth), (3, Truth)]))),
    (5, Number),
    (7, Number),
]);

const METADATA: Fields = &[
    (1, Number),
    (2, List(&SCHEMA_ELEMENT)),
    (3, Number),
    (4, List(&ROW_GROUP)),
    (5, TEXT_PAIRS),
    (6, Bytes),
    (7, List(&Structure(&[(1, NOTHING), (2, NOTHING), (3, NOTHING)]))),
];

const PAGE: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Structure(&[(1, Number), (2, Number), (3, Number), (4, Number), (5, STATISTICS)])),
    (6, NOTHING),
    (7, Structure(&[(1, Number), (2, Number), (3, Truth)])),
    (
        8,
        Structure(&[
            (1, Number),
            (2, Number),
            (3, Number),
            (4, Number),
            (5, Number),
            (6, Number),
            (7, Truth),
            (8, STATISTICS),
        ]),
    ),
];

/// The metadata at a file's end, which have so many bytes.
///
/// # Errors
/// When they say more elements than they have bytes, a known field has another form than the format gives it, or they end too early.
pub fn check_metadata(bytes: impl Read, length: u32) -> Result<()> {
    Walk { bytes: bytes.take(length.into()), elements: length.into() }.structure(METADATA, DEEPEST)
}

/// What stands before a page's numbers.
///
/// # Errors
/// As for [`check_metadata`].
pub fn check_page(bytes: impl Read) -> Result<()> {
    // A header is some dozens of bytes; what is unknown in it may be longer.
    const MOST: u64 = 1 << 16;
    Walk { bytes, elements: MOST }.structure(PAGE, DEEPEST)
}

struct Walk<R> {
    bytes: R,
    /// How many elements may still come.
    elements: u64,
}

impl<R: Read> Walk<R> {
    fn structure(&mut self, fields: Fields, deeper: usize) -> Result<()> {
        let deeper = deeper.checked_sub(1).ok_or_else(damaged)?;
        let mut last = 0i16;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                return Ok(());
            }
            last = match head >> 4 {
                0 => {
                    let number = self.number()?;
                    i16::try_from((number >> 1) as i64 ^ -((number & 1) as i64)).map_err(|_| damaged())?
                }
                step => last.checked_add(i16::from(step)).ok_or_else(damaged)?,
            };
            let known = fields.iter().find(|(number, _)| *number == last).map(|(_, form)| *form);
            self.value(kind, known, deeper)?;
        }
    }

    /// A value of a kind, as the reader passes or takes it.
    fn value(&mut self, kind: u8, known: Option<Form>, deeper: usize) -> Result<()> {
        if known.is_some_and(|form| !form.is_written_as(kind)) {
            return Err(damaged());
        }
        match kind {
            1 | 2 => Ok(()),
            3 => self.pass(1),
            4..=6 => self.number().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.number()?;
                self.pass(length)
            }
            9 | 10 => self.list(known, deeper),
            11 => self.pairs(deeper),
            12 => match known {
                Some(Structure(fields)) => self.structure(fields, deeper),
                _ => self.structure(&[], deeper),
            },
            13 => self.pass(16),
            _ => Err(damaged()),
        }
    }

    fn list(&mut self, known: Option<Form>, deeper: usize) -> Result<()> {
        let deeper = deeper.checked_sub(1).ok_or_else(damaged)?;
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
        self.expect(count)?;
        let element = if let Some(List(element)) = known { Some(*element) } else { None };
        (0..count).try_for_each(|_| self.value(head & 15, element, deeper))
    }

    fn pairs(&mut self, deeper: usize) -> Result<()> {
        let deeper = deeper.checked_sub(1).ok_or_else(damaged)?;
        let count = self.number()?;
        self.expect(count)?;
        let kinds = if count > 0 { self.byte()? } else { 0 };
        (0..count).try_for_each(|_| {
            self.value(kinds >> 4, None, deeper)?;
            self.value(kinds & 15, None, deeper)
        })
    }

    fn expect(&mut self, count: u64) -> Result<()> {
        self.elements = self.elements.checked_sub(count).ok_or_else(damaged)?;
        Ok(())
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(damaged())
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn pass(&mut self, length: u64) -> Result<()> {
        let passed = std::io::copy(&mut self.bytes.by_ref().take(length), &mut std::io::sink())?;
        if passed == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

impl Form {
    /// Whether a value of that form is written as that kind.
    fn is_written_as(self, kind: u8) -> bool {
        matches!(
            (self, kind),
            (Truth, 1 | 2)
                | (Byte, 3)
                | (Number, 4..=6)
                | (Double, 7)
                | (Bytes, 8)
                | (List(_), 9 | 10)
                | (Structure(_), 12)
        )
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::InvalidData, "its structure is not one of Parquet's")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(bytes: &[u8]) -> Result<()> {
        check_metadata(bytes, bytes.len() as u32)
    }

    /// Six bytes took seconds.
    #[test]
    fn elements_without_bytes_are_counted() {
        // An unknown field 40: a list of 2³¹ − 1 truth values.
        let list = [0x09, 80, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07];
        // As many pairs of them, and a list of five such lists.
        let pairs = [0x0b, 80, 0xff, 0xff, 0xff, 0xff, 0x07, 0x11];
        let mut lists = vec![0x09, 80, 0x59];
        (0..5).for_each(|_| lists.extend(&list[2..]));
        for bytes in [&list[..], &pairs, &lists] {
            let ended = [bytes, &[0]].concat();
            assert_eq!(metadata(&ended).unwrap_err().kind(), ErrorKind::InvalidData, "{bytes:x?}");
            assert_eq!(check_page(&ended[..]).unwrap_err().kind(), ErrorKind::InvalidData, "{bytes:x?}");
        }
        assert!(metadata(&[0x09, 80, 0x31, 0]).is_ok(), "three of them");
    }

    /// Where a file says another form, the check and the reader would see different structures behind that field.
    #[test]
    fn a_known_field_has_its_own_form() {
        // Field 3, the number of rows, as bytes, as a list and as a number.
        let rows = |form: &[u8]| metadata(&[form, &[0]].concat());
        assert!(rows(&[0x38, 2, 0xf1, 0xff]).is_err());
        assert!(rows(&[0x39, 0x15, 0]).is_err());
        assert!(rows(&[0x36, 6]).is_ok());
        assert!(rows(&[0x36]).is_err(), "it ends too early");
        // A list of schema elements whose elements are numbers.
        assert!(rows(&[0x29, 0x15, 2]).is_err());
    }
}
