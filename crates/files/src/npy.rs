//! NumPy `.npy` files: means, inputs and results travel in them.
//!
//! The header is parsed by `npyz`. Before it sees the header, a short check refuses what would make any parser of
//! Python literals work without bound (deep nesting, numbers whose product overflows, headers of megabytes); after
//! it, the stated shape is compared with the bytes that the file really has, and only then is memory taken.
//!
//! Real numbers of every NumPy width are read: `bool`, `i1`–`i8`, `u1`–`u8`, `f2`, `f4`, `f8`, either byte order,
//! C or Fortran element order. Bytes after the last element are ignored, as NumPy does.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use crate::{Array, Error, Result, whole_file};

/// The largest number of elements that is read: a quarter of a milliard, one gibibyte as `f32`.
pub const ELEMENT_LIMIT: u64 = 1 << 28;

/// NumPy headers take about a hundred bytes; a longer one than this is not of a numeric array.
const HEADER_LIMIT: usize = 1 << 14;

/// Bytes converted at a time: a multiple of every element width, small enough to stay in cache.
const CHUNK_BYTES: usize = 1 << 16;

/// Reads a file as `f32`, in C order; wider numbers are rounded.
///
/// # Errors
/// [`Error::Read`] when the file cannot be opened, and the `Npy…` errors when it is not an array of real numbers,
/// is truncated, has no elements or more than [`ELEMENT_LIMIT`].
pub fn read(path: impl AsRef<Path>) -> Result<Array> {
    let (shape, values) = read_path(path.as_ref(), |value| value as f32)?;
    Array::new(shape, values)
}

/// Reads a file as `f64`, in C order: the shape and the values.
///
/// # Errors
/// As [`read`].
pub fn read_f64(path: impl AsRef<Path>) -> Result<(Vec<usize>, Vec<f64>)> {
    read_path(path.as_ref(), |value| value)
}

/// Reads an array from bytes in memory; `origin` names them in errors.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Array> {
    let (shape, values) = read_stream(bytes, bytes.len() as u64, origin, |value| value as f32)?;
    Array::new(shape, values)
}

/// Writes the array as `float32` in C order; the file appears whole or not at all.
///
/// # Errors
/// [`Error::Write`].
pub fn write(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    whole_file::write(path.as_ref(), |stream| encode(stream, array))
}

/// Writes the array as `float32` in C order into a stream.
///
/// # Errors
/// [`Error::WriteStream`].
pub fn write_to(mut stream: impl Write, array: &Array) -> Result<()> {
    encode(&mut stream, array).map_err(|source| Error::WriteStream { source })
}

fn encode(stream: &mut dyn Write, array: &Array) -> std::io::Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&extent| extent as u64).collect();
    let dtype = "<f4".parse().map_err(std::io::Error::other)?;
    npyz::WriteOptions::new_header_only()
        .dtype(DType::new_scalar(dtype))
        .shape(&shape)
        .writer(&mut *stream)
        .write_header_only()?;
    let mut bytes = Vec::with_capacity(CHUNK_BYTES);
    for values in array.data().chunks(CHUNK_BYTES / size_of::<f32>()) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn read_path<T: Copy>(path: &Path, convert: impl Fn(f64) -> T) -> Result<(Vec<usize>, Vec<T>)> {
    let (file, length) = whole_file::open(path)?;
    read_stream(BufReader::new(file.take(length)), length, &path.display().to_string(), convert)
}

/// Reads one array from `stream`, which has `length` bytes.
fn read_stream<T: Copy>(
    mut stream: impl Read,
    length: u64,
    origin: &str,
    convert: impl Fn(f64) -> T,
) -> Result<(Vec<usize>, Vec<T>)> {
    let not_npy = |reason: String| Error::NotNpy { origin: origin.to_owned(), reason };
    let header_bytes = read_header_bytes(&mut stream).map_err(not_npy)?;
    let header =
        NpyHeader::from_reader(header_bytes.as_slice()).map_err(|error| not_npy(error.to_string()))?;
    let element = ElementType::of(&header.dtype())
        .ok_or_else(|| Error::NpyElementType { origin: origin.to_owned(), dtype: header.dtype().descr() })?;

    let stated = header.shape().to_vec();
    let count = stated.iter().try_fold(1u64, |product, &extent| product.checked_mul(extent));
    let count = match count {
        Some(0) => return Err(Error::NpyEmpty { origin: origin.to_owned(), shape: stated }),
        Some(count) if count <= ELEMENT_LIMIT => count,
        _ => {
            return Err(Error::NpyTooLarge {
                origin: origin.to_owned(),
                shape: stated,
                limit: ELEMENT_LIMIT,
            });
        }
    };
    let expected = count * element.width as u64;
    let truncated =
        |found| Error::NpyTruncated { origin: origin.to_owned(), shape: stated.clone(), expected, found };
    let found = length.saturating_sub(header_bytes.len() as u64);
    if found < expected {
        return Err(truncated(found));
    }

    let mut values = Vec::with_capacity(count as usize);
    let mut chunk = vec![0u8; CHUNK_BYTES];
    let mut remaining = expected as usize;
    while remaining > 0 {
        let part = &mut chunk[..remaining.min(CHUNK_BYTES)];
        // The length was checked: a failure here means that the file shrank or the device failed meanwhile.
        stream.read_exact(part).map_err(|_| truncated(expected - remaining as u64))?;
        values.extend(part.chunks_exact(element.width).map(|bytes| convert(element.decode(bytes))));
        remaining -= part.len();
    }
    let shape: Vec<usize> = stated.iter().map(|&extent| extent as usize).collect();
    let values = match header.order() {
        Order::C => values,
        Order::Fortran => fortran_to_c(&shape, &values),
    };
    Ok((shape, values))
}

