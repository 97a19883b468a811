//! The largest elements.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// Which of equal elements comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TieRule {
    /// The one with the larger position, as in Caffe.
    LargerPosition,
    /// The one with the smaller position, as in ONNX.
    SmallerPosition,
}

/// The `k` largest elements along an axis, in descending order.
///
/// Operand: input. Results: the elements, and their positions as numbers. Only the elements carry a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// The axis.
    pub axis: usize,
    /// How many.
    pub k: usize,
    /// The order of equal elements.
    pub ties: TieRule,
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let extent = expect_axis(inputs[0], self.axis)?;
        if self.k == 0 || self.k > extent {
            return Err(Inconsistency::new("k", format!("1 to {extent}"), self.k));
        }
        let shape = inputs[0].with_extent(self.axis, self.k)?;
        Ok(vec![shape.clone(), shape])
    }
}

impl fmt::Display for TopK {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} along axis {}", self.k, self.axis)
    }
}
