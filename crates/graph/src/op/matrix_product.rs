//! Products of two computed matrices.

use std::fmt;

use super::{Operator, broadcast, expect_inputs};
use crate::{Inconsistency, Shape};

/// The matrix product of the last two axes, `… × M × K` times `… × K × N`, as attention needs it; the axes before them are
/// broadcast as NumPy does. A product with a constant matrix is an [`InnerProduct`](super::InnerProduct).
///
/// Operands: left, right; each of at least two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixProduct;

impl Operator for MatrixProduct {
    fn name(&self) -> &'static str {
        "MatrixProduct"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=2)?;
        for input in inputs {
            if input.rank() < 2 {
                return Err(Inconsistency::new("input", "at least two axes", input));
            }
        }
        let split = |shape: &Shape| {
            let (batch, matrix) = shape.extents().split_at(shape.rank() - 2);
            Ok::<_, Inconsistency>((Shape::new(batch)?, [matrix[0], matrix[1]]))
        };
        let ((left_batch, [rows, inner]), (right_batch, [own_inner, columns])) =
            (split(inputs[0])?, split(inputs[1])?);
        if inner != own_inner {
            return Err(Inconsistency::new("rows of the right matrix", inner, own_inner));
        }
        let mut extents = broadcast(&left_batch, &right_batch)?.extents().to_vec();
        extents.extend([rows, columns]);
        Ok(vec![Shape::new(extents)?])
    }
}

impl fmt::Display for MatrixProduct {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
