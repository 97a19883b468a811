//! A map of numbers over the photograph it belongs to.

use deepinside_files::Array;
use deepinside_vision::{Error, Photograph, Result, resize};

use crate::{ColourMap, Picture};

/// How much of the map's colour covers the photograph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Opacity {
    /// The same share in `[0, 1]` everywhere.
    Uniform(f32),
    /// This share in `[0, 1]` times the map's value: where the map is 0 the photograph shows undimmed.
    ByValue(f32),
}

/// Colours a map and lays it over a photograph of one or three channels; the picture has the photograph's size.
///
/// `map` is height × width of any size, values in `[0, 1]` (see [`normalise`](crate::normalise)), and covers the whole
/// photograph; it is resized bilinearly. A map of one crop is first put to its place by
/// [`Frame::place`](deepinside_vision::frame::Frame::place).
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless `map` is a map, [`Error::Parameter`] for an opacity outside `[0, 1]`, [`Error::Channels`] for
/// another photograph.
pub fn overlay(
    photograph: &Photograph,
    map: &Array,
    colours: ColourMap,
    opacity: Opacity,
) -> Result<Picture> {
    let (Opacity::Uniform(share) | Opacity::ByValue(share)) = opacity;
    if !(0.0..=1.0).contains(&share) {
        let expected = "between 0 and 1";
        return Err(Error::Parameter { name: "the opacity", expected, found: share.to_string() });
    }
    let base = Picture::from_photograph(photograph)?;
    let map = resize::resize_map(map, base.height(), base.width())?;
    let mut rgb = base.rgb().to_vec();
    for (pixel, &value) in rgb.chunks_exact_mut(3).zip(map.data()) {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        let share = match opacity {
            Opacity::Uniform(share) => share,
            Opacity::ByValue(share) => share * value,
        };
        for (level, colour) in pixel.iter_mut().zip(colours.colour(value)) {
            *level = (f32::from(*level) * (1.0 - share) + f32::from(colour) * share).round() as u8;
        }
    }
    Picture::new(base.width(), base.height(), rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_mixes_colour_and_photograph() {
        let photograph = Photograph::new(1, 2, 1, vec![0.4, 0.4]).unwrap();
        let map = Array::new([1, 2], vec![0.0, 1.0]).unwrap();
        let mixed = |opacity| overlay(&photograph, &map, ColourMap::Grey, opacity).unwrap().rgb().to_vec();
        assert_eq!(mixed(Opacity::Uniform(0.0)), [102; 6]);
        assert_eq!(mixed(Opacity::Uniform(1.0)), [0, 0, 0, 255, 255, 255]);
        assert_eq!(mixed(Opacity::Uniform(0.5)), [51, 51, 51, 179, 179, 179]);
        assert_eq!(mixed(Opacity::ByValue(0.5)), [102, 102, 102, 179, 179, 179]);
        assert!(overlay(&photograph, &map, ColourMap::Grey, Opacity::Uniform(1.5)).is_err());
    }
}
