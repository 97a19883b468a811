//! Convolution.

use std::fmt;

use super::{Operator, Window, expect_inputs, expect_shape};
use crate::{Inconsistency, Shape};

/// Cross-correlation of `N × C × spatial…` with filters.
///
/// Operands: input `N × C × spatial…`, weights `O × C/groups × kernel…`, [bias `O`].
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// How the filters slide.
    pub window: Window,
    /// The number of groups of channels that do not see each other; divides `C` and `O`.
    pub groups: usize,
}

impl Operator for Convolution {
    fn name(&self) -> &'static str {
        "Convolution"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 2..=3)?;
        let spatial = self.window.check(inputs[0])?;
        let (batch, channels) = (inputs[0].extents()[0], inputs[0].extents()[1]);
        self.window.expect_near(channels)?;
        let filters = inputs[1].extent(0).unwrap_or(0);
        check_groups(self.groups, channels, filters)?;
        let mut expected = vec![filters, channels / self.groups];
        expected.extend(&self.window.kernel);
        expect_shape("weights", inputs[1], &expected)?;
        if let Some(bias) = inputs.get(2) {
            expect_shape("bias", bias, &[filters])?;
        }
        let mut extents = vec![batch, filters];
        extents.extend(self.window.slide(spatial)?);
        Ok(vec![Shape::new(extents)?])
    }
}

/// Groups must divide both numbers of channels.
pub(super) fn check_groups(groups: usize, inputs: usize, outputs: usize) -> Result<(), Inconsistency> {
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) || outputs == 0 {
        return Err(Inconsistency::new(
            "groups",
            format!("a divisor of {inputs} input and {outputs} output channels"),
            groups,
        ));
    }
    Ok(())
}

impl fmt::Display for Convolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.window)?;
        if self.groups != 1 { write!(formatter, " groups {}", self.groups) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three taps a million places apart, in a picture of 8 × 8 with as much padding, asked for 52 terabytes and ended the program.
    #[test]
    fn windows_whose_taps_or_steps_lie_far_apart_are_refused() {
        let infer = |window: Window, channels: usize| {
            let weights = Shape::new([vec![1, channels], window.kernel.clone()].concat()).unwrap();
            let input = Shape::new([1, channels, 8, 8]).unwrap();
            Convolution { window, groups: 1 }.infer(&[&input, &weights])
        };
        let far = 1 << 20;
        let taps = Window {
            dilation: vec![far; 2],
            pad_begin: vec![far; 2],
            pad_end: vec![far; 2],
            ..Window::new([3, 3])
        };
        let steps = Window { stride: vec![far; 2], ..taps.clone() };
        let steps = Window { kernel: vec![1; 2], dilation: vec![1; 2], ..steps };
        for window in [taps, steps] {
            let message = infer(window, 3).unwrap_err().to_string();
            assert!(message.contains("dilations and strides"), "{message}");
        }
        // The widest of DeepLab, on as many channels as it has.
        let widest = Window {
            dilation: vec![36; 2],
            pad_begin: vec![36; 2],
            pad_end: vec![36; 2],
            ..Window::new([3, 3])
        };
        assert_eq!(infer(widest, 2048).unwrap()[0].extents(), [1, 1, 8, 8]);
    }
}
