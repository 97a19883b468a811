//! Windows as columns of matrices.

use std::fmt;

use super::{Operator, Window, expect_inputs};
use crate::{Inconsistency, Shape};

/// The elements under each tap of a window, as a row of a matrix with a column for each place of the window
/// (`Unfold` in PyTorch): a convolution is a product of its filters with this.
///
/// Operand: input `N × C × spatial…`. Result: `N × C·taps × places`; the border is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Im2Col {
    /// How the window slides.
    pub window: Window,
}

impl Operator for Im2Col {
    fn name(&self) -> &'static str {
        "Im2Col"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let spatial = self.window.check(inputs[0])?;
        let places: usize = product(&self.window.slide(spatial)?)?;
        let [batch, channels] = [inputs[0].extents()[0], inputs[0].extents()[1]];
        let rows = product(&[&[channels], &self.window.kernel[..]].concat())?;
        Ok(vec![Shape::new([batch, rows, places])?])
    }
}

/// A product that is known not to overflow.
pub(super) fn product(extents: &[usize]) -> Result<usize, Inconsistency> {
    Ok(Shape::new(extents)?.elements())
}

impl fmt::Display for Im2Col {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.window)
    }
}
