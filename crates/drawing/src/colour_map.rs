//! Colours for numbers.
//!
//! `grey`, `hot` and `jet` are their usual piecewise linear formulas; `blue-white-red` is a diverging map for signed
//! values whose middle is exactly white. `viridis` and `inferno` (S. van der Walt and N. Smith, 2015, dedicated to
//! the public domain) are tables of 33 colours mixed linearly, which differ from the full tables by at most 2 of
//! 255 levels.

use std::fmt;
use std::str::FromStr;

use deepinside_files::Array;
use deepinside_vision::{Error, Result};

use crate::Picture;
use crate::picture::Rgb;

/// A map from `[0, 1]` to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColourMap {
    /// Black to white.
    #[default]
    Grey,
    /// Black, red, yellow, white.
    Hot,
    /// Blue, cyan, yellow, red: vivid, but its bright bands suggest edges that the values do not have.
    Jet,
    /// Dark violet, green, yellow, with evenly growing lightness; also for colour-blind eyes.
    Viridis,
    /// Black, violet, orange, light yellow, with evenly growing lightness.
    Inferno,
    /// Blue, white, red, for signed values scaled to ½ at zero.
    BlueWhiteRed,
}

impl ColourMap {
    /// Every map with its name.
    const NAMES: [(ColourMap, &'static str); 6] = [
        (ColourMap::Grey, "grey"),
        (ColourMap::Hot, "hot"),
        (ColourMap::Jet, "jet"),
        (ColourMap::Viridis, "viridis"),
        (ColourMap::Inferno, "inferno"),
        (ColourMap::BlueWhiteRed, "blue-white-red"),
    ];

    /// The colour of `value`. Values outside `[0, 1]` take the colour of the nearer end, and NaN that of 0.
    pub fn colour(self, value: f32) -> Rgb {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        match self {
            ColourMap::Grey => bytes([value; 3]),
            // The breaks are those of the classical definition: 0.365079 and 0.746032 of the way.
            ColourMap::Hot => bytes([
                0.0416 + value * (1.0 - 0.0416) / 0.365_079,
                (value - 0.365_079) / (0.746_032 - 0.365_079),
                (value - 0.746_032) / (1.0 - 0.746_032),
            ]),
            // Three trapezia of slope 4 around 3/4, 1/2 and 1/4.
            ColourMap::Jet => bytes([0.75, 0.5, 0.25].map(|centre| 1.5 - 4.0 * (value - centre).abs())),
            ColourMap::Viridis => mix_table(&VIRIDIS, value),
            ColourMap::Inferno => mix_table(&INFERNO, value),
            ColourMap::BlueWhiteRed => mix_table(&BLUE_WHITE_RED, value),
        }
    }

    /// The picture of a map of height × width, values in `[0, 1]`; leading axes of extent 1 are looked through.
    ///
    /// Scale the values first with [`normalise`](crate::normalise).
    ///
    /// # Errors
    /// [`deepinside_files::Error::Shape`] unless the array is a map, [`Error::PictureTooLarge`].
    pub fn apply(self, map: &Array) -> Result<Picture> {
        let (height, width) = map.rows_and_columns("a colour map")?;
        Picture::new(width, height, map.data().iter().flat_map(|&value| self.colour(value)).collect())
    }
}

impl fmt::Display for ColourMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(map, _)| map == self).map_or("", |(_, name)| name);
        formatter.pad(name)
    }
}

impl FromStr for ColourMap {
    type Err = Error;

    /// The name in small or capital letters; `gray` is accepted for `grey`.
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.to_lowercase().replace("gray", "grey");
        Self::NAMES.iter().find(|(_, name)| *name == plain).map(|&(map, _)| map).ok_or_else(|| {
            let known = Self::NAMES.map(|(_, name)| name).join(", ");
            Error::UnknownName { what: "colour map", text: text.to_owned(), known }
        })
    }
}

