//! Local response normalisation.

use std::fmt;

use super::{Operator, expect_inputs};
use crate::{Inconsistency, Shape};

/// Local response normalisation (Krizhevsky, Sutskever, Hinton 2012, §3.3).
///
/// Operand: input `N × C × spatial…`.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalResponseNormalization {
    /// Across channels: `y = x · (k + α/size · Σ x²)^−β`, the sum over `size` neighbouring channels.
    AcrossChannels {
        /// The number of channels summed over, odd.
        size: usize,
        /// The strength α.
        alpha: f32,
        /// The exponent β.
        beta: f32,
        /// The constant k.
        k: f32,
    },
    /// Within each channel: `y = x · (1 + α/size² · Σ x²)^−β`, the sum over a `size × size` neighbourhood; needs two
    /// spatial axes.
    WithinChannel {
        /// The side of the neighbourhood, odd.
        size: usize,
        /// The strength α.
        alpha: f32,
        /// The exponent β.
        beta: f32,
    },
}

impl Operator for LocalResponseNormalization {
    fn name(&self) -> &'static str {
        "LocalResponseNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>, Inconsistency> {
        expect_inputs(inputs, 1..=1)?;
        let (size, fits, expected) = match *self {
            Self::AcrossChannels { size, .. } => (size, inputs[0].rank() >= 2, "a batch and a channel axis"),
            Self::WithinChannel { size, .. } => (size, inputs[0].rank() == 4, "four axes"),
        };
        if !fits {
            return Err(Inconsistency::new("input", expected, inputs[0]));
        }
        if size.is_multiple_of(2) || size > 1 << 16 {
            return Err(Inconsistency::new("size of the neighbourhood", "an odd number up to 65535", size));
        }
        Ok(vec![inputs[0].clone()])
    }
}

impl fmt::Display for LocalResponseNormalization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcrossChannels { size, alpha, beta, k } => {
                write!(formatter, "across {size} channels, α {alpha}, β {beta}, k {k}")
            }
            Self::WithinChannel { size, alpha, beta } => {
                write!(formatter, "within {size}×{size}, α {alpha}, β {beta}")
            }
        }
    }
}
