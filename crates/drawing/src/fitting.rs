//! Bringing pictures of any size into the boxes of a figure.

use deepinside_vision::{Result, resize};

use crate::Picture;

/// The picture enlarged or shrunk, proportions kept, to fill a box as far as possible.
///
/// Enlarging is by a whole factor, so that every value of a small map stays a visible square of one colour. Where that
/// would leave more than a quarter of the box empty (factors between 1 and 3), the squares fill the box and the one
/// column or row of pixels between two of them may show a mixture. Shrinking averages, so that nothing thin disappears.
pub(crate) fn fitted(picture: &Picture, box_width: usize, box_height: usize) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let scale = (box_width as f64 / width as f64).min(box_height as f64 / height as f64);
    let factor = (box_width / width).min(box_height / height);
    if factor as f64 >= 0.75 * scale && factor >= 1 {
        return picture.magnified(factor);
    }
    let extent = |length: usize| ((length as f64 * scale).round() as usize).max(1);
    if factor >= 1 {
        return shrunk(&picture.magnified(factor + 1)?, extent(width), extent(height));
    }
    shrunk(picture, extent(width), extent(height))
}

/// The picture resized to a smaller size, blurred before so that every source pixel counts.
fn shrunk(picture: &Picture, width: usize, height: usize) -> Result<Picture> {
    let levels: Vec<f32> = picture.rgb().iter().map(|&level| f32::from(level)).collect();
    let resized = resize::shrink(&levels, [picture.height(), picture.width(), 3], [height, width])?;
    Picture::new(
        width,
        height,
        resized.into_iter().map(|level| level.round().clamp(0.0, 255.0) as u8).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_grow_by_whole_factors_and_large_ones_keep_their_proportions() {
        let small = Picture::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let grown = fitted(&small, 7, 100).unwrap();
        assert_eq!((grown.width(), grown.height()), (6, 3));
        assert_eq!(grown.pixel(2, 2), Some([1, 2, 3]));
        assert_eq!(grown.pixel(3, 0), Some([4, 5, 6]));
        let middling = Picture::filled(64, 32, [7, 70, 170]).unwrap();
        assert_eq!(fitted(&middling, 100, 100).unwrap(), Picture::filled(100, 50, [7, 70, 170]).unwrap());
        let large = Picture::filled(300, 100, [9, 90, 200]).unwrap();
        let shrunk = fitted(&large, 60, 60).unwrap();
        assert_eq!(shrunk, Picture::filled(60, 20, [9, 90, 200]).unwrap());
        assert_eq!(fitted(&Picture::filled(5000, 1, [0; 3]).unwrap(), 50, 50).unwrap().height(), 1);
    }
}
