//! What was looked at: a map says nothing of a pixel that no crop reached, and 0 would be a statement.
//!
//! Masks are row-major with one entry for each pixel of the photograph, true where at least one crop reached it.

use deepinside_files::Array;

use crate::frame::Frame;
use crate::{Error, Result};

/// The pixels of a photograph that at least one of these frames shows, which are all of that photograph. Empty without frames.
///
/// # Errors
/// [`Error::Parameter`] when a region is not within `[0, 1]`, or the frames are of photographs that differ in size.
pub fn seen_in(frames: &[Frame]) -> Result<Vec<bool>> {
    let Some((first, others)) = frames.split_first() else { return Ok(Vec::new()) };
    let mut all = first.seen()?;
    for frame in others {
        if (frame.height, frame.width) != (first.height, first.width) {
            let found = format!("{} × {} and {} × {}", first.height, first.width, frame.height, frame.width);
            return Err(Error::Parameter { name: "the frames' photographs", expected: "of one size", found });
        }
        all.iter_mut().zip(frame.seen()?).for_each(|(all, seen)| *all |= seen);
    }
    Ok(all)
}

/// The share of pixels that were not seen: 0 to 1; 0 of no pixel.
pub fn share(seen: &[bool]) -> f64 {
    let unseen = seen.iter().filter(|seen| !**seen).count();
    unseen as f64 / seen.len().max(1) as f64
}

/// The pixels that all of these masks have seen: what maps can be compared on. Empty without masks.
///
/// # Errors
/// [`Error::Parameter`] when the masks differ in size.
pub fn seen_by_all(masks: &[&[bool]]) -> Result<Vec<bool>> {
    let Some((first, others)) = masks.split_first() else { return Ok(Vec::new()) };
    let mut all = first.to_vec();
    for mask in others {
        expect_one_per_pixel(mask.len(), all.len())?;
        all.iter_mut().zip(*mask).for_each(|(all, seen)| *all &= seen);
    }
    Ok(all)
}

/// A map, height × width, with NaN where nothing was seen: as it is written to files.
///
/// # Errors
/// [`Error::Parameter`] unless there is one entry of the mask for each pixel.
pub fn with_gaps(map: &Array, seen: &[bool]) -> Result<Array> {
    expect_one_per_pixel(seen.len(), map.data().len())?;
    let numbers = map.data().iter().zip(seen);
    let numbers = numbers.map(|(&number, &seen)| if seen { number } else { f32::NAN });
    Ok(Array::new(map.shape(), numbers.collect())?)
}

/// The numbers of a map that were seen, in their order: what a quantile or a mean is to be taken of.
///
/// # Errors
/// [`Error::Parameter`] unless there is one entry of the mask for each pixel.
pub fn seen_numbers(map: &Array, seen: &[bool]) -> Result<Vec<f32>> {
    expect_one_per_pixel(seen.len(), map.data().len())?;
    Ok(map.data().iter().zip(seen).filter(|(_, seen)| **seen).map(|(&number, _)| number).collect())
}

fn expect_one_per_pixel(found: usize, pixels: usize) -> Result<()> {
    if found == pixels {
        return Ok(());
    }
    let (name, expected) = ("the mask of what was seen", "one entry for each pixel");
    Err(Error::Parameter { name, expected, found: format!("{found} for {pixels}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::crops::Region;

    fn frame(top: f64, left: f64, height: f64, width: f64) -> Frame {
        Frame { region: Region { top, left, height, width, mirrored: false }, height: 2, width: 4 }
    }

    #[test]
    fn regions_cover_the_pixels_that_maps_are_put_on() {
        let frames = [frame(0.0, 0.0, 0.5, 0.5), frame(0.5, 0.25, 0.5, 0.5)];
        let seen = seen_in(&frames).unwrap();
        assert_eq!(seen, [true, true, false, false, false, true, true, false]);
        assert_eq!(share(&seen), 0.5);
        assert_eq!((share(&seen_in(&[Frame::whole(3, 5)]).unwrap()), share(&[])), (0.0, 0.0));
        assert!(seen_in(&[frame(0.6, 0.0, 0.5, 1.0)]).is_err());
        assert!(seen_in(&[Frame::whole(2, 4), Frame::whole(4, 2)]).is_err());
    }

    #[test]
    fn maps_are_compared_on_what_all_of_them_saw() {
        let masks = [[true, true, false], [true, false, true]];
        let masks: Vec<&[bool]> = masks.iter().map(|mask| &mask[..]).collect();
        assert_eq!(seen_by_all(&masks).unwrap(), [true, false, false]);
        assert!(seen_by_all(&[&[true], &[true, false]]).is_err());
        assert!(seen_by_all(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_seen_is_no_number_in_files() {
        let map = Array::new([1, 3], vec![0.0, 2.0, 0.0]).unwrap();
        let seen = [true, true, false];
        let gaps = with_gaps(&map, &seen).unwrap();
        assert!(gaps.data()[..2] == [0.0, 2.0] && gaps.data()[2].is_nan());
        assert_eq!(seen_numbers(&map, &seen).unwrap(), [0.0, 2.0]);
        assert!(with_gaps(&map, &seen[1..]).is_err());
    }
}
