//! Constants: weights that stay where they lie (in a mapped file or in memory) until they are packed.

use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};
use mapped_file::MappedFile;

use crate::{Inconsistency, Shape};

/// How the numbers of a constant are stored, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataType {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision; rounded to single precision when read.
    F64,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision ("brain float").
    Bf16,
    /// Whole numbers with a sign of one byte, as quantised weights have them.
    I8,
    /// Whole numbers without a sign of one byte.
    U8,
    /// Whole numbers with a sign of two bytes.
    I16,
    /// Whole numbers without a sign of two bytes.
    U16,
}

impl DataType {
    /// The number of bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// An immutable constant of a network, shared by reference count.
///
/// The bytes may lie in a memory-mapped file; nothing is copied before the engine packs the numbers, and [`release`]
/// then gives the file's pages back.
///
/// [`release`]: Weights::release
#[derive(Clone)]
pub struct Weights {
    shape: Shape,
    source: Source,
}

/// Where numbers come from.
#[derive(Clone)]
enum Source {
    /// Bytes, and the mapped file in which they lie.
    Stored { data_type: DataType, bytes: Bytes, file: Option<Arc<MappedFile>> },
    /// Nowhere: they are made when they are read.
    Noise { seed: u64, deviation: f32 },
    /// Nowhere: all are one number.
    Filled(f32),
}

impl Weights {
    /// Little-endian bytes with their shape.
    ///
    /// # Errors
    /// When the number of bytes is not what the shape needs.
    pub fn from_bytes(shape: Shape, data_type: DataType, bytes: Bytes) -> Result<Self, Inconsistency> {
        let expected = shape.elements() * data_type.size();
        if bytes.len() != expected {
            return Err(Inconsistency::new(
                format!("bytes of weights of shape {shape}"),
                expected,
                bytes.len(),
            ));
        }
        Ok(Self { shape, source: Source::Stored { data_type, bytes, file: None } })
    }

    /// The same weights, remembering the mapped file in which their bytes lie.
    pub fn in_file(mut self, mapped: Arc<MappedFile>) -> Self {
        if let Source::Stored { file, .. } = &mut self.source {
            *file = Some(mapped);
        }
        self
    }

    /// Reproducible noise, about normally distributed around zero. It takes no memory, however large the shape: every number
    /// is made from the seed and its own index when it is read.
    pub fn noise(shape: Shape, seed: u64, deviation: f32) -> Self {
        Self { shape, source: Source::Noise { seed, deviation } }
    }

    /// One number everywhere. It takes no memory, however large the shape.
    pub fn filled(shape: Shape, number: f32) -> Self {
        Self { shape, source: Source::Filled(number) }
    }

    /// Numbers computed here, as by folding.
    ///
    /// # Errors
    /// When the count of numbers is not what the shape needs.
    pub fn from_f32(shape: Shape, numbers: &[f32]) -> Result<Self, Inconsistency> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::from_bytes(shape, DataType::F32, bytes.into())
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How the numbers are stored.
    pub fn data_type(&self) -> DataType {
        match self.source {
            Source::Stored { data_type, .. } => data_type,
            Source::Noise { .. } | Source::Filled(_) => DataType::F32,
        }
    }

    /// The same numbers under another shape of equal element count.
    ///
    /// # Errors
    /// When the element counts differ.
    pub fn reshaped(&self, shape: Shape) -> Result<Self, Inconsistency> {
        if shape.elements() != self.shape.elements() {
            return Err(Inconsistency::new(
                "weights",
                format!("{} numbers for a shape of {shape}", shape.elements()),
                format!("{} numbers of shape {}", self.shape.elements(), self.shape),
            ));
        }
        Ok(Self { shape, ..self.clone() })
    }

    /// Copies the elements that start at `start` into `target`, converting to single precision.
    ///
    /// # Panics
    /// When the range leaves the weights.
    pub fn read(&self, start: usize, target: &mut [f32]) {
        let (data_type, bytes) = match &self.source {
            Source::Stored { data_type, bytes, .. } => (*data_type, bytes),
            &Source::Noise { seed, deviation } => {
                assert!(start + target.len() <= self.shape.elements(), "a range beyond the weights");
                for (index, number) in (start as u64..).zip(target) {
                    *number = deviation * normal(seed, index);
                }
                return;
            }
            &Source::Filled(number) => {
                assert!(start + target.len() <= self.shape.elements(), "a range beyond the weights");
                target.fill(number);
                return;
            }
        };
        let size = data_type.size();
        let source = &bytes[start * size..(start + target.len()) * size];
        let Source::Stored { file: Some(file), .. } = &self.source else {
            return convert_all(data_type, source, target);
        };
        // The map itself is not looked at: the file may have become shorter.
        let mut piece = vec![0; (PIECE_BYTES / size * size).min(source.len())];
        for (target, source) in
            target.chunks_mut((piece.len() / size).max(1)).zip(source.chunks(piece.len().max(1)))
        {
            let piece = &mut piece[..source.len()];
            file.read(source, piece);
            convert_all(data_type, piece, target);
        }
    }

