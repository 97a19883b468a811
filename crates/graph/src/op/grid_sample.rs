//! Images sampled at computed places.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// What lies between the elements of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest element; halfway the even one.
    Nearest,
    /// A weighted mean of two elements along each axis.
    Linear,
    /// A cubic through four elements along each axis (Keys 1981, with a = −3/4).
    Cubic,
}

/// What lies outside of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image mirrored, again and again.
    Reflection,
}

/// The image at places that are computed: spatial transformers (Jaderberg et al. 2015).
///
/// Operands: input `N × C × spatial…`; grid `N × extents… × axes`, the places from −1 to 1 along each spatial
/// axis, the innermost axis first. Result: `N × C × extents…`. Both operands get gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct GridSample {
    /// What lies between elements.
    pub interpolation: Interpolation,
    /// What lies outside.
    pub outside: Outside,
    /// Whether −1 and 1 are the centres of the outermost elements, and not their outer edges.
    pub align_corners: bool,
}

impl Operator for GridSample {
    fn name(&self) -> &'static str {
        "GridSample"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        let (image, grid) = (inputs[0].extents(), inputs[1].extents());
        let axes = image.len().saturating_sub(2);
        if !(1..=3).contains(&axes) || image.contains(&0) {
            return Err(Inconsistency::new(
                "input",
                "a batch, a channel and 1 to 3 spatial axes with elements",
                inputs[0],
            ));
        }
        if grid.len() != image.len() || grid[0] != image[0] || grid[grid.len() - 1] != axes {
            let expected = format!("{} pictures of places of {axes} numbers", image[0]);
            return Err(Inconsistency::new("grid", expected, inputs[1]));
        }
        Ok(vec![Shape::new([&image[..2], &grid[1..grid.len() - 1]].concat())?])
    }
}

impl fmt::Display for GridSample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}, {:?} outside", self.interpolation, self.outside)
    }
}
