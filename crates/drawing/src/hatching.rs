//! Stripes over what no crop saw: a map says nothing there, and any of its colours would be a statement.

use deepinside_vision::{Error, Result};

use crate::Picture;
use crate::picture::Rgb;

/// The stripes of what was not seen: between black and white, so that they are neither of a map's ends.
const STRIPES: [Rgb; 2] = [[118, 118, 118], [172, 172, 172]];

/// How many pairs of stripes cross the longer side of a picture.
const PAIRS: usize = 36;

/// The picture with diagonal stripes over what was not seen; through them `visible` (0 to 1) of the picture shows.
///
/// # Errors
/// [`Error::Parameter`] unless there is one entry of the mask for each pixel.
pub fn hatched(picture: &Picture, seen: &[bool], visible: f32) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    if seen.len() != width * height {
        let found = format!("{} for {}", seen.len(), width * height);
        let expected = "one entry for each pixel";
        return Err(Error::Parameter { name: "the mask of what was seen", expected, found });
    }
    if seen.iter().all(|seen| *seen) {
        return Ok(picture.clone());
    }
    let stripe = (width.max(height) / (2 * PAIRS)).max(1);
    let mut rgb = picture.rgb().to_vec();
    for (index, pixel) in rgb.chunks_exact_mut(3).enumerate().filter(|(index, _)| !seen[*index]) {
        let colour = STRIPES[(index % width + index / width) / stripe % 2];
        for (level, stripe) in pixel.iter_mut().zip(colour) {
            *level = (f32::from(*level) * visible + f32::from(stripe) * (1.0 - visible)).round() as u8;
        }
    }
    Picture::new(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_no_colour_of_a_map() {
        let picture = Picture::filled(3, 1, [0; 3]).unwrap();
        let seen = [true, true, false];
        let striped = hatched(&picture, &seen, 0.0).unwrap();
        assert_eq!(striped.pixel(1, 0), Some([0; 3]));
        assert!(STRIPES.contains(&striped.pixel(2, 0).unwrap()));
        assert!(hatched(&picture, &seen[1..], 0.0).is_err());
    }
}
