//! Elements written to computed positions along an axis.

use std::fmt;

use super::{Operator, Places, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// What becomes of an element to which something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScatterReduction {
    /// It is replaced; by the last of several.
    Replace,
    /// What is written is added.
    Add,
    /// It is multiplied with what is written.
    Multiply,
    /// The larger one stays. Of equal ones the first passes the gradient, and the element itself is before all.
    Maximum,
    /// The smaller one stays, likewise.
    Minimum,
}

impl ScatterReduction {
    /// What two numbers become.
    #[inline(always)]
    pub fn combine<R: PartialOrd + std::ops::Add<Output = R> + std::ops::Mul<Output = R>>(
        self,
        old: R,
        new: R,
    ) -> R {
        match self {
            Self::Replace => new,
            Self::Add => old + new,
            Self::Multiply => old * new,
            Self::Maximum => {
                if new > old {
                    new
                } else {
                    old
                }
            }
            Self::Minimum => {
                if new < old {
                    new
                } else {
                    old
                }
            }
        }
    }
}

/// The input with an update at each index: `result[i][indices[i][j]] = updates[i][j]` for axis 1
/// ("ScatterElements" in ONNX, `scatter` in PyTorch).
///
/// Operands: input, indices of the input's rank, updates of the indices' shape. The indices get no gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterElements {
    /// The axis.
    pub axis: usize,
    /// What becomes of what was there.
    pub reduction: ScatterReduction,
}

impl Operator for ScatterElements {
    fn name(&self) -> &'static str {
        "ScatterElements"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 3..=3)?;
        Places::of_elements(inputs[0], inputs[1], self.axis)?;
        expect_shape("updates", inputs[2], inputs[1].extents())?;
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for ScatterElements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "along axis {}, {:?}", self.axis, self.reduction)
    }
}
