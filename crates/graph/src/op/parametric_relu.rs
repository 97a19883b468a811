//! Rectifier with a learnt slope.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs};
use crate::{Inconsistency, Shape};

/// `y = x` for positive `x`, `slope · x` otherwise (He et al. 2015).
///
/// Operands: input `N × C × …`, slopes `C` or one for all channels.
#[derive(Debug, Clone, PartialEq)]
pub struct ParametricRelu;

impl Operator for ParametricRelu {
    fn name(&self) -> &'static str {
        "ParametricRelu"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        let channels = expect_axis(inputs[0], 1)?;
        if ![1, channels].contains(&inputs[1].elements()) {
            return Err(Inconsistency::new("slopes", format!("1 or {channels} numbers"), inputs[1]));
        }
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for ParametricRelu {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
