//! Running sums.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// The sum of all elements up to each one along an axis. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct CumulativeSum {
    /// The axis.
    pub axis: usize,
    /// Whether each element is left out of its own sum.
    pub exclusive: bool,
    /// Whether sums run from the end.
    pub reverse: bool,
}

impl Operator for CumulativeSum {
    fn name(&self) -> &'static str {
        "CumulativeSum"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        expect_axis(inputs[0], self.axis)?;
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for CumulativeSum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "along axis {}", self.axis)?;
        let words = [(self.exclusive, ", exclusive"), (self.reverse, ", from the end")];
        words.iter().filter(|(is, _)| *is).try_for_each(|(_, word)| formatter.write_str(word))
    }
}
