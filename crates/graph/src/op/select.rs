//! Choosing between two operands.

use std::fmt;

use super::{Operator, broadcast, expect_inputs};
use crate::{Inconsistency, Shape};

/// `a` where the condition is not 0, `b` elsewhere ("Where" in ONNX), with NumPy's broadcasting.
///
/// Operands: condition, a, b. The condition gets no gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Select;

impl Operator for Select {
    fn name(&self) -> &'static str {
        "Select"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 3..=3)?;
        Ok(vec![broadcast(&broadcast(inputs[0], inputs[1])?, inputs[2])?])
    }
}

impl fmt::Display for Select {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