fn bytes(colour: [f32; 3]) -> Rgb {
    colour.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// Mixes the two neighbours in a table of equal steps.
fn mix_table(table: &[u32], value: f32) -> Rgb {
    let position = value * (table.len() - 1) as f32;
    let left = (position as usize).min(table.len() - 2);
    let share = position - left as f32;
    std::array::from_fn(|channel| {
        let shift = 16 - 8 * channel as u32;
        let level = |entry: u32| f32::from((entry >> shift) as u8);
        ((1.0 - share) * level(table[left]) + share * level(table[left + 1])).round() as u8
    })
}

/// A dark and a clear blue, white, a clear and a dark red.
const BLUE_WHITE_RED: [u32; 5] = [0x053061, 0x4393C3, 0xFFFFFF, 0xD6604D, 0x67001F];

/// Viridis at 33 equal steps, red in the highest byte.
#[rustfmt::skip]
const VIRIDIS: [u32; 33] = [
    0x440154, 0x470D60, 0x48186A, 0x482374, 0x472D7B, 0x453681, 0x424086, 0x3F4989,
    0x3B528B, 0x375A8D, 0x33638D, 0x2F6A8E, 0x2C728E, 0x297A8E, 0x26818E, 0x23898E,
    0x21908C, 0x1F988B, 0x1F9F88, 0x21A685, 0x28AE80, 0x31B57B, 0x3EBC74, 0x4CC26C,
    0x5DC963, 0x6ECE58, 0x82D34C, 0x96D83F, 0xABDC32, 0xC0DF24, 0xD5E21A, 0xEAE51A,
    0xFDE725,
];

/// Inferno at 33 equal steps, red in the highest byte.
#[rustfmt::skip]
const INFERNO: [u32; 33] = [
    0x000004, 0x040312, 0x0B0724, 0x150B37, 0x210C4A, 0x2E0A5A, 0x3C0965, 0x4A0C6B,
    0x57106D, 0x63146E, 0x70196E, 0x7D1E6D, 0x89226A, 0x962766, 0xA32B61, 0xAF315C,
    0xBB3755, 0xC63E4D, 0xD14644, 0xDB4F3B, 0xE35932, 0xEB6528, 0xF1711E, 0xF67F14,
    0xF98D0A, 0xFB9C06, 0xFCAB0F, 0xFBBA1F, 0xF9CA32, 0xF5D949, 0xF2E865, 0xF3F586,
    0xFCFFA4,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_of_each_map() {
        // Viridis and inferno: entries 0, 37, 100, 128, 200, 255 of the published tables of 256.
        let viridis =
            [[68, 1, 84], [70, 51, 127], [42, 118, 142], [33, 145, 140], [112, 207, 87], [253, 231, 37]];
        let inferno =
            [[0, 0, 4], [41, 11, 85], [144, 37, 104], [188, 55, 84], [251, 157, 7], [252, 255, 164]];
        for (index, entry) in [0, 37, 100, 128, 200, 255].into_iter().enumerate() {
            for (map, table) in [(ColourMap::Viridis, viridis), (ColourMap::Inferno, inferno)] {
                let colour = map.colour(entry as f32 / 255.0);
                for channel in 0..3 {
                    let difference = colour[channel].abs_diff(table[index][channel]);
                    assert!(difference <= 2, "{map} at {entry}: {colour:?} against {:?}", table[index]);
                }
            }
        }
        assert_eq!(ColourMap::Grey.colour(0.2), [51, 51, 51]);
        assert_eq!(ColourMap::Hot.colour(0.0), [11, 0, 0]);
        assert_eq!(ColourMap::Hot.colour(1.0), [255, 255, 255]);
        assert_eq!(ColourMap::Hot.colour(0.37)[0], 255);
        assert_eq!(ColourMap::Jet.colour(0.0), [0, 0, 128]);
        assert_eq!(ColourMap::Jet.colour(0.5), [128, 255, 128]);
        assert_eq!(ColourMap::Jet.colour(1.0), [128, 0, 0]);
        assert_eq!(ColourMap::BlueWhiteRed.colour(0.5), [255, 255, 255]);
        let (blue, red) = (ColourMap::BlueWhiteRed.colour(0.1), ColourMap::BlueWhiteRed.colour(0.9));
        assert!(blue[2] > blue[0] && red[0] > red[2]);
    }

    #[test]
    fn even_maps_grow_lighter_all_the_way() {
        for map in [ColourMap::Grey, ColourMap::Hot, ColourMap::Viridis, ColourMap::Inferno] {
            let lightness = |step: usize| -> u32 {
                let [red, green, blue] = map.colour(step as f32 / 64.0).map(u32::from);
                2126 * red + 7152 * green + 722 * blue
            };
            for step in 0..64 {
                assert!(lightness(step + 1) > lightness(step), "{map} at step {step}");
            }
        }
    }

    #[test]
    fn values_outside_and_nan_take_the_ends() {
        for (map, name) in ColourMap::NAMES {
            assert_eq!(map.colour(-3.0), map.colour(0.0));
            assert_eq!(map.colour(f32::INFINITY), map.colour(1.0));
            assert_eq!(map.colour(f32::NAN), map.colour(0.0));
            assert_eq!(name.parse::<ColourMap>().unwrap(), map);
        }
        assert_eq!("Gray".parse::<ColourMap>().unwrap(), ColourMap::Grey);
        assert!("rainbow".parse::<ColourMap>().is_err());
    }

    #[test]
    fn a_map_becomes_a_picture_of_its_size() {
        let map = Array::new([1, 2, 3], vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]).unwrap();
        let picture = ColourMap::Grey.apply(&map).unwrap();
        assert_eq!((picture.width(), picture.height()), (3, 2));
        assert_eq!(picture.pixel(0, 1), Some([153; 3]));
        assert!(ColourMap::Grey.apply(&Array::filled([2, 2, 2], 0.0).unwrap()).is_err());
    }
}
