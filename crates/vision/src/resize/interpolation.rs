//! The ways of resizing by name, and what else each of them decides.

use std::fmt;
use std::str::FromStr;

use crate::photograph::GreyWeights;
use crate::{Error, Result};

/// How photographs are resized. The module [`resize`](crate::resize) says what each of them computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// Plain bilinear interpolation, which skips pixels when it shrinks: scikit-image until 0.14, and so Caffe when
    /// its networks were trained (2014–2018).
    #[default]
    Bilinear,
    /// Bilinear interpolation after a Gaussian blur: scikit-image since 0.15, and so Caffe as installed today.
    AntiAliased,
    /// Pillow's `BILINEAR`, torchvision's default.
    PillowBilinear,
    /// Pillow's `BICUBIC`.
    PillowBicubic,
}

/// Whose preparation of photographs is followed where programs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convention {
    /// Caffe's Python interface with scikit-image: grey values after ITU-R BT.709; a centre crop that cannot lie in the
    /// very middle lies half a pixel up and left of it; and, our own since Caffe keeps no proportions, the longer side is
    /// rounded to the nearest pixel.
    #[default]
    Caffe,
    /// Torchvision with Pillow: grey values after ITU-R BT.601, the longer side is rounded down, and half a pixel beside a
    /// centre crop is rounded to even.
    Torchvision,
}

impl Interpolation {
    /// Every interpolation with its name.
    pub const NAMES: [(Interpolation, &'static str); 4] = [
        (Interpolation::Bilinear, "bilinear"),
        (Interpolation::AntiAliased, "anti-aliased"),
        (Interpolation::PillowBilinear, "pillow-bilinear"),
        (Interpolation::PillowBicubic, "pillow-bicubic"),
    ];

    /// The program whose interpolation this is, and whose other choices are therefore followed.
    pub fn convention(self) -> Convention {
        match self {
            Self::Bilinear | Self::AntiAliased => Convention::Caffe,
            Self::PillowBilinear | Self::PillowBicubic => Convention::Torchvision,
        }
    }
}

impl Convention {
    /// The length of the longer side of a photograph whose shorter side becomes `side`, proportions kept.
    ///
    /// `shorter` and `longer` are the photograph's sides in pixels; 0 counts as 1. The result saturates.
    pub fn longer_side(self, side: usize, shorter: usize, longer: usize) -> usize {
        let shorter = shorter.max(1);
        let rounding = match self {
            Self::Caffe => shorter / 2,
            Self::Torchvision => 0,
        };
        longer.saturating_mul(side).saturating_add(rounding) / shorter
    }

    /// Where a centre crop begins when it leaves `free` pixels.
    pub(crate) fn centre(self, free: usize) -> usize {
        match self {
            Self::Caffe => free / 2,
            // Python's `round`: 1.5 and 2.5 are both 2.
            Self::Torchvision => free / 2 + usize::from(free % 4 == 3),
        }
    }

    /// How colours are weighted in a grey value.
    pub fn grey_weights(self) -> GreyWeights {
        match self {
            Self::Caffe => GreyWeights::Bt709,
            Self::Torchvision => GreyWeights::Bt601,
        }
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(Self::NAMES.iter().find(|(known, _)| known == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Interpolation {
    type Err = Error;

    /// The kebab-case name, such as `pillow-bilinear`; `antialiased` is accepted for `anti-aliased`, and capitals for
    /// small letters.
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.to_lowercase().replace("antialiased", "anti-aliased");
        Self::NAMES.iter().find(|(_, name)| *name == plain).map(|&(known, _)| known).ok_or_else(|| {
            let known = Self::NAMES.map(|(_, name)| name).join(", ");
            Error::UnknownName { what: "interpolation", text: text.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (interpolation, name) in Interpolation::NAMES {
            assert_eq!(name.parse::<Interpolation>().unwrap(), interpolation);
            assert_eq!(interpolation.to_string(), name);
        }
        assert_eq!("AntiAliased".parse::<Interpolation>().unwrap(), Interpolation::AntiAliased);
        let message = "lanczos".parse::<Interpolation>().unwrap_err().to_string();
        assert!(message.contains("\"lanczos\"") && message.contains("pillow-bicubic"), "{message}");
    }

    /// Python: `[round(free / 2) for free in range(8)]`.
    #[test]
    fn half_a_pixel_beside_the_centre_is_rounded_as_torchvision_does() {
        let begins: Vec<usize> = (0..8).map(|free| Convention::Torchvision.centre(free)).collect();
        assert_eq!(begins, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    /// Python: `int(256 * longer / shorter)`.
    #[test]
    fn the_longer_side_is_rounded_as_torchvision_does() {
        for (shorter, longer, expected) in
            [(375, 500, 341), (333, 500, 384), (360, 479, 340), (256, 300, 300)]
        {
            assert_eq!(Convention::Torchvision.longer_side(256, shorter, longer), expected);
        }
        assert_eq!(Convention::Caffe.longer_side(256, 360, 479), 341);
    }
}
