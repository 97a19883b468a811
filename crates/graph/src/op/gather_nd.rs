//! Slices at computed positions.

use std::fmt;

use super::gather_elements::expect_something;
use super::{Operator, Places, expect_inputs};
use crate::{Inconsistency, Shape};

/// One slice for each row of indices, whose numbers are positions along the first axes of the input, or along
/// those behind the first `batch_axes`, which input and indices share ("GatherND" in ONNX).
///
/// Operands: input, indices `… × numbers`. The indices get no gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherNd {
    /// How many first axes input and indices share.
    pub batch_axes: usize,
}

impl Operator for GatherNd {
    fn name(&self) -> &'static str {
        "GatherND"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        expect_something(inputs[0], inputs[1])?;
        Places::of_slices(inputs[0], inputs[1], self.batch_axes)?;
        let (outer, width) = match inputs[1].extents().split_last() {
            Some((&width, outer)) => (outer, width),
            None => (&[][..], 0),
        };
        Ok(vec![Shape::new([outer, &inputs[0].extents()[self.batch_axes + width..]].concat())?])
    }
}

impl fmt::Display for GatherNd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.batch_axes {
            0 => Ok(()),
            axes => write!(formatter, "behind {axes} axes"),
        }
    }
}
