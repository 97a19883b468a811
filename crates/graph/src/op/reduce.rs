//! Sums, products and extremes over axes.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// What becomes of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// They are summed.
    Sum,
    /// They are summed and divided by their number.
    Mean,
    /// Their magnitudes are summed.
    AbsoluteSum,
    /// Their squares are summed.
    SquareSum,
    /// They are multiplied.
    Product,
    /// The largest element; the first of equal ones is the one that counts for the gradient.
    Maximum,
    /// The smallest element; the first of equal ones is the one that counts for the gradient.
    Minimum,
}

/// Reduces some axes to one number, times a coefficient. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduce {
    /// What becomes of the elements.
    pub reduction: Reduction,
    /// The axes reduced, increasing.
    pub axes: Vec<usize>,
    /// Whether those axes stay, with extent 1.
    pub keep_axes: bool,
    /// What the result is multiplied with.
    pub coefficient: f32,
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "ReduceSum",
            Reduction::Mean => "ReduceMean",
            Reduction::AbsoluteSum => "ReduceAbsoluteSum",
            Reduction::SquareSum => "ReduceSquareSum",
            Reduction::Product => "ReduceProduct",
            Reduction::Maximum => "ReduceMaximum",
            Reduction::Minimum => "ReduceMinimum",
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
