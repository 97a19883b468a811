//! Sums over axes.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The elements.
    Sum,
    /// The elements, divided by their number.
    Mean,
    /// Their magnitudes.
    AbsoluteSum,
    /// Their squares.
    SquareSum,
}

/// Sums over some axes, times a coefficient. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduce {
    /// What is summed.
    pub reduction: Reduction,
    /// The axes summed over, increasing.
    pub axes: Vec<usize>,
    /// Whether those axes stay, with extent 1.
    pub keep_axes: bool,
    /// What the sum is multiplied with.
    pub coefficient: f32,
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "ReduceSum",
            Reduction::Mean => "ReduceMean",
            Reduction::AbsoluteSum => "ReduceAbsoluteSum",
            Reduction::SquareSum => "ReduceSquareSum",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        check_axes(inputs[0], &self.axes)?;
        let extents: Vec<usize> = (0..inputs[0].rank())
            .filter_map(|axis| match self.axes.contains(&axis) {
                false => inputs[0].extent(axis),
                true => self.keep_axes.then_some(1),
            })
            .collect();
        Ok(vec![Shape::new(extents)?])
    }
}

/// Axes must exist and increase.
pub(super) fn check_axes(shape: &Shape, axes: &[usize]) -> Result<(), Inconsistency> {
    if axes.is_sorted_by(|a, b| a < b) && axes.iter().all(|&axis| axis < shape.rank()) {
        return Ok(());
    }
    Err(Inconsistency::new("axes", format!("increasing, below {}", shape.rank()), format!("{axes:?}")))
}

impl fmt::Display for Reduce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "over axes {:?}", self.axes)?;
        if self.coefficient != 1.0 { write!(formatter, " × {}", self.coefficient) } else { Ok(()) }
    }
}
