//! Ranges of axes.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// A range of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisRange {
    /// The axis.
    pub axis: usize,
    /// The first position kept.
    pub start: usize,
    /// The number of positions kept.
    pub size: usize,
}

/// Keeps a range of some axes and all of the others. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The ranges, each of another axis.
    pub ranges: Vec<AxisRange>,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let mut shape = inputs[0].clone();
        for (position, range) in self.ranges.iter().enumerate() {
            let extent = expect_axis(inputs[0], range.axis)?;
            if range.start.checked_add(range.size).is_none_or(|end| end > extent) {
                return Err(Inconsistency::new(
                    format!("range of axis {}", range.axis),
                    format!("within the input's {extent}"),
                    format!("{} elements from {} on", range.size, range.start),
                ));
            }
            if self.ranges[..position].iter().any(|other| other.axis == range.axis) {
                return Err(Inconsistency::new(
                    "ranges",
                    "each axis once",
                    format!("axis {} twice", range.axis),
                ));
            }
            shape = shape.with_extent(range.axis, range.size)?;
        }
        Ok(vec![shape])
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, AxisRange { axis, start, size }) in self.ranges.iter().enumerate() {
            let comma = if position > 0 { ", " } else { "" };
            write!(formatter, "{comma}axis {axis} from {start} for {size}")?;
        }
        Ok(())
    }
}
