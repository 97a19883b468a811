//! Pooling.

use std::fmt;

use super::{Operator, Window, expect_inputs};
use crate::shape::Times;
use crate::{Inconsistency, Shape};

/// What an average is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AverageDivisor {
    /// The part of the window inside the padded input, as Caffe counts (and ONNX with `count_include_pad`).
    PaddedInput,
    /// The part of the window inside the input itself.
    Input,
}

/// What becomes of a window's elements. Padding is never chosen by a maximum and adds nothing to an average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element; the first of equal ones in row-major order is the one that counts for the gradient.
    Maximum,
    /// The mean.
    Average(AverageDivisor),
}

/// Maximum or average over windows that slide over `N × C × spatial…`.
///
/// Operand: input. Results: the pooled values and, `with_positions`, where each maximum stood: its row-major position
/// among the spatial elements of its channel, as a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Maximum or average.
    pub kind: PoolKind,
    /// How the window slides.
    pub window: Window,
    /// The output extents, which settle every rounding rule; the last windows may overhang the padded input.
    pub output: Vec<usize>,
    /// Whether the positions of the maxima are a second result.
    pub with_positions: bool,
}

impl Operator for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Maximum => "MaxPool",
            PoolKind::Average(_) => "AveragePool",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let spatial = self.window.check(inputs[0])?;
        if self.output.len() != spatial.len() || self.output.contains(&0) {
            return Err(Inconsistency::new(
                "output extents",
                "one per spatial axis, at least 1",
                Times(&self.output),
            ));
        }
        if let Some(axis) =
            (0..spatial.len()).find(|&axis| self.window.pad_begin[axis] >= self.window.reach(axis))
        {
            return Err(Inconsistency::new(
                format!("padding along spatial axis {axis}"),
                format!("less than the window's {}", self.window.reach(axis)),
                self.window.pad_begin[axis],
            ));
        }
        if self.with_positions && self.kind != PoolKind::Maximum {
            return Err(Inconsistency::new("number of outputs", "1 for an average", 2));
        }
        let mut extents = inputs[0].extents()[..2].to_vec();
        extents.extend(&self.output);
        let shape = Shape::new(extents)?;
        Ok(vec![shape; if self.with_positions { 2 } else { 1 }])
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.window)
    }
}