    /// The mapped file in which the numbers lie, if they do.
    pub(crate) fn file(&self) -> Option<&Arc<MappedFile>> {
        match &self.source {
            Source::Stored { file, .. } => file.as_ref(),
            _ => None,
        }
    }

    /// All elements in single precision, in C order.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut numbers = vec![0.0; self.shape.elements()];
        self.read(0, &mut numbers);
        numbers
    }

    /// Whether the numbers are made when they are read, and stored nowhere.
    pub fn is_made_up(&self) -> bool {
        !matches!(self.source, Source::Stored { .. })
    }

    /// Whether all numbers are one that is kept in their place.
    pub fn is_one_number(&self) -> bool {
        matches!(self.source, Source::Filled(_))
    }

    /// All elements in double precision, in C order.
    pub(crate) fn to_f64(&self) -> Vec<f64> {
        let mut numbers = Vec::with_capacity(self.shape.elements());
        self.pieces(|_, piece| numbers.extend(piece.iter().map(|&number| f64::from(number))));
        numbers
    }

    /// How many numbers are NaN or infinite. Gives the pages that it has read back.
    pub(crate) fn not_finite(&self) -> usize {
        if let Source::Filled(number) = self.source {
            return if number.is_finite() { 0 } else { self.shape.elements() };
        }
        let mut count = 0;
        self.pieces(|start, piece| {
            self.release(start, piece.len());
            count += piece.iter().filter(|number| !number.is_finite()).count();
        });
        count
    }

    /// Calls `work` with all elements in order, a piece at a time, and the place where the piece starts.
    fn pieces(&self, mut work: impl FnMut(usize, &[f32])) {
        const PIECE: usize = 1 << 16;
        let elements = self.shape.elements();
        let mut numbers = vec![0.0; PIECE.min(elements)];
        for start in (0..elements).step_by(PIECE) {
            let piece = &mut numbers[..PIECE.min(elements - start)];
            self.read(start, piece);
            work(start, piece);
        }
    }

    /// Gives the file pages of the elements `start..start + count` back to the system; they are read again on demand.
    ///
    /// Does nothing where the weights do not lie in a mapped file.
    pub fn release(&self, start: usize, count: usize) {
        if let Source::Stored { data_type, bytes, file: Some(file) } = &self.source {
            let size = data_type.size();
            file.release(&bytes[start * size..(start + count) * size]);
        }
    }
}

