//! From a crop's frame into the photograph's.

use deepinside_files::Array;

use crate::crops::Region;
use crate::regions::PixelBox;
use crate::{Error, Result, resize};

/// Puts a map that belongs to one crop back to where the crop lies in the photograph: resized bilinearly, mirrored
/// back when the crop was mirrored, `outside` everywhere else. The result is `height` × `width`, the photograph's.
///
/// The edges of the region are rounded to whole pixels of the photograph, and the region is cut off at its border.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless `map` is a map; [`Error::Parameter`] when the region is not within `[0, 1]`.
pub fn into_photograph_frame(
    map: &Array,
    region: Region,
    height: usize,
    width: usize,
    outside: f32,
) -> Result<Array> {
    let PixelBox { x0: left, y0: top, x1: right, y1: bottom } = pixels_of(region, height, width)?;
    let mut frame = Array::filled([height, width], outside)?;
    let resized = resize::resize_map(map, bottom - top, right - left)?;
    for (row, values) in resized.data().chunks_exact(right - left).enumerate() {
        let start = (top + row) * width;
        let target = &mut frame.data_mut()[start + left..start + right];
        target.copy_from_slice(values);
        if region.mirrored {
            target.reverse();
        }
    }
    Ok(frame)
}

/// The pixels of a photograph of `height` × `width` that a region covers: at least one, none beyond the border.
///
/// # Errors
/// [`Error::Parameter`] when the region is not within `[0, 1]`.
pub(crate) fn pixels_of(region: Region, height: usize, width: usize) -> Result<PixelBox> {
    let pixels = |start: f64, extent: f64, whole: usize| -> Result<(usize, usize)> {
        let within = |value: f64| (0.0..=1.0 + 1e-9).contains(&value);
        if !(within(start) && within(extent) && within(start + extent)) {
            let found = format!("{start} to {}", start + extent);
            return Err(Error::Parameter { name: "the region's edges", expected: "between 0 and 1", found });
        }
        let first = ((start * whole as f64).round() as usize).min(whole.saturating_sub(1));
        let end = (((start + extent) * whole as f64).round() as usize).clamp(first + 1, whole.max(first + 1));
        Ok((first, end))
    };
    let (y0, y1) = pixels(region.top, region.height, height)?;
    let (x0, x1) = pixels(region.left, region.width, width)?;
    Ok(PixelBox { x0, y0, x1, y1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_keeps_its_place_when_it_is_enlarged() {
        let map = Array::new([2, 2], vec![0.0, 1.0, 0.0, 0.0]).unwrap();
        let frame = into_photograph_frame(&map, Region::WHOLE, 4, 4, 0.0).unwrap();
        // Sample 1 of 4 lies at source coordinate (1 + ½)/2 − ½ = ¼.
        let expected = [0.0, 0.25, 0.75, 1.0, 0.0, 0.1875, 0.5625, 0.75];
        assert_eq!(&frame.data()[..8], expected);
    }

    #[test]
    fn a_mirrored_crop_is_put_back_in_its_place_and_turned_again() {
        let region = Region { top: 0.5, left: 0.25, height: 0.5, width: 0.5, mirrored: true };
        let map = Array::new([1, 2], vec![1.0, 2.0]).unwrap();
        let frame = into_photograph_frame(&map, region, 2, 4, -1.0).unwrap();
        assert_eq!(frame.data(), [-1.0, -1.0, -1.0, -1.0, -1.0, 2.0, 1.0, -1.0]);
        let outside = Region { left: 0.75, ..region };
        assert!(into_photograph_frame(&map, outside, 2, 4, 0.0).is_err());
    }
}