/// Reads magic, version, length and text of the header, and refuses texts that no NumPy array of numbers has.
fn read_header_bytes(stream: &mut impl Read) -> std::result::Result<Vec<u8>, String> {
    let short = |_| "the file ends within its header".to_owned();
    let mut bytes = vec![0u8; 8];
    stream.read_exact(&mut bytes).map_err(short)?;
    if bytes[..6] != *b"\x93NUMPY" {
        return Err("it does not begin with the NumPy signature".to_owned());
    }
    let length_width = match bytes[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(format!("its format version {version}.{} is unknown", bytes[7])),
    };
    let mut length_bytes = [0u8; 4];
    stream.read_exact(&mut length_bytes[..length_width]).map_err(short)?;
    bytes.extend_from_slice(&length_bytes[..length_width]);
    let text_length = u32::from_le_bytes(length_bytes) as usize;
    if text_length > HEADER_LIMIT {
        return Err(format!("its header states {text_length} bytes, at most {HEADER_LIMIT} are read"));
    }
    let start = bytes.len();
    bytes.resize(start + text_length, 0);
    stream.read_exact(&mut bytes[start..]).map_err(short)?;
    check_header_text(&bytes[start..])?;
    Ok(bytes)
}

/// Bounds the nesting and the product of all decimal numbers of the header text.
///
/// The header of a numeric array is one dictionary with one tuple in it. Zeros are left out of the product since
/// a parser may multiply the other extents first.
fn check_header_text(text: &[u8]) -> std::result::Result<(), String> {
    let (mut depth, mut product, mut at) = (0usize, 1u64, 0usize);
    while at < text.len() {
        match text[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'0'..=b'9' => {
                let end = at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if text
                    .get(end)
                    .is_some_and(|next| matches!(next, b'x' | b'X' | b'o' | b'b' | b'B' | b'O' | b'_'))
                {
                    return Err("its header has a number that is not decimal".to_owned());
                }
                let number = text[at..end]
                    .iter()
                    .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
                product = number
                    .and_then(|number| product.checked_mul(number.max(1)))
                    .ok_or("its header has numbers that are too large")?;
                at = end - 1;
            }
            _ => {}
        }
        if depth > 4 {
            return Err("its header is nested too deeply".to_owned());
        }
        at += 1;
    }
    Ok(())
}

/// How one element is stored.
struct ElementType {
    kind: TypeChar,
    width: usize,
    big_endian: bool,
}

impl ElementType {
    /// `None` for everything that is not a real number of a known width.
    fn of(dtype: &DType) -> Option<Self> {
        let DType::Plain(plain) = dtype else { return None };
        let (kind, width) = (plain.type_char(), plain.num_bytes()?);
        let known = match kind {
            TypeChar::Bool => width == 1,
            TypeChar::Int | TypeChar::Uint => matches!(width, 1 | 2 | 4 | 8),
            TypeChar::Float => matches!(width, 2 | 4 | 8),
            _ => false,
        };
        known.then_some(Self { kind, width, big_endian: plain.endianness() == Endianness::Big })
    }

    /// The value of one element; `bytes` has the element's width.
    fn decode(&self, bytes: &[u8]) -> f64 {
        let mut little = [0u8; 8];
        little[..bytes.len()].copy_from_slice(bytes);
        if self.big_endian {
            little[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(little);
        match (self.kind, self.width) {
            (TypeChar::Float, 8) => f64::from_bits(bits),
            (TypeChar::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (TypeChar::Float, _) => half_to_f64(bits as u16),
            (TypeChar::Int, width) => {
                // Moving the sign bit to the top and back again extends the sign.
                let unused = 64 - 8 * width as u32;
                (((bits << unused) as i64) >> unused) as f64
            }
            _ => bits as f64,
        }
    }
}

/// IEEE 754 binary16: one sign bit, five exponent bits (bias 15), ten fraction bits.
fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = ((bits >> 10) & 31, f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
    }
}

/// Reorders values whose first axis varies fastest into C order.
fn fortran_to_c<T: Copy>(shape: &[usize], values: &[T]) -> Vec<T> {
    let mut index = vec![0usize; shape.len()];
    let mut result = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let (mut offset, mut stride) = (0, 1);
        for (&position, &extent) in index.iter().zip(shape) {
            offset += position * stride;
            stride *= extent;
        }
        result.push(values[offset]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    result
}
