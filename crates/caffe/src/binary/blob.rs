//! Arrays of weights: `BlobProto` on the wire.

use bytes::Bytes;
use deepinside_graph::DataType;

use super::wire::{Content, Message};
use crate::error::CaffeError;

/// Most axes of an array, which is Caffe's own limit.
const MAX_AXES: usize = 32;

/// One array of weights: a shape, and its values in little-endian order, the last axis fastest.
#[derive(Debug, Clone)]
pub struct WeightBlob {
    /// The lengths of the axes. Files older than the shape field have always four (see `legacy`); a scalar has none.
    pub shape: Vec<usize>,
    /// Whether the shape is that of a file which knew only four axes: a bias of N values is then (1, 1, 1, N).
    pub legacy: bool,
    /// How the values are stored.
    pub data_type: DataType,
    /// The values; exactly as many as `shape` says. They need not be aligned to anything.
    pub bytes: Bytes,
}

impl WeightBlob {
    /// How many values the array has.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.data_type.size()
    }

    /// Whether the array has no values.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the array may stand for weights of this shape. As in Caffe the shapes must be equal; that of an old file
    /// with four axes is compared to `shape` with ones put in front up to four.
    pub fn fits(&self, shape: &[usize]) -> bool {
        if !self.legacy {
            return self.shape == shape;
        }
        let Some(ones) = self.shape.len().checked_sub(shape.len()) else {
            return false;
        };
        self.shape[..ones].iter().all(|length| *length == 1) && self.shape[ones..] == *shape
    }

    /// The values as `f32`; doubles are rounded to the nearest, as Caffe does on loading.
    pub fn values(&self) -> impl Iterator<Item = f32> + '_ {
        let size = self.data_type.size();
        self.bytes.chunks_exact(size).map(|bytes| match bytes {
            [a, b, c, d] => f32::from_le_bytes([*a, *b, *c, *d]),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32,
            // A chunk has one of the two sizes above.
            _ => f32::NAN,
        })
    }
}

/// The values of one field, which the format allows to come in pieces.
#[derive(Debug, Default)]
struct Values {
    /// The only piece so far: a slice of the file.
    first: Bytes,
    /// All pieces, once there is a second one.
    gathered: Vec<u8>,
}

impl Values {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() && self.gathered.is_empty() {
            self.first = piece;
        } else {
            self.extend(&piece);
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        let first = std::mem::take(&mut self.first);
        self.gathered.extend_from_slice(&first);
        self.gathered.extend_from_slice(piece);
    }

    fn finish(self) -> Bytes {
        if self.gathered.is_empty() { self.first } else { self.gathered.into() }
    }
}

/// Reads one array. A wrong shape is given as a sentence, for the caller to add where the array belongs.
pub(super) fn read(mut message: Message) -> Result<Result<WeightBlob, String>, CaffeError> {
    let mut legacy_shape: [Option<i64>; 4] = [None; 4];
    let mut shape = Vec::new();
    let mut singles = Values::default();
    let mut doubles = Values::default();
    let whole = message.clone();
    while let Some(field) = message.next_field()? {
        match (field.number, field.content) {
            (number @ 1..=4, Content::Integer(length)) => {
                legacy_shape[number as usize - 1] = Some(length.cast_signed());
            }
            (5, Content::Delimited(values)) => singles.push(values.into_bytes()),
            (5, Content::Four(value)) => singles.extend(&value),
            (7, Content::Delimited(message)) => read_shape(message, &mut shape)?,
            (8, Content::Delimited(values)) => doubles.push(values.into_bytes()),
            (8, Content::Eight(value)) => doubles.extend(&value),
            (1..=5 | 7 | 8, _) => {
                return Err(
                    whole.corrupt(0, format!("field {} of an array has the wrong type", field.number))
                );
            }
            // 6 and 9 are the gradients of a training snapshot.
            _ => {}
        }
    }
    let doubles = doubles.finish();
    let (data_type, bytes) =
        if doubles.is_empty() { (DataType::F32, singles.finish()) } else { (DataType::F64, doubles) };
    let legacy = legacy_shape.iter().any(Option::is_some);
    if legacy {
        shape = legacy_shape.iter().map(|length| length.unwrap_or(0)).collect();
    }
    Ok(check(&shape, legacy, data_type, bytes))
}

/// Compares the shape to the number of values.
fn check(shape: &[i64], legacy: bool, data_type: DataType, bytes: Bytes) -> Result<WeightBlob, String> {
    if shape.len() > MAX_AXES {
        return Err(format!("they have {} axes; at most {MAX_AXES} are accepted", shape.len()));
    }
    let lengths: Result<Vec<usize>, _> = shape.iter().map(|length| usize::try_from(*length)).collect();
    let lengths = lengths.map_err(|_| format!("the shape {shape:?} has a negative length"))?;
    let expected = lengths.iter().try_fold(data_type.size(), |product, length| product.checked_mul(*length));
    if expected != Some(bytes.len()) {
        let size = data_type.size();
        let found = bytes.len() / size;
        let rest = match bytes.len() % size {
            0 => String::new(),
            rest => format!(" and {rest} bytes"),
        };
        return Err(format!("the shape {shape:?} does not fit the {found} values{rest} that are stored"));
    }
    Ok(WeightBlob { shape: lengths, legacy, data_type, bytes })
}

/// Adds the lengths of a `BlobShape`.
fn read_shape(mut message: Message, shape: &mut Vec<i64>) -> Result<(), CaffeError> {
    while let Some(field) = message.next_field()? {
        match (field.number, field.content) {
            (1, Content::Delimited(lengths)) => {
                shape.extend(lengths.packed_integers()?.into_iter().map(u64::cast_signed));
            }
            (1, Content::Integer(length)) => shape.push(length.cast_signed()),
            _ => {}
        }
    }
    Ok(())
}
