//! The plain float array that every module of this crate takes and gives.
//!
//! It is deliberately no tensor library: a shape and a vector. Code that calculates borrows the slice and writes
//! its own loop.

use crate::{Error, Result};

/// A dense array of `f32` in C order (the last axis varies fastest), with at least one element.
///
/// A shape without axes is a scalar and holds one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Array {
    /// An array of the given shape over `data`, which is in C order.
    ///
    /// # Errors
    /// [`Error::Empty`] when an extent is zero, [`Error::ElementCount`] when `data` does not fill the shape exactly.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self> {
        let shape = shape.into();
        if shape.contains(&0) {
            return Err(Error::Empty { what: "an array", shape });
        }
        let expected = shape.iter().fold(1usize, |product, &extent| product.saturating_mul(extent));
        if expected != data.len() {
            return Err(Error::ElementCount { shape, expected, found: data.len() });
        }
        Ok(Self { shape, data })
    }

    /// An array of the given shape whose values are all `value`.
    ///
    /// The caller answers for the size: this allocates without a limit.
    ///
    /// # Errors
    /// [`Error::Empty`] when an extent is zero, [`Error::ElementCount`] when the product of the extents overflows.
    pub fn filled(shape: impl Into<Vec<usize>>, value: f32) -> Result<Self> {
        let shape = shape.into();
        match shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent)) {
            Some(count) if count <= isize::MAX as usize / size_of::<f32>() => {
                Self::new(shape, vec![value; count])
            }
            _ => Err(Error::ElementCount { shape, expected: usize::MAX, found: 0 }),
        }
    }

    /// Whether all numbers are the same.
    pub fn is_constant(&self) -> bool {
        self.data.iter().all(|number| *number == self.data[0])
    }

    /// The extents, outermost axis first; none is zero.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in C order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values in C order, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values in C order, without a copy.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The shape and the values in C order, without a copy.
    pub fn into_parts(self) -> (Vec<usize>, Vec<f32>) {
        (self.shape, self.data)
    }

    /// The same values in C order under another shape of the same number of elements.
    ///
    /// # Errors
    /// As [`Array::new`].
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::new(shape, self.data)
    }

    /// The shape without its leading axes of extent 1, as long as more than `rank` axes are left.
    ///
    /// A blob of one picture, `(1, 3, 227, 227)`, is `[3, 227, 227]` at rank 3.
    pub fn shape_at_rank(&self, rank: usize) -> &[usize] {
        let mut shape = self.shape.as_slice();
        while shape.len() > rank && shape[0] == 1 {
            shape = &shape[1..];
        }
        shape
    }

    /// Rows and columns of a two-dimensional array, after leading axes of extent 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for what has more axes; `what` names the operation.
    pub fn rows_and_columns(&self, what: &'static str) -> Result<(usize, usize)> {
        match *self.shape_at_rank(2) {
            [rows, columns] => Ok((rows, columns)),
            _ => Err(Error::Shape { what, expected: "height × width", found: self.shape.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constructor_checks_the_shape() {
        assert!(Array::new([2, 3], vec![0.0; 6]).is_ok());
        assert!(Array::new([], vec![1.0]).is_ok(), "a scalar has no axes and one value");
        assert!(matches!(Array::new([2, 0], vec![]), Err(Error::Empty { .. })));
        assert!(matches!(
            Array::new([2, 3], vec![0.0; 5]),
            Err(Error::ElementCount { expected: 6, found: 5, .. })
        ));
        assert!(matches!(Array::new([usize::MAX, 3], vec![0.0; 5]), Err(Error::ElementCount { .. })));
        assert!(matches!(Array::filled([usize::MAX / 2, 2], 0.0), Err(Error::ElementCount { .. })));
    }

    #[test]
    fn leading_axes_of_one_are_looked_through_down_to_the_rank() {
        let array = Array::new([1, 1, 4, 5], vec![0.0; 20]).unwrap();
        assert_eq!(array.shape_at_rank(3), [1, 4, 5]);
        assert_eq!(array.rows_and_columns("a test").unwrap(), (4, 5));
        let wrong = Array::new([2, 4, 5], vec![0.0; 40]).unwrap();
        assert!(wrong.rows_and_columns("a test").is_err());
    }
}
