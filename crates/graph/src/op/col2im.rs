//! Columns of matrices added up where their windows stand.

use std::fmt;

use super::im2col::product;
use super::{Operator, Window, expect_inputs};
use crate::{Inconsistency, Shape};

/// The adjoint of [`Im2Col`](super::Im2Col): each column's numbers are added to the places under the taps of
/// its window (`Fold` in PyTorch, "Col2Im" in ONNX).
///
/// Operand: columns `N × C·taps × places`. Result: `N × C × spatial…`.
#[derive(Debug, Clone, PartialEq)]
pub struct Col2Im {
    /// How the window slides over the result.
    pub window: Window,
    /// The spatial extents of the result.
    pub spatial: Vec<usize>,
}

impl Operator for Col2Im {
    fn name(&self) -> &'static str {
        "Col2Im"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let &[batch, rows, places] = inputs[0].extents() else {
            return Err(Inconsistency::new("input", "a batch, rows and columns", inputs[0]));
        };
        let result = |channels| Shape::new([&[batch, channels], &self.spatial[..]].concat());
        self.window.check(&result(1)?)?;
        let taps = product(&self.window.kernel)?;
        let expected = product(&self.window.slide(&self.spatial)?)?;
        if !rows.is_multiple_of(taps) || places != expected {
            let expected = format!("a multiple of {taps} rows and {expected} columns");
            return Err(Inconsistency::new("input", expected, inputs[0]));
        }
        Ok(vec![result(rows / taps)?])
    }
}

impl fmt::Display for Col2Im {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.window)
    }
}
