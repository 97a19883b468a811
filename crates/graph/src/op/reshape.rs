//! The same elements in another shape.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// One extent of the result of a reshape, said so that it still holds for another batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// This number.
    Fixed(usize),
    /// The extent of an axis of the operand.
    Copy(usize),
    /// The product of the operand's axes from the first up to, not including, the second.
    Merge(usize, usize),
    /// Whatever is left; at most once.
    Infer,
}

/// The same elements, in C order, under another shape. Operand: input.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshape {
    /// The extents of the result.
    pub extents: Vec<Extent>,
}

impl Reshape {
    /// Merges the axes `first..end` of an operand of that rank into one.
    pub fn flatten(rank: usize, first: usize, end: usize) -> Self {
        let mut extents: Vec<Extent> = (0..first).map(Extent::Copy).collect();
        extents.push(Extent::Merge(first, end));
        extents.extend((end..rank).map(Extent::Copy));
        Self { extents }
    }
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let input = inputs[0];
        let unknown = |axis: usize| Inconsistency::new("axis", format!("at most {}", input.rank()), axis);
        let mut inferred = None;
        let mut extents = Vec::with_capacity(self.extents.len());
        for (position, extent) in self.extents.iter().enumerate() {
            extents.push(match *extent {
                Extent::Fixed(extent) => extent,
                Extent::Copy(axis) => input.extent(axis).ok_or_else(|| unknown(axis))?,
                Extent::Merge(first, end) if first <= end && end <= input.rank() => input.product(first..end),
                Extent::Merge(_, end) => return Err(unknown(end)),
                Extent::Infer if inferred.is_none() => {
                    inferred = Some(position);
                    1
                }
                Extent::Infer => return Err(Inconsistency::new("shape", "one extent to infer", "two")),
            });
        }
        let known = Shape::new(extents.clone())?.elements();
        if let Some(position) = inferred {
            if known == 0 || !input.elements().is_multiple_of(known) {
                return Err(Inconsistency::new(
                    "shape",
                    format!("a divisor of {} elements", input.elements()),
                    known,
                ));
            }
            extents[position] = input.elements() / known;
        } else if known != input.elements() {
            return Err(Inconsistency::new(
                "shape",
                format!("{} elements as in {input}", input.elements()),
                known,
            ));
        }
        Ok(vec![Shape::new(extents)?])
    }
}

impl fmt::Display for Reshape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, extent) in self.extents.iter().enumerate() {
            if position > 0 {
                formatter.write_str("×")?;
            }
            match extent {
                Extent::Fixed(extent) => write!(formatter, "{extent}")?,
                Extent::Copy(axis) => write!(formatter, "[{axis}]")?,
                Extent::Merge(first, end) => write!(formatter, "[{first}..{end}]")?,
                Extent::Infer => write!(formatter, "?")?,
            }
        }
        Ok(())
    }
}
