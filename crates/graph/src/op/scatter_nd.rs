//! Slices written to computed positions.

use std::fmt;

use super::{Operator, Places, ScatterReduction, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// The input with an update for each row of indices, whose numbers are positions along the first axes
/// ("ScatterND" in ONNX).
///
/// Operands: input, indices `… × numbers`, updates: a slice of the input for each row. The indices get no
/// gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterNd {
    /// What becomes of what was there.
    pub reduction: ScatterReduction,
}

impl Operator for ScatterNd {
    fn name(&self) -> &'static str {
        "ScatterND"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 3..=3)?;
        Places::of_slices(inputs[0], inputs[1], 0)?;
        if let Some((&width, outer)) = inputs[1].extents().split_last() {
            let expected = [outer, &inputs[0].extents()[width..]].concat();
            expect_shape("updates", inputs[2], &expected)?;
        }
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for ScatterNd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.reduction)
    }
}
