//! Images that live in a network's input space, brought back to pictures.
//!
//! A class model image is a blob of channels × height × width. It can be shown as what a photograph with these values
//! would look like (the mean is added, the rest clipped), which is what the paper does, or stretched from its smallest
//! to its largest value, which is what the original project's `visualize.py` did and which always fills the range.

use deepinside_files::Array;
use deepinside_vision::{ChannelOrder, Error, Photograph, Result, Transformer};

use crate::Picture;
use crate::normalise::{self, Scaling};

/// The picture of a blob as a photograph: [`Transformer::deprocess`], then everything outside `[0, 1]` clipped.
///
/// # Errors
/// As [`Transformer::deprocess`].
pub fn as_photograph(blob: &Array, transformer: &Transformer) -> Result<Picture> {
    Picture::from_photograph(&transformer.deprocess(blob)?)
}

/// The picture of a blob stretched over all channels together: the smallest value black, the largest white.
///
/// `order` says which colour each channel is. The original project showed blue-first blobs as if they were red-first:
/// give [`ChannelOrder::Rgb`] to see its colours. A constant blob is black.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless the blob is channels × height × width (leading axes of extent 1 are looked through),
/// [`Error::Channels`] when `order` has another number of channels, [`Error::NotFinite`] for NaN and infinities.
pub fn stretched(blob: &Array, order: ChannelOrder) -> Result<Picture> {
    let normalised = normalise::normalise(blob, Scaling::MinimumMaximum)?;
    if normalised.not_finite > 0 {
        let (count, total) = (normalised.not_finite, blob.data().len());
        return Err(Error::NotFinite { what: "a class model image", count, total });
    }
    let photograph = to_photograph(&normalised.values, order)?;
    Picture::from_photograph(&photograph)
}

/// Puts the channels last and red first, without any other change.
fn to_photograph(blob: &Array, order: ChannelOrder) -> Result<Photograph> {
    let plain = Transformer { channel_order: order, raw_scale: 1.0, ..Transformer::default() };
    plain.deprocess(blob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deepinside_vision::Mean;

    #[test]
    fn as_a_photograph_adds_the_mean_swaps_and_clips() {
        let transformer = Transformer { mean: Mean::Pixel(vec![10.0, 20.0, 30.0]), ..Transformer::new(1, 2) };
        let blob = Array::new([1, 3, 1, 2], vec![0.0, 300.0, 5.0, -50.0, 70.0, 0.0]).unwrap();
        // Blue 0 + 10 and 310, green 25 and −30, red 100 and 30.
        let picture = as_photograph(&blob, &transformer).unwrap();
        assert_eq!(picture.rgb(), [100, 25, 10, 30, 0, 255]);
    }

    #[test]
    fn stretching_uses_one_scale_for_all_channels() {
        let blob = Array::new([3, 1, 2], vec![-1.0, 0.0, 0.2, 0.6, 1.0, -0.2]).unwrap();
        let picture = stretched(&blob, ChannelOrder::Bgr).unwrap();
        assert_eq!(picture.rgb(), [255, 153, 0, 102, 204, 128]);
        let as_in_the_original = stretched(&blob, ChannelOrder::Rgb).unwrap();
        assert_eq!(as_in_the_original.rgb(), [0, 153, 255, 128, 204, 102]);
        let grey = Array::new([1, 1, 2], vec![4.0, 4.0]).unwrap();
        assert_eq!(stretched(&grey, ChannelOrder::Grey).unwrap().rgb(), [0; 6]);
        assert!(matches!(stretched(&blob, ChannelOrder::Grey), Err(Error::Channels { .. })));
    }
}
