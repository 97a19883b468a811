//! Batch normalisation with stored statistics.

use std::fmt;

use super::{Operator, expect_axis, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// `y = (x − mean) / √(variance + ε)` per channel (axis 1), with statistics learnt in training (Ioffe and Szegedy
/// 2015), then scaled and shifted where the format has that in the same layer.
///
/// Operands: input `N × C × …`, mean `C`, variance `C`, [scale `C`, shift `C`]. A one-axis input is one channel per
/// element.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormalization {
    /// The ε added to the variance.
    pub epsilon: f32,
}

impl BatchNormalization {
    /// The axis of the channels for an input of this rank.
    pub fn channel_axis(rank: usize) -> usize {
        usize::from(rank > 1)
    }
}

impl Operator for BatchNormalization {
    fn name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 3..=5)?;
        if inputs.len() == 4 {
            return Err(Inconsistency::new("number of inputs", "3 or 5", 4));
        }
        let channels = expect_axis(inputs[0], Self::channel_axis(inputs[0].rank()))?;
        for (what, shape) in ["mean", "variance", "scale", "shift"].iter().zip(&inputs[1..]) {
            expect_shape(what, shape, &[channels])?;
        }
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for BatchNormalization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ε {}", self.epsilon)
    }
}
