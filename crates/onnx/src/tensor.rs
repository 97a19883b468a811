//! Tensors of the file: `TensorProto` → [`Constant`].

use std::sync::Arc;

use bytes::Bytes;
use deepinside_graph::{Constant, DataType, Inconsistency, Shape, Weights};
use half::{bf16, f16};
use mapped_file::MappedFile;

use crate::OnnxError;
use crate::external::ExternalData;
use crate::proto::Tensor;

/// What the numbers of a tensor are. All are computed with in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Floating-point numbers of any width.
    Float,
    /// Whole numbers of any width.
    Integer,
    /// Truth values: 0 or 1.
    Boolean,
}

/// The types of elements, by ONNX's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    Bool,
    F16,
    F64,
    U32,
    U64,
    Bf16,
    U4,
    I4,
}

impl Element {
    fn of(data_type: i32) -> Option<Self> {
        Some(match data_type {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            21 => Self::U4,
            22 => Self::I4,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::F32 | Self::F16 | Self::F64 | Self::Bf16 => Kind::Float,
            Self::Bool => Kind::Boolean,
            _ => Kind::Integer,
        }
    }

    /// The number of bytes of so many elements.
    fn bytes(self, elements: usize) -> usize {
        match self {
            Self::U4 | Self::I4 => elements.div_ceil(2),
            Self::U8 | Self::I8 | Self::Bool => elements,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2 * elements,
            Self::F32 | Self::I32 | Self::U32 => 4 * elements,
            Self::F64 | Self::I64 | Self::U64 => 8 * elements,
        }
    }
}

/// What the elements of that ONNX type are.
///
/// # Errors
/// When they are no numbers, or of a width that is not read.
pub(crate) fn kind_of(data_type: i32) -> Result<Kind, Inconsistency> {
    Ok(element(data_type)?.kind())
}

/// How many bits whole numbers of that ONNX type have, and whether one of them is the sign; none where they are no whole numbers.
pub(crate) fn bits(data_type: i32) -> Option<(f64, bool)> {
    Some(match Element::of(data_type)? {
        Element::U4 => (4.0, false),
        Element::I4 => (4.0, true),
        Element::U8 => (8.0, false),
        Element::I8 => (8.0, true),
        Element::U16 => (16.0, false),
        Element::I16 => (16.0, true),
        Element::U32 => (32.0, false),
        Element::I32 => (32.0, true),
        Element::U64 => (64.0, false),
        Element::I64 => (64.0, true),
        Element::F32 | Element::F16 | Element::F64 | Element::Bf16 | Element::Bool => return None,
    })
}

fn element(data_type: i32) -> Result<Element, Inconsistency> {
    Element::of(data_type).ok_or_else(|| {
        let found = match data_type {
            0 => "an undefined type".to_owned(),
            8 => "strings".to_owned(),
            14 | 15 => "complex numbers".to_owned(),
            17..=20 | 23 => "floating-point numbers of 8 or 4 bits".to_owned(),
            other => format!("data type {other}"),
        };
        Inconsistency::new("type of the elements", "floating-point or whole numbers", found)
    })
}

/// The shape that extents of the file mean.
pub(crate) fn shape(dims: &[i64]) -> Result<Shape, Inconsistency> {
    let extents: Option<Vec<usize>> = dims.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let extents =
        extents.ok_or_else(|| Inconsistency::new("shape", "extents of 0 or more", format!("{dims:?}")))?;
    Shape::new(extents)
}

/// The constant that a tensor of the file is. Raw data of up to 24 significant bits stay where they lie.
pub(crate) fn read(
    tensor: &Tensor,
    file: Option<&Arc<MappedFile>>,
    external: &ExternalData,
) -> Result<(Constant, Kind), OnnxError> {
    let failed = |cause| OnnxError::Tensor { tensor: tensor.name.clone(), cause };
    let element = element(tensor.data_type).map_err(failed)?;
    let shape = shape(&tensor.dims).map_err(failed)?;
    let expected = element.bytes(shape.elements());
    const EXTERNAL: i32 = 1;
    let (raw, file) = if tensor.data_location == EXTERNAL {
        let (bytes, file) = external.find(tensor, expected)?;
        (Some(bytes), Some(file))
    } else if tensor.raw_data.is_empty() && expected > 0 {
        (None, None)
    } else {
        (Some(tensor.raw_data.clone()), file.cloned())
    };
    let constant = match raw {
        Some(raw) if raw.len() != expected => {
            return Err(failed(Inconsistency::new(
                format!("bytes of data of shape {shape}"),
                expected,
                raw.len(),
            )));
        }
        Some(raw) => from_raw(element, shape, raw, file),
        None => from_fields(element, shape, tensor),
    };
    Ok((constant.map_err(failed)?, element.kind()))
}

fn from_raw(
    element: Element,
    shape: Shape,
    raw: Bytes,
    file: Option<Arc<MappedFile>>,
) -> Result<Constant, Inconsistency> {
    let data_type = match element {
        Element::F32 => Some(DataType::F32),
        Element::F64 => Some(DataType::F64),
        Element::F16 => Some(DataType::F16),
        Element::Bf16 => Some(DataType::Bf16),
        Element::I8 => Some(DataType::I8),
        Element::U8 | Element::Bool => Some(DataType::U8),
        Element::I16 => Some(DataType::I16),
        Element::U16 => Some(DataType::U16),
        _ => None,
    };
    if let Some(data_type) = data_type {
        let weights = Weights::from_bytes(shape, data_type, raw)?;
        return Ok(match file {
            Some(file) => weights.in_file(file).into(),
            None => weights.into(),
        });
    }
    let elements = shape.elements();
    let numbers: Vec<f64> = match element {
        Element::I32 => numbers(&raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        Element::U32 => numbers(&raw, |bytes| f64::from(u32::from_le_bytes(bytes))),
        Element::I64 => numbers(&raw, |bytes| i64::from_le_bytes(bytes) as f64),
        Element::U64 => numbers(&raw, |bytes| u64::from_le_bytes(bytes) as f64),
        // Two to a byte, the lower half first.
        Element::U4 | Element::I4 => {
            let halves = raw.iter().flat_map(|&byte| [byte & 15, byte >> 4]).take(elements);
            halves.map(|half| nibble(element, half)).collect()
        }
        _ => Vec::new(),
    };
    Constant::new(shape, numbers)
}

fn numbers<const SIZE: usize>(raw: &[u8], number: impl Fn([u8; SIZE]) -> f64) -> Vec<f64> {
    raw.as_chunks::<SIZE>().0.iter().map(|&bytes| number(bytes)).collect()
}

fn nibble(element: Element, half: u8) -> f64 {
    match element {
        Element::I4 if half >= 8 => f64::from(half) - 16.0,
        _ => f64::from(half),
    }
}

/// Data in the fields for numbers of each type, as small tensors and old files have them.
fn from_fields(element: Element, shape: Shape, tensor: &Tensor) -> Result<Constant, Inconsistency> {
    let words = || tensor.int32_data.iter();
    let numbers: Vec<f64> = match element {
        Element::F32 => {
            // Weights of old files: they stay in single precision.
            let weights = Weights::from_f32(shape.clone(), &tensor.float_data);
            return weights.map(Constant::from).map_err(|_| {
                Inconsistency::new(
                    format!("numbers of data of shape {shape}"),
                    shape.elements(),
                    tensor.float_data.len(),
                )
            });
        }
        Element::F64 => tensor.double_data.clone(),
        Element::I64 => tensor.int64_data.iter().map(|&number| number as f64).collect(),
        Element::U64 | Element::U32 => tensor.uint64_data.iter().map(|&number| number as f64).collect(),
        Element::F16 => words().map(|&bits| f16::from_bits(bits as u16).to_f64()).collect(),
        Element::Bf16 => words().map(|&bits| bf16::from_bits(bits as u16).to_f64()).collect(),
        Element::U4 | Element::I4 => {
            let halves = words().flat_map(|&byte| [byte as u8 & 15, byte as u8 >> 4]);
            halves.take(shape.elements()).map(|half| nibble(element, half)).collect()
        }
        _ => words().map(|&number| f64::from(number)).collect(),
    };
    Constant::new(shape, numbers)
}
