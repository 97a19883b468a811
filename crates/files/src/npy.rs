//! NumPy `.npy` files: means, inputs and results travel in them.
//!
//! The shape that the header states is compared with the bytes that the file really has, and only then is memory taken.
//!
//! Real numbers of every NumPy width are read: `bool`, `i1`–`i8`, `u1`–`u8`, `f2`, `f4`, `f8`, either byte order,
//! C or Fortran element order. Bytes after the last element are ignored, as NumPy does.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::npy_header::Header;
use crate::{Array, Error, Result, whole_file};

/// The largest number of elements that is read: a quarter of a milliard, one gibibyte as `f32`.
pub const ELEMENT_LIMIT: u64 = 1 << 28;

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
    stream.write_all(&Header::of_f32(array.shape()))?;
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
    let header = Header::read(&mut stream).map_err(not_npy)?;
    let element = header
        .element_type()
        .ok_or_else(|| Error::NpyElementType { origin: origin.to_owned(), dtype: header.element.clone() })?;

    let stated = header.shape.clone();
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
    let expected = count * element.width() as u64;
    let truncated =
        |found| Error::NpyTruncated { origin: origin.to_owned(), shape: stated.clone(), expected, found };
    let found = length.saturating_sub(header.length as u64);
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
        values.extend(part.chunks_exact(element.width()).map(|bytes| convert(element.decode(bytes))));
        remaining -= part.len();
    }
    let shape: Vec<usize> = stated.iter().map(|&extent| extent as usize).collect();
    let values = if header.fortran { fortran_to_c(&shape, &values) } else { values };
    Ok((shape, values))
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
