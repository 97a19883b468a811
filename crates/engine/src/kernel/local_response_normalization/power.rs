//! `s^−β` for the exponents that networks use.

/// A negative power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Power {
    /// β = ¾, of nearly every network with this operator: two square roots, a tenth of the general power's time.
    ThreeQuarters,
    /// β = ½.
    Half,
    /// β = 1.
    One,
    /// Any other.
    Other(f32),
}

impl Power {
    /// `s^−β`.
    pub fn new(beta: f32) -> Self {
        match beta {
            0.75 => Self::ThreeQuarters,
            0.5 => Self::Half,
            1.0 => Self::One,
            other => Self::Other(other),
        }
    }

    /// Replaces each number `s` by `s^−β`.
    #[inline(always)]
    pub fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::ThreeQuarters => {
                for number in numbers {
                    let root = number.sqrt();
                    *number = 1.0 / (root * root.sqrt());
                }
            }
            Self::Half => {
                for number in numbers {
                    *number = 1.0 / number.sqrt();
                }
            }
            Self::One => {
                for number in numbers {
                    *number = 1.0 / *number;
                }
            }
            Self::Other(beta) => {
                for number in numbers {
                    *number = number.powf(-beta);
                }
            }
        }
    }
}
