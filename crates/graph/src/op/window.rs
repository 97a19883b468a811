//! The sliding window that convolutions and pooling share.

use std::fmt;

use crate::shape::Times;
use crate::{Inconsistency, Shape};

/// A window that slides over the spatial axes, all lists of one entry per spatial axis (axes 2 and up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The window's extents, each at least 1.
    pub kernel: Vec<usize>,
    /// The step between neighbouring outputs, each at least 1.
    pub stride: Vec<usize>,
    /// The distance between neighbouring taps, each at least 1.
    pub dilation: Vec<usize>,
    /// The padding before the first element of each axis.
    pub pad_begin: Vec<usize>,
    /// The padding behind the last element of each axis.
    pub pad_end: Vec<usize>,
}

impl Window {
    /// A window with stride 1, no dilation and no padding.
    pub fn new(kernel: impl Into<Vec<usize>>) -> Self {
        let kernel = kernel.into();
        let axes = kernel.len();
        Self {
            kernel,
            stride: vec![1; axes],
            dilation: vec![1; axes],
            pad_begin: vec![0; axes],
            pad_end: vec![0; axes],
        }
    }

    /// The number of spatial axes.
    pub fn axes(&self) -> usize {
        self.kernel.len()
    }

    /// The number of taps.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// How far the taps reach along an axis, `dilation × (kernel − 1) + 1`.
    pub fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Expects that what a few neighbouring positions of a convolution see, which is copied with its border, is no giant: windows whose taps
    /// or steps lie far apart say little in their file, and little comes out of them.
    pub(crate) fn expect_near(&self, channels: usize) -> Result<(), Inconsistency> {
        const MOST: usize = 1 << 27;
        const POSITIONS: usize = 8;
        let seen = (0..self.axes()).map(|axis| self.reach(axis) + (POSITIONS - 1) * self.stride[axis]);
        match seen.fold(channels, usize::saturating_mul) {
            0..=MOST => Ok(()),
            numbers => Err(Inconsistency::new(
                "window",
                format!(
                    "dilations and strides with which {POSITIONS} positions along each axis see at most {MOST} numbers"
                ),
                numbers,
            )),
        }
    }

    /// Checks the lists against each other and against an operand of `N × C × spatial…`; returns the spatial extents.
    pub(crate) fn check<'a>(&self, input: &'a Shape) -> Result<&'a [usize], Inconsistency> {
        let axes = self.axes();
        let lists = [&self.stride, &self.dilation, &self.pad_begin, &self.pad_end];
        if axes == 0 || lists.iter().any(|list| list.len() != axes) {
            return Err(Inconsistency::new(
                "window",
                "as many strides, dilations and pads as kernel extents",
                self,
            ));
        }
        if input.rank() != axes + 2 {
            return Err(Inconsistency::new(
                "input",
                format!("a batch, a channel and {axes} spatial axes"),
                input,
            ));
        }
        // No real window comes near this; below it no sum or product of two of these numbers can overflow.
        const LARGEST: usize = 1 << 24;
        let numbers = [&self.kernel, &self.stride, &self.dilation, &self.pad_begin, &self.pad_end];
        if numbers.iter().any(|list| list.iter().any(|&number| number > LARGEST)) {
            return Err(Inconsistency::new("window", format!("numbers up to {LARGEST}"), self));
        }
        let positive = [&self.kernel, &self.stride, &self.dilation];
        if positive.iter().any(|list| list.contains(&0)) {
            return Err(Inconsistency::new("window", "kernel, stride and dilation of at least 1", self));
        }
        Ok(&input.extents()[2..])
    }

    /// The output extents of a window that only stands where it fits, `(in + pads − reach) / stride + 1` rounded down.
    pub(crate) fn slide(&self, input: &[usize]) -> Result<Vec<usize>, Inconsistency> {
        (0..self.axes())
            .map(|axis| {
                let padded = input[axis] + self.pad_begin[axis] + self.pad_end[axis];
                let room = padded.checked_sub(self.reach(axis)).ok_or_else(|| {
                    Inconsistency::new(
                        format!("window along spatial axis {axis}"),
                        format!("at most the padded extent {padded}"),
                        self.reach(axis),
                    )
                })?;
                Ok(room / self.stride[axis] + 1)
            })
            .collect()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", Times(&self.kernel))?;
        if self.stride.iter().any(|&stride| stride != 1) {
            write!(formatter, " stride {}", Times(&self.stride))?;
        }
        if self.dilation.iter().any(|&dilation| dilation != 1) {
            write!(formatter, " dilation {}", Times(&self.dilation))?;
        }
        if self.pad_begin.iter().chain(&self.pad_end).any(|&pad| pad != 0) {
            if self.pad_begin == self.pad_end {
                write!(formatter, " pad {}", Times(&self.pad_begin))?;
            } else {
                write!(formatter, " pad {} before {} behind", Times(&self.pad_begin), Times(&self.pad_end))?;
            }
        }
        Ok(())
    }
}
