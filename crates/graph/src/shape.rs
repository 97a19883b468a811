//! Shapes whose element count is known not to overflow.

use std::fmt;

use crate::Inconsistency;

/// The most axes that a shape may have; what Caffe allows for a blob.
pub const MAXIMUM_RANK: usize = 32;

/// The most elements that one value may have: 2³¹ − 1, what a Caffe blob can count.
///
/// A file that asks for more is refused before anything is allocated.
pub const MAXIMUM_ELEMENTS: usize = i32::MAX as usize;

/// The extents of a value, outermost axis first (`N × C × H × W` for a batch of images).
///
/// Rank 0 is a scalar of one element. A zero extent is legal and makes an empty value.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// Checks rank and element count.
    ///
    /// # Errors
    /// When there are more than [`MAXIMUM_RANK`] axes or more than [`MAXIMUM_ELEMENTS`] elements.
    pub fn new(extents: impl Into<Vec<usize>>) -> Result<Self, Inconsistency> {
        let extents = extents.into();
        if extents.len() > MAXIMUM_RANK {
            return Err(Inconsistency::new(
                "rank",
                format!("at most {MAXIMUM_RANK} axes"),
                format!("{} axes", extents.len()),
            ));
        }
        // Zero extents must not hide an overflow of the others: strides are computed from all of them.
        let count = extents.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent.max(1)));
        match count {
            Some(count) if count <= MAXIMUM_ELEMENTS => Ok(Self(extents)),
            _ => Err(Inconsistency::new(
                "number of elements",
                format!("at most {MAXIMUM_ELEMENTS}"),
                format!("a shape of {}", Times(&extents)),
            )),
        }
    }

    /// The scalar shape, of rank 0 and one element.
    pub fn scalar() -> Self {
        Self(Vec::new())
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.0
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements: the product of the extents, 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The extent of one axis, or `None` where there is no such axis.
    pub fn extent(&self, axis: usize) -> Option<usize> {
        self.0.get(axis).copied()
    }

    /// The product of the extents of a range of axes.
    pub fn product(&self, axes: std::ops::Range<usize>) -> usize {
        self.0[axes].iter().product()
    }

    /// The same shape with one extent replaced.
    ///
    /// # Errors
    /// When the axis does not exist or the result has too many elements.
    pub fn with_extent(&self, axis: usize, extent: usize) -> Result<Self, Inconsistency> {
        let mut extents = self.0.clone();
        *extents.get_mut(axis).ok_or_else(|| {
            Inconsistency::new("axis", format!("below {}", self.rank()), axis.to_string())
        })? = extent;
        Self::new(extents)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { write!(formatter, "scalar") } else { Times(&self.0).fmt(formatter) }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{self}]")
    }
}

/// Writes numbers with a multiplication sign between them.
pub(crate) struct Times<'a>(pub &'a [usize]);

impl fmt::Display for Times<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, number) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("×")?;
            }
            write!(formatter, "{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_elements() {
        assert_eq!(Shape::new([2, 3, 4]).unwrap().elements(), 24);
        assert_eq!(Shape::scalar().elements(), 1);
        assert_eq!(Shape::new([2, 0, 4]).unwrap().elements(), 0);
    }

    #[test]
    fn refuses_what_overflows_even_behind_a_zero() {
        assert!(Shape::new([usize::MAX, 2]).is_err());
        assert!(Shape::new([0, usize::MAX, 2]).is_err());
        assert!(Shape::new(vec![1; MAXIMUM_RANK + 1]).is_err());
        assert!(Shape::new([1 << 16, 1 << 15]).is_err());
    }

    #[test]
    fn prints_extents() {
        assert_eq!(Shape::new([1, 3, 227, 227]).unwrap().to_string(), "1×3×227×227");
        assert_eq!(Shape::scalar().to_string(), "scalar");
    }
}
