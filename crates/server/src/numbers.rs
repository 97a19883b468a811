//! Arrays of numbers in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::files::Array;
use serde::Serialize;
use utoipa::ToSchema;

/// An array of 32-bit floats in C order. They may be NaN or infinite where the network's own numbers are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"shape": [1, 2], "type": "float32", "data": "AACAPwAAAEA="}))]
pub struct Numbers {
    /// The extents, the slowest first.
    shape: Vec<usize>,
    /// "float32", or "uint8".
    r#type: &'static str,
    /// The numbers, little-endian, in base64.
    data: String,
}

impl Numbers {
    /// Bytes of a shape.
    pub fn of_bytes(shape: &[usize], bytes: &[u8]) -> Self {
        Self { shape: shape.to_vec(), r#type: "uint8", data: STANDARD.encode(bytes) }
    }

    /// Numbers of a shape.
    pub fn of_floats(shape: &[usize], numbers: &[f32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { shape: shape.to_vec(), r#type: "float32", data: STANDARD.encode(bytes) }
    }
}

impl From<&Array> for Numbers {
    fn from(array: &Array) -> Self {
        Self::of_floats(array.shape(), array.data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `base64.b64encode(numpy.array([1, 2], '<f4').tobytes())`
    #[test]
    fn numbers_are_little_endian_floats() {
        let numbers = Numbers::from(&Array::new([1, 2], vec![1.0, 2.0]).unwrap());
        let json = serde_json::to_value(&numbers).unwrap();
        assert_eq!(json, serde_json::json!({"shape": [1, 2], "type": "float32", "data": "AACAPwAAAEA="}));
    }
}
