//! Saliency maps as pictures: alone, over the photograph, or beside it in a figure that says how each was made.
//!
//! Every door draws maps with these functions, so that a pixel that no crop reached is hatched everywhere, and a map's brightest
//! value is that of what was seen.

use deepinside_drawing::figure::{ColourScale, Figure, Panel};
use deepinside_drawing::hatching::hatched;
use deepinside_drawing::normalise::{Normalised, Scaling, normalise};
use deepinside_drawing::overlay::{Opacity, overlay};
use deepinside_drawing::{ColourMap, Picture};
use deepinside_files::Array;
use deepinside_vision::Photograph;
use deepinside_vision::unseen::with_gaps;

use crate::{Result, expect_finite};

/// How much of the map's colours covers the photograph.
const OPACITY: f32 = 0.6;

/// How much of the photograph shows through the hatching.
const VISIBLE: f32 = 0.5;

/// A map as it is to be drawn.
#[derive(Debug, Clone)]
pub struct DrawnMap {
    /// The map in [0, 1], and how it was brought there; 0 where nothing was seen.
    pub scaled: Normalised,
    /// What was seen, row-major.
    seen: Vec<bool>,
    scaling: Scaling,
    colours: ColourMap,
}

impl DrawnMap {
    /// Scales a map, height × width, by what was seen of it (see [`deepinside_vision::unseen`]).
    ///
    /// # Errors
    /// When map and mask differ in size, the quantile is out of its range, or the map holds numbers that are not finite.
    pub fn new(map: &Array, seen: &[bool], scaling: Scaling, colours: ColourMap) -> Result<Self> {
        expect_finite(|| "the numbers of the saliency map".to_owned(), map.data())?;
        let mut scaled = normalise(&with_gaps(map, seen)?, scaling)?;
        // Those that were not seen.
        scaled.not_finite = 0;
        Ok(Self { scaled, seen: seen.to_vec(), scaling, colours })
    }

    /// The same of a map of which everything was seen.
    ///
    /// # Errors
    /// As [`DrawnMap::new`].
    pub fn of_all_seen(map: &Array, scaling: Scaling, colours: ColourMap) -> Result<Self> {
        Self::new(map, &vec![true; map.data().len()], scaling, colours)
    }

    /// The map alone, a pixel for each of its numbers.
    ///
    /// # Errors
    /// When it is too large for a picture.
    pub fn picture(&self) -> Result<Picture> {
        Ok(hatched(&self.colours.apply(&self.scaled.values)?, &self.seen, 0.0)?)
    }

    /// The map over its photograph.
    ///
    /// # Errors
    /// When the photograph is neither grey nor coloured, or of another size than the map.
    pub fn over(&self, photograph: &Photograph) -> Result<Picture> {
        let covered = overlay(photograph, &self.scaled.values, self.colours, Opacity::Uniform(OPACITY))?;
        let bare = Picture::from_photograph(photograph)?;
        // What was not seen is the photograph, hatched, and not the colour of 0.
        let pixels = self.seen.iter().zip(covered.rgb().chunks_exact(3).zip(bare.rgb().chunks_exact(3)));
        let rgb = pixels.flat_map(|(&seen, (covered, bare))| if seen { covered } else { bare });
        let mixed = Picture::new(bare.width(), bare.height(), rgb.copied().collect())?;
        Ok(hatched(&mixed, &self.seen, VISIBLE)?)
    }

    /// The map as a panel of a figure: with a title, a bar that says what its colours mean, and how it was made.
    ///
    /// # Errors
    /// As [`DrawnMap::picture`].
    pub fn panel(&self, title: &str, made: &[String]) -> Result<Panel> {
        let scale = Some(ColourScale::of(&self.scaled, self.scaling, self.colours));
        let mut caption = made.to_vec();
        if self.seen.contains(&false) {
            caption.push("hatched: not seen by the network".to_owned());
        }
        Ok(Panel { scale, caption, ..Panel::new(title, self.picture()?) })
    }
}

/// A photograph or what the network read of it, and maps of one class beside it.
///
/// # Errors
/// When the figure is too large.
pub fn figure(title: String, input: Panel, maps: Vec<Panel>) -> Result<Picture> {
    let panels = std::iter::once(input).chain(maps).collect();
    Ok(Figure { title: Some(title), ..Figure::new(panels) }.render()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was not looked at has no brightness, and its zeros do not count among the numbers that the quantile is of.
    #[test]
    fn unseen_pixels_are_hatched_and_in_no_quantile() {
        let map = Array::new([1, 4], vec![1.0, 2.0, 0.0, 0.0]).unwrap();
        let seen = [true, true, false, false];
        let drawn = DrawnMap::new(&map, &seen, Scaling::Quantile(0.5), ColourMap::Grey).unwrap();
        assert_eq!(drawn.scaled.high, 1.5);
        let picture = drawn.picture().unwrap();
        assert_eq!(picture.pixel(1, 0), Some([255; 3]));
        for column in [2, 3] {
            let [level, ..] = picture.pixel(column, 0).unwrap();
            assert!((100..200).contains(&level), "{level}");
        }
        let photograph = Photograph::new(1, 4, 1, vec![1.0; 4]).unwrap();
        let over = drawn.over(&photograph).unwrap();
        // Grey at 1 over white stays white; half of white shows through the hatching.
        assert_eq!(over.pixel(1, 0), Some([255; 3]));
        assert!((180..230).contains(&over.pixel(3, 0).unwrap()[0]));
        let caption = drawn.panel("map", &[]).unwrap().caption;
        assert_eq!(caption, ["hatched: not seen by the network"]);
        assert!(DrawnMap::new(&map, &seen[1..], Scaling::Maximum, ColourMap::Grey).is_err());
        let broken = Array::new([1, 4], vec![f32::NAN, 2.0, 0.0, 0.0]).unwrap();
        assert!(DrawnMap::new(&broken, &seen, Scaling::Maximum, ColourMap::Grey).is_err());
    }
}
