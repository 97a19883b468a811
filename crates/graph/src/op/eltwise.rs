//! Elementwise combinations of several operands.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// Combines one or more operands element by element, with NumPy's broadcasting: shapes are aligned at their last axis,
/// and an extent of 1 (or a missing axis) is repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Eltwise {
    /// The sum, each operand times its coefficient.
    Sum {
        /// One coefficient per operand.
        coefficients: Vec<f32>,
    },
    /// The product.
    Product,
    /// The maximum. Of equal first and second operands the second gets the gradient, a later one only where it is
    /// strictly greater than all before it, as Caffe decides ties.
    Maximum,
    /// The minimum, with ties decided as for the maximum.
    Minimum,
}

impl Operator for Eltwise {
    fn name(&self) -> &'static str {
        match self {
            Self::Sum { .. } => "Sum",
            Self::Product => "Product",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=usize::MAX)?;
        if let Self::Sum { coefficients } = self
            && coefficients.len() != inputs.len()
        {
            return Err(Inconsistency::new("number of coefficients", inputs.len(), coefficients.len()));
        }
        let mut shape = inputs[0].clone();
        for input in &inputs[1..] {
            shape = broadcast(&shape, input)?;
        }
        Ok(vec![shape])
    }
}

/// The shape of two operands broadcast against each other.
///
/// # Errors
/// When two extents differ and neither is 1.
pub fn broadcast(left: &Shape, right: &Shape) -> Result<Shape, Inconsistency> {
    let rank = left.rank().max(right.rank());
    let aligned = |shape: &Shape, axis: usize| {
        (axis + shape.rank()).checked_sub(rank).map_or(1, |own| shape.extents()[own])
    };
    let extents: Option<Vec<usize>> = (0..rank)
        .map(|axis| match (aligned(left, axis), aligned(right, axis)) {
            (left, right) if left == right || right == 1 => Some(left),
            (1, right) => Some(right),
            _ => None,
        })
        .collect();
    Shape::new(
        extents.ok_or_else(|| Inconsistency::new("operands", format!("shapes that fit {left}"), right))?,
    )
}

impl fmt::Display for Eltwise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum { coefficients } if coefficients.iter().any(|&coefficient| coefficient != 1.0) => {
                write!(formatter, "coefficients {coefficients:?}")
            }
            _ => Ok(()),
        }
    }
}
