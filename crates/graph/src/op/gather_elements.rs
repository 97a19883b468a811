//! Elements at computed positions along an axis.

use std::fmt;

use super::{Operator, Places, expect_inputs};
use crate::{Inconsistency, Shape};

/// One element for each index: `result[i][j] = input[i][indices[i][j]]` for axis 1 ("GatherElements" in ONNX,
/// `gather` in PyTorch).
///
/// Operands: input, indices, of the input's rank; [`Take`](super::Take) is for positions that are known. The
/// indices get no gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherElements {
    /// The axis.
    pub axis: usize,
}

impl Operator for GatherElements {
    fn name(&self) -> &'static str {
        "GatherElements"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        expect_something(inputs[0], inputs[1])?;
        Places::of_elements(inputs[0], inputs[1], self.axis)?;
        Ok(vec![inputs[1].clone()])
    }
}

/// Nothing can be read of an array without elements.
pub(super) fn expect_something(array: &Shape, indices: &Shape) -> Result<(), Inconsistency> {
    if array.elements() == 0 && indices.elements() > 0 {
        return Err(Inconsistency::new("input", "elements to choose from", array));
    }
    Ok(())
}

impl fmt::Display for GatherElements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "along axis {}", self.axis)
    }
}
