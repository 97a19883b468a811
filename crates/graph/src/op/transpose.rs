//! Another order of the axes.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// Puts the axes in another order. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Transpose {
    /// For each axis of the result, the axis of the operand that it is.
    pub permutation: Vec<usize>,
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "Transpose"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..inputs[0].rank()) {
            return Err(Inconsistency::new(
                "permutation",
                format!("each axis below {} once", inputs[0].rank()),
                format!("{:?}", self.permutation),
            ));
        }
        let extents = inputs[0].extents();
        Ok(vec![Shape::new(self.permutation.iter().map(|&axis| extents[axis]).collect::<Vec<_>>())?])
    }
}

impl fmt::Display for Transpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "to axes {:?}", self.permutation)
    }
}
