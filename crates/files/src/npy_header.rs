//! The header of a NumPy `.npy` file: a Python dictionary of the type of an element, the order of the elements and the
//! shape (NumPy, `numpy.lib.format`, versions 1 to 3 of the format).

use std::io::Read;

use crate::npy_element::ElementType;

/// NumPy headers take about a hundred bytes; a longer one than this is not of a numeric array.
const LONGEST: usize = 1 << 14;

/// How many axes are read; NumPy has no arrays of more.
const MOST_AXES: usize = 64;

/// What a file begins with.
const SIGNATURE: &[u8; 6] = b"\x93NUMPY";

/// What the header of an array says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The type of an element as NumPy writes it: `<f4`; of a record the text of its description.
    pub element: String,
    /// Whether the first axis varies fastest.
    pub fortran: bool,
    /// The extents.
    pub shape: Vec<u64>,
    /// How many bytes the header takes, signature and all.
    pub length: usize,
}

impl Header {
    /// Reads signature, version, length and text. An error is the reason why this is no array.
    pub fn read(stream: &mut impl Read) -> Result<Self, String> {
        let short = |_| "the file ends within its header".to_owned();
        let mut begin = [0u8; 8];
        stream.read_exact(&mut begin).map_err(short)?;
        if begin[..6] != *SIGNATURE {
            return Err("it does not begin with the NumPy signature".to_owned());
        }
        let width = match begin[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err(format!("its format version {version}.{} is unknown", begin[7])),
        };
        let mut stated = [0u8; 4];
        stream.read_exact(&mut stated[..width]).map_err(short)?;
        let stated = u32::from_le_bytes(stated) as usize;
        if stated > LONGEST {
            return Err(format!("its header states {stated} bytes, at most {LONGEST} are read"));
        }
        let mut text = vec![0u8; stated];
        stream.read_exact(&mut text).map_err(short)?;
        let text = String::from_utf8_lossy(&text);
        Ok(Self { length: begin.len() + width + stated, ..Dictionary { rest: &text }.read()? })
    }

    /// The header of `float32` in C order, padded as NumPy does: the numbers begin at a multiple of 64 bytes. A comma is behind the
    /// last extent, too, as in all files that were ever written here: records know their bytes.
    pub fn of_f32(shape: &[usize]) -> Vec<u8> {
        let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
        let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({extents}), }}");
        let begin = SIGNATURE.len() + 4;
        let padded = (begin + text.len() + 1).next_multiple_of(64) - begin;
        text.push_str(&" ".repeat(padded - 1 - text.len()));
        text.push('\n');
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// How an element is stored; `None` for everything that is not a real number of a known width.
    pub fn element_type(&self) -> Option<ElementType> {
        ElementType::named(&self.element)
    }
}

/// What is left of the text of a header.
struct Dictionary<'a> {
    rest: &'a str,
}

impl<'a> Dictionary<'a> {
    fn read(mut self) -> Result<Header, String> {
        let (mut element, mut fortran, mut shape) = (None, None, None);
        self.skip('{')?;
        while !self.begins('}') {
            let key = self.string()?;
            self.skip(':')?;
            match key {
                "descr" => element = Some(self.element()?),
                "fortran_order" => fortran = Some(self.truth()?),
                "shape" => shape = Some(self.extents()?),
                _ => return Err(format!("its header has a key '{key}'")),
            }
            if !self.begins('}') {
                self.skip(',')?;
            }
        }
        self.skip('}')?;
        let (Some(element), Some(fortran), Some(shape)) = (element, fortran, shape) else {
            return Err("its header lacks descr, fortran_order or shape".to_owned());
        };
        Ok(Header { element, fortran, shape, length: 0 })
    }

    fn begins(&mut self, with: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.starts_with(with)
    }

    /// Goes behind this character, which must stand here.
    fn skip(&mut self, wanted: char) -> Result<(), String> {
        if !self.begins(wanted) {
            let found = self.rest.chars().next().map_or("its end".to_owned(), |found| format!("'{found}'"));
            return Err(format!("its header has {found} where '{wanted}' was expected"));
        }
        self.rest = &self.rest[wanted.len_utf8()..];
        Ok(())
    }

