//! From a crop's frame into the photograph's.

use deepinside_files::Array;

use crate::crops::Region;
use crate::regions::PixelBox;
use crate::{Error, Result, resize};

/// Where the numbers of a map lie: in a part of a photograph of `height` × `width` pixels, and mirrored where the network read it so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// The part, in shares of the photograph's sides.
    pub region: Region,
    /// The photograph's pixels from top to bottom.
    pub height: usize,
    /// Its pixels from left to right.
    pub width: usize,
}

impl Frame {
    /// All of a photograph.
    pub fn whole(height: usize, width: usize) -> Self {
        Self { region: Region::WHOLE, height, width }
    }

    /// Puts a map to where it lies in the photograph, `height` × `width`: resized bilinearly, turned back where it is mirrored, 0 elsewhere,
    /// where [`Frame::seen`] says that nothing is known.
    ///
    /// The edges of the region are rounded to whole pixels of the photograph, and the region is cut off at its border.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Shape`] unless `map` is a map; [`Error::Parameter`] when the region is not within `[0, 1]`.
    pub fn place(&self, map: &Array) -> Result<Array> {
        let PixelBox { x0: left, y0: top, x1: right, y1: bottom } = self.pixels()?;
        let mut placed = Array::filled([self.height, self.width], 0.0)?;
        let resized = resize::resize_map(map, bottom - top, right - left)?;
        for (row, values) in resized.data().chunks_exact(right - left).enumerate() {
            let start = (top + row) * self.width;
            let target = &mut placed.data_mut()[start + left..start + right];
            target.copy_from_slice(values);
            if self.region.mirrored {
                target.reverse();
            }
        }
        Ok(placed)
    }

    /// The pixels that the region shows, row-major with one entry for each pixel of the photograph.
    ///
    /// # Errors
    /// [`Error::Parameter`] when the region is not within `[0, 1]`.
    pub fn seen(&self) -> Result<Vec<bool>> {
        let part = self.pixels()?;
        let mut seen = vec![false; self.height * self.width];
        for row in seen.chunks_exact_mut(self.width.max(1)).take(part.y1).skip(part.y0) {
            row[part.x0..part.x1].fill(true);
        }
        Ok(seen)
    }

    /// The region's left, top, right and bottom edge in pixels of the photograph, not rounded.
    pub fn edges(&self) -> [f64; 4] {
        let Region { left, top, height, width, .. } = self.region;
        let [rows, columns] = [self.height, self.width].map(|side| side as f64);
        [left * columns, top * rows, (left + width) * columns, (top + height) * rows]
    }

    /// The pixels that the region covers: at least one, none beyond the border.
    fn pixels(&self) -> Result<PixelBox> {
        let pixels = |start: f64, extent: f64, whole: usize| -> Result<(usize, usize)> {
            let within = |value: f64| (0.0..=1.0 + 1e-9).contains(&value);
            if !(within(start) && within(extent) && within(start + extent)) {
                let found = format!("{start} to {}", start + extent);
                return Err(Error::Parameter {
                    name: "the region's edges",
                    expected: "between 0 and 1",
                    found,
                });
            }
            let first = ((start * whole as f64).round() as usize).min(whole.saturating_sub(1));
            let end =
                (((start + extent) * whole as f64).round() as usize).clamp(first + 1, whole.max(first + 1));
            Ok((first, end))
        };
        let (y0, y1) = pixels(self.region.top, self.region.height, self.height)?;
        let (x0, x1) = pixels(self.region.left, self.region.width, self.width)?;
        Ok(PixelBox { x0, y0, x1, y1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_keeps_its_place_when_it_is_enlarged() {
        let map = Array::new([2, 2], vec![0.0, 1.0, 0.0, 0.0]).unwrap();
        let placed = Frame::whole(4, 4).place(&map).unwrap();
        // Sample 1 of 4 lies at source coordinate (1 + ½)/2 − ½ = ¼.
        let expected = [0.0, 0.25, 0.75, 1.0, 0.0, 0.1875, 0.5625, 0.75];
        assert_eq!(&placed.data()[..8], expected);
    }

    #[test]
    fn a_mirrored_crop_is_put_back_in_its_place_and_turned_again() {
        let region = Region { top: 0.5, left: 0.25, height: 0.5, width: 0.5, mirrored: true };
        let frame = Frame { region, height: 2, width: 4 };
        let map = Array::new([1, 2], vec![1.0, 2.0]).unwrap();
        assert_eq!(frame.place(&map).unwrap().data(), [0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
        assert_eq!(frame.seen().unwrap(), [false, false, false, false, false, true, true, false]);
        assert_eq!(frame.edges(), [1.0, 1.0, 3.0, 2.0]);
        let outside = Frame { region: Region { left: 0.75, ..region }, ..frame };
        assert!(outside.place(&map).is_err() && outside.seen().is_err());
    }
}