/// How many bytes of a file are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Reads numbers as they are stored.
fn convert_all(data_type: DataType, source: &[u8], target: &mut [f32]) {
    match data_type {
        DataType::F32 => convert(source, target, f32::from_le_bytes),
        DataType::F64 => convert(source, target, |bytes| f64::from_le_bytes(bytes) as f32),
        DataType::F16 => convert(source, target, |bytes| f16::from_le_bytes(bytes).to_f32()),
        DataType::Bf16 => convert(source, target, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        DataType::I8 => convert(source, target, |bytes| f32::from(i8::from_le_bytes(bytes))),
        DataType::U8 => convert(source, target, |bytes| f32::from(u8::from_le_bytes(bytes))),
        DataType::I16 => convert(source, target, |bytes| f32::from(i16::from_le_bytes(bytes))),
        DataType::U16 => convert(source, target, |bytes| f32::from(u16::from_le_bytes(bytes))),
    }
}

/// Reads numbers of `SIZE` bytes each.
fn convert<const SIZE: usize>(source: &[u8], target: &mut [f32], number: impl Fn([u8; SIZE]) -> f32) {
    for (target, bytes) in target.iter_mut().zip(source.as_chunks::<SIZE>().0) {
        *target = number(*bytes);
    }
}

/// The number at an index of reproducible noise: the sum of four uniform numbers, which is close to normal (Irwin 1927,
/// Hall 1927), out of a mixed counter (Steele, Lea and Flood 2014, SplitMix64).
fn normal(seed: u64, index: u64) -> f32 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four times the mean of a uniform number is 2, and the variance is a third.
    ((sum as f64 + 2.0) / 65536.0 - 2.0) as f32 * 3f32.sqrt()
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Weights({}, {:?})", self.shape, self.data_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_precisions() {
        let shape = Shape::new([3]).unwrap();
        let doubles: Vec<u8> = [1.5f64, -2.0, 0.1].iter().flat_map(|number| number.to_le_bytes()).collect();
        let weights = Weights::from_bytes(shape.clone(), DataType::F64, doubles.into()).unwrap();
        assert_eq!(weights.to_vec(), [1.5, -2.0, 0.1]);
        let weights = Weights::from_f32(shape, &[1.5, -2.0, 0.1]).unwrap();
        let mut last = [0.0];
        weights.read(2, &mut last);
        assert_eq!(last, [0.1]);
    }

    #[test]
    fn noise_is_normal_and_the_same_wherever_reading_begins() {
        let noise = Weights::noise(Shape::new([100_000]).unwrap(), 7, 2.0);
        let numbers = noise.to_vec();
        let moment = |power: i32| numbers.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / 1e5;
        assert!(moment(1).abs() < 0.03 && (moment(2) - 4.0).abs() < 0.08, "{} {}", moment(1), moment(2));
        // The fourth moment of four uniform numbers is 2.7 squared variances; 3 for the normal distribution itself.
        assert!((moment(4) / 16.0 - 2.7).abs() < 0.1, "{}", moment(4));
        let mut some = [0.0; 5];
        noise.read(777, &mut some);
        assert_eq!(some, numbers[777..782]);
        let other = Weights::noise(Shape::new([100_000]).unwrap(), 8, 2.0).to_vec();
        let both = numbers.iter().zip(&other).map(|(a, b)| f64::from(a * b)).sum::<f64>() / 1e5;
        assert!(both.abs() < 0.06, "{both}");
    }

    #[test]
    fn counts_what_is_no_number() {
        let mut numbers = vec![1.0; 100_000];
        (numbers[3], numbers[99_999]) = (f32::NAN, f32::INFINITY);
        let weights = Weights::from_f32(Shape::new([100_000]).unwrap(), &numbers).unwrap();
        assert_eq!(weights.not_finite(), 2);
    }

    #[test]
    fn reads_half_precisions() {
        let shape = Shape::new([3]).unwrap();
        // 1.5, −2 and 2⁻¹⁴ by their bits.
        let halves: Vec<u8> =
            [0x3E00u16, 0xC000, 0x0400].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let weights = Weights::from_bytes(shape.clone(), DataType::F16, halves.into()).unwrap();
        assert_eq!(weights.to_vec(), [1.5, -2.0, 1.0 / 16384.0]);
        let brain: Vec<u8> = [0x3FC0u16, 0xC000, 0x3880].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let weights = Weights::from_bytes(shape, DataType::Bf16, brain.into()).unwrap();
        assert_eq!(weights.to_vec(), [1.5, -2.0, 1.0 / 16384.0]);
    }

    #[test]
    fn reads_whole_numbers() {
        let read = |data_type: DataType, bytes: &'static [u8]| {
            let shape = Shape::new([bytes.len() / data_type.size()]).unwrap();
            Weights::from_bytes(shape, data_type, Bytes::from_static(bytes)).unwrap().to_vec()
        };
        assert_eq!(read(DataType::I8, &[0x00, 0x7f, 0x80, 0xff]), [0.0, 127.0, -128.0, -1.0]);
        assert_eq!(read(DataType::U8, &[0x00, 0x80, 0xff]), [0.0, 128.0, 255.0]);
        assert_eq!(read(DataType::I16, &[0xff, 0x7f, 0x00, 0x80]), [32767.0, -32768.0]);
        assert_eq!(read(DataType::U16, &[0x00, 0x80, 0xff, 0xff]), [32768.0, 65535.0]);
    }

    #[test]
    fn one_number_everywhere_takes_no_memory() {
        let weights = Weights::filled(Shape::new([crate::MAXIMUM_ELEMENTS]).unwrap(), 1.5);
        let mut some = [0.0; 3];
        weights.read(crate::MAXIMUM_ELEMENTS - 3, &mut some);
        assert_eq!(some, [1.5; 3]);
        assert_eq!(weights.not_finite(), 0);
        let shape = Shape::new([3]).unwrap();
        assert_eq!(Weights::filled(shape, f32::NAN).not_finite(), 3);
    }

    #[test]
    fn refuses_a_wrong_length() {
        let shape = Shape::new([3]).unwrap();
        assert!(Weights::from_bytes(shape, DataType::F32, Bytes::from_static(&[0; 8])).is_err());
    }
}
