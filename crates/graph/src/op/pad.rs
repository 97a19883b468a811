//! Padding with one number.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::shape::Times;
use crate::{Inconsistency, Shape};

/// Puts a border of one number around its operand. (Borders that repeat or mirror the operand are a
/// [`Take`](super::Take).)
///
/// Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// How many elements are added before the first, per axis.
    pub before: Vec<usize>,
    /// How many elements are added behind the last, per axis.
    pub behind: Vec<usize>,
    /// The number they hold.
    pub value: f32,
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let rank = inputs[0].rank();
        if self.before.len() != rank || self.behind.len() != rank {
            return Err(Inconsistency::new(
                "borders",
                format!("two for each of {rank} axes"),
                format!("{} and {}", self.before.len(), self.behind.len()),
            ));
        }
        let pads = self.before.iter().zip(&self.behind);
        let extents = inputs[0]
            .extents()
            .iter()
            .zip(pads)
            .map(|(&extent, (&before, &behind))| extent.saturating_add(before).saturating_add(behind));
        Ok(vec![Shape::new(extents.collect::<Vec<_>>())?])
    }
}

impl fmt::Display for Pad {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, behind) = (Times(&self.before), Times(&self.behind));
        write!(formatter, "{before} before {behind} behind with {}", self.value)
    }
}
