//! Transposed convolution.

use std::fmt;

use super::convolution::check_groups;
use super::{Operator, Window, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// The adjoint of a convolution with the same window ("deconvolution" in Caffe, "ConvTranspose" in ONNX).
///
/// Operands: input `N × C × spatial…`, weights `C × O/groups × kernel…`, [bias `O`]. Output extents are
/// `stride × (in − 1) + reach − pads + extra`.
#[derive(Debug, Clone, PartialEq)]
pub struct Deconvolution {
    /// How the filters slide over the *output*.
    pub window: Window,
    /// The number of groups of channels that do not see each other.
    pub groups: usize,
    /// What is added to each output extent, at its end; less than the stride.
    pub extra: Vec<usize>,
}

impl Operator for Deconvolution {
    fn name(&self) -> &'static str {
        "Deconvolution"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=3)?;
        let window = &self.window;
        let spatial = window.check(inputs[0])?;
        let (batch, channels) = (inputs[0].extents()[0], inputs[0].extents()[1]);
        window.expect_near(channels)?;
        let outputs = inputs[1].extent(1).unwrap_or(0) * self.groups;
        check_groups(self.groups, channels, outputs)?;
        let mut expected = vec![channels, outputs / self.groups];
        expected.extend(&window.kernel);
        expect_shape("weights", inputs[1], &expected)?;
        if let Some(bias) = inputs.get(2) {
            expect_shape("bias", bias, &[outputs])?;
        }
        if self.extra.len() != window.axes() || self.extra.iter().any(|&extra| extra > 1 << 24) {
            return Err(Inconsistency::new(
                "extra output extents",
                "one small number per spatial axis",
                self,
            ));
        }
        let mut extents = vec![batch, outputs];
        for axis in 0..window.axes() {
            let pads = window.pad_begin[axis] + window.pad_end[axis];
            let full =
                window.stride[axis] * spatial[axis].saturating_sub(1) + window.reach(axis) + self.extra[axis];
            extents.push(full.checked_sub(pads).filter(|&extent| extent > 0).ok_or_else(|| {
                Inconsistency::new(
                    format!("padding along spatial axis {axis}"),
                    format!("less than {full}"),
                    pads,
                )
            })?);
        }
        Ok(vec![Shape::new(extents)?])
    }
}

impl fmt::Display for Deconvolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.window)?;
        if self.groups != 1 { write!(formatter, " groups {}", self.groups) } else { Ok(()) }
    }
}