    /// Takes so many bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.begins('"') { '"' } else { '\'' };
        self.skip(quote)?;
        let length = self.rest.find(quote).ok_or("its header ends within a string")?;
        let text = self.take(length);
        self.skip(quote)?;
        Ok(text)
    }

    /// The type of an element: a string, or the list that describes a record, which is told and not read.
    fn element(&mut self) -> Result<String, String> {
        if !self.begins('[') {
            return self.string().map(str::to_owned);
        }
        let mut depth = 0usize;
        let end = self.rest.find(|character| {
            match character {
                '[' | '(' => depth += 1,
                ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        let length = end.ok_or("its header ends within a list")? + 1;
        Ok(self.take(length).to_owned())
    }

    fn truth(&mut self) -> Result<bool, String> {
        let is_true = self.begins('T');
        for letter in if is_true { "True" } else { "False" }.chars() {
            self.skip(letter)?;
        }
        Ok(is_true)
    }

    fn extents(&mut self) -> Result<Vec<u64>, String> {
        let mut extents = Vec::new();
        self.skip('(')?;
        while !self.begins(')') {
            let length = self.rest.find([',', ')']).ok_or("its header ends within the shape")?;
            // Python 2 wrote long integers with an L.
            let written = self.take(length).trim_end();
            let extent = written.strip_suffix('L').unwrap_or(written);
            let extent = extent.parse().map_err(|_| {
                let shown: String = written.chars().take(40).collect();
                let wrong = match written.strip_prefix('-').unwrap_or(written) {
                    digits if digits.is_empty() || digits.contains(|c: char| !c.is_ascii_digit()) => {
                        "not decimal"
                    }
                    digits if digits.len() < written.len() => "negative",
                    _ => "too large",
                };
                format!("its header has the extent '{shown}', which is {wrong}")
            })?;
            extents.push(extent);
            if extents.len() > MOST_AXES {
                return Err(format!("its header has more than {MOST_AXES} extents"));
            }
            if !self.begins(')') {
                self.skip(',')?;
            }
        }
        self.skip(')')?;
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Header, String> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        Header::read(&mut bytes.as_slice())
    }

    #[test]
    fn what_writers_write_is_read() {
        let header = |element: &str, fortran, shape: &[u64]| (element.to_owned(), fortran, shape.to_vec());
        for (text, expected) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n",
                header("<f4", false, &[2, 3]),
            ),
            ("{\"shape\":(3L,),\"fortran_order\":True,\"descr\":\">i2\"}", header(">i2", true, &[3])),
            ("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", header("|b1", false, &[])),
            (
                "{'descr': [('a', '<f4', (2,)), ('b', '<i8')], 'fortran_order': False, 'shape': (1,)}",
                header("[('a', '<f4', (2,)), ('b', '<i8')]", false, &[1]),
            ),
        ] {
            let read = read(text).unwrap();
            assert_eq!((read.element, read.fortran, read.shape), expected, "{text}");
            assert_eq!(read.length, 10 + text.len());
        }
    }

    #[test]
    fn what_no_array_has_is_refused() {
        for (text, said) in [
            ("", "'{' was expected"),
            ("{'descr': '<f4'}", "lacks"),
            ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "'M'"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "'-2', which is negative"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "too large"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0x3)}", "'0x3', which is not decimal"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2", "within the shape"),
            ("{'descr': [[[[", "within a list"),
            ("{'descr", "within a string"),
            ("{'other': 3}", "a key 'other'"),
        ] {
            let reason = read(text).unwrap_err();
            assert!(reason.contains(said), "{text}: {reason}");
        }
        let axes = format!("{{'shape': ({})}}", "1,".repeat(65));
        assert!(read(&axes).unwrap_err().contains("64"));
    }

    #[test]
    fn a_written_header_ends_at_a_multiple_of_64_bytes() {
        for shape in [&[][..], &[7], &[1, 3, 224, 224], &[1_000_000; 9]] {
            let bytes = Header::of_f32(shape);
            let read = Header::read(&mut bytes.as_slice()).unwrap();
            assert_eq!((read.element.as_str(), read.fortran), ("<f4", false));
            assert_eq!(read.shape, shape.iter().map(|&extent| extent as u64).collect::<Vec<_>>());
            assert_eq!((bytes.len() % 64, read.length), (0, bytes.len()));
        }
    }
}
