//! Where the elements lie that indices name.

use crate::{Inconsistency, Shape};

/// Where in an array the elements or slices lie that an array of indices names.
///
/// Negative indices count from the end of their axis. One that lies outside is taken as the nearest one
/// inside: numbers that a network computes cannot be refused while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The loops over the named places, outermost first: how many, and how far they are apart in the array.
    loops: Vec<(usize, usize)>,
    /// For each part of an index, the extent of its axis and the distance between neighbours along it.
    axes: Vec<(usize, usize)>,
    /// The elements at each place.
    slice: usize,
    /// The elements of the whole array.
    elements: usize,
}

impl Places {
    /// One element for each index, which replaces its own position along `axis` and leaves the others
    /// (`GatherElements`, PyTorch's `gather`).
    ///
    /// # Errors
    /// When the indices have other axes, or more positions along another axis than the array.
    pub fn of_elements(array: &Shape, indices: &Shape, axis: usize) -> Result<Self, Inconsistency> {
        let extents = array.extents();
        super::expect_axis(array, axis)?;
        let fits = |other: usize| other == axis || indices.extents()[other] <= extents[other];
        if indices.rank() != array.rank() || !(0..array.rank()).all(fits) {
            let expected = format!("at most {array}, but for axis {axis}");
            return Err(Inconsistency::new("shape of the indices", expected, indices));
        }
        let strides = strides(extents);
        let steps = (0..extents.len()).map(|other| if other == axis { 0 } else { strides[other] });
        Ok(Self {
            loops: indices.extents().iter().copied().zip(steps).collect(),
            axes: vec![(extents[axis], strides[axis])],
            slice: 1,
            elements: array.elements(),
        })
    }

    /// A slice for each row of indices, whose numbers are positions along the axes from `batch_axes` on; the
    /// axes before are walked along in both arrays (`GatherND`).
    ///
    /// # Errors
    /// When a row has more numbers than the array has axes, or the first axes differ.
    pub fn of_slices(array: &Shape, indices: &Shape, batch_axes: usize) -> Result<Self, Inconsistency> {
        let extents = array.extents();
        let outer = indices.rank().checked_sub(1).filter(|&outer| outer >= batch_axes);
        let width = indices.extents().last().copied().unwrap_or(0);
        let (Some(outer), true) = (outer, width > 0 && batch_axes + width <= extents.len()) else {
            let expected = format!("rows of 1 to {} numbers", extents.len().saturating_sub(batch_axes));
            return Err(Inconsistency::new("shape of the indices", expected, indices));
        };
        if indices.extents()[..batch_axes] != extents[..batch_axes] {
            let expected = format!("the first {batch_axes} extents of {array}");
            return Err(Inconsistency::new("shape of the indices", expected, indices));
        }
        let strides = strides(extents);
        let step = |axis: usize| if axis < batch_axes { strides[axis] } else { 0 };
        let named = batch_axes..batch_axes + width;
        Ok(Self {
            loops: (0..outer).map(|axis| (indices.extents()[axis], step(axis))).collect(),
            axes: named.map(|axis| (extents[axis], strides[axis])).collect(),
            slice: extents[batch_axes + width..].iter().product(),
            elements: array.elements(),
        })
    }

    /// How many places are named.
    pub fn count(&self) -> usize {
        self.loops.iter().map(|(count, _)| count).product()
    }

    /// How many elements lie at each place.
    pub fn slice(&self) -> usize {
        self.slice
    }

    /// How many elements the whole array has.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Calls `work` with the number of each place and the position of its first element in the array.
    pub fn for_each(&self, index: impl Fn(usize) -> f64, mut work: impl FnMut(usize, usize)) {
        if self.elements == 0 {
            return;
        }
        let mut position = vec![0; self.loops.len()];
        let width = self.axes.len();
        let mut base = 0;
        for number in 0..self.count() {
            let parts = self.axes.iter().enumerate().map(|(part, &(extent, stride))| {
                let named = index(number * width + part);
                let named = if named < 0.0 { named + extent as f64 } else { named };
                // Conversions saturate, and make 0 of what is no number.
                (named as usize).min(extent - 1) * stride
            });
            work(number, base + parts.sum::<usize>());
            for axis in (0..position.len()).rev() {
                let (count, step) = self.loops[axis];
                position[axis] += 1;
                base += step;
                if position[axis] < count {
                    break;
                }
                base -= step * count;
                position[axis] = 0;
            }
        }
    }

    /// An index that lies outside of its axis, with the extent of that axis.
    pub fn outside(&self, indices: &[f64]) -> Option<(f64, usize)> {
        let rows = indices.chunks(self.axes.len().max(1));
        rows.flat_map(|row| row.iter().zip(&self.axes))
            .map(|(&index, &(extent, _))| (index, extent))
            .find(|&(index, extent)| !(-(extent as f64)..extent as f64).contains(&index))
    }
}

/// How many elements lie between neighbours along each axis.
fn strides(extents: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; extents.len()];
    for axis in (1..extents.len()).rev() {
        strides[axis - 1] = strides[axis] * extents[axis];
    }
    strides
}
