//! The parts of a resized photograph which a classifier looks at.
//!
//! Caffe's `Classifier` first resizes a photograph to `image_dims` without keeping its proportions, then takes either
//! the centre or ten crops of the network's input size, and averages the scores. The ten crops come in this order:
//! top left, top right, bottom left, bottom right, centre, and then the five again, mirrored left to right.

use std::fmt;
use std::str::FromStr;

use deepinside_files::{self as files, Array};

use crate::{Convention, Error, Photograph, Result, Transformer, resize};

/// One part of a photograph, by its usual name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The middle.
    #[default]
    Centre,
    /// The top left corner.
    TopLeft,
    /// The top right corner.
    TopRight,
    /// The bottom left corner.
    BottomLeft,
    /// The bottom right corner.
    BottomRight,
    /// The middle, mirrored left to right: the last of Caffe's ten, and so what its `predict` leaves in the network.
    MirroredCentre,
    /// The top left corner of the photograph, then mirrored.
    MirroredTopLeft,
    /// The top right corner of the photograph, then mirrored.
    MirroredTopRight,
    /// The bottom left corner of the photograph, then mirrored.
    MirroredBottomLeft,
    /// The bottom right corner of the photograph, then mirrored.
    MirroredBottomRight,
    /// The whole photograph, resized straight to the network's input size; `image_dims` plays no part.
    Whole,
}

/// A rectangle of whole pixels, and whether its content is then mirrored left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Whether columns are read from right to left.
    pub mirrored: bool,
}

/// A rectangle in fractions of a photograph's height and width, in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// The upper edge.
    pub top: f64,
    /// The left edge.
    pub left: f64,
    /// The height.
    pub height: f64,
    /// The width.
    pub width: f64,
    /// Whether columns are read from right to left.
    pub mirrored: bool,
}

impl Region {
    /// The whole photograph, not mirrored.
    pub const WHOLE: Region = Region { top: 0.0, left: 0.0, height: 1.0, width: 1.0, mirrored: false };
}

impl Crop {
    /// Caffe's ten crops, in Caffe's order.
    pub const TEN: [Crop; 10] = [
        Crop::TopLeft,
        Crop::TopRight,
        Crop::BottomLeft,
        Crop::BottomRight,
        Crop::Centre,
        Crop::MirroredTopLeft,
        Crop::MirroredTopRight,
        Crop::MirroredBottomLeft,
        Crop::MirroredBottomRight,
        Crop::MirroredCentre,
    ];

    /// Every crop with its name.
    const NAMES: [(Crop, &'static str); 11] = [
        (Crop::Centre, "centre"),
        (Crop::TopLeft, "top-left"),
        (Crop::TopRight, "top-right"),
        (Crop::BottomLeft, "bottom-left"),
        (Crop::BottomRight, "bottom-right"),
        (Crop::MirroredCentre, "mirrored-centre"),
        (Crop::MirroredTopLeft, "mirrored-top-left"),
        (Crop::MirroredTopRight, "mirrored-top-right"),
        (Crop::MirroredBottomLeft, "mirrored-bottom-left"),
        (Crop::MirroredBottomRight, "mirrored-bottom-right"),
        (Crop::Whole, "whole"),
    ];

    /// Whether the crop is mirrored left to right.
    pub fn is_mirrored(self) -> bool {
        use Crop::*;
        matches!(
            self,
            MirroredCentre | MirroredTopLeft | MirroredTopRight | MirroredBottomLeft | MirroredBottomRight
        )
    }

    /// Where a crop of `crop_height` × `crop_width` lies in a photograph of `height` × `width`.
    ///
    /// The centre's first row is (`height` − `crop_height`)/2, rounded as the convention says. [`Crop::Whole`] covers
    /// everything.
    ///
    /// # Errors
    /// [`Error::CropTooLarge`].
    pub fn rectangle(
        self,
        [height, width]: [usize; 2],
        [crop_height, crop_width]: [usize; 2],
        convention: Convention,
    ) -> Result<Rectangle> {
        if self == Crop::Whole {
            return Ok(Rectangle { top: 0, left: 0, height, width, mirrored: false });
        }
        let (Some(free_rows), Some(free_columns)) =
            (height.checked_sub(crop_height), width.checked_sub(crop_width))
        else {
            return Err(Error::CropTooLarge { crop_height, crop_width, height, width });
        };
        use Crop::*;
        let (top, left) = match self {
            Centre | MirroredCentre | Whole => {
                (convention.centre(free_rows), convention.centre(free_columns))
            }
            TopLeft | MirroredTopLeft => (0, 0),
            TopRight | MirroredTopRight => (0, free_columns),
            BottomLeft | MirroredBottomLeft => (free_rows, 0),
            BottomRight | MirroredBottomRight => (free_rows, free_columns),
        };
        Ok(Rectangle { top, left, height: crop_height, width: crop_width, mirrored: self.is_mirrored() })
    }

    /// The part of the original photograph that this crop shows, when the photograph is first resized to
    /// `image_size` (height, width) and the crop has `crop_size`.
    ///
    /// # Errors
    /// [`Error::CropTooLarge`].
    pub fn region(
        self,
        image_size: [usize; 2],
        crop_size: [usize; 2],
        convention: Convention,
    ) -> Result<Region> {
        let rectangle = self.rectangle(image_size, crop_size, convention)?;
        let [height, width] = image_size.map(|extent| extent.max(1) as f64);
        Ok(Region {
            top: rectangle.top as f64 / height,
            left: rectangle.left as f64 / width,
            height: rectangle.height as f64 / height,
            width: rectangle.width as f64 / width,
            mirrored: rectangle.mirrored,
        })
    }

    /// Cuts this crop out of a photograph which is already resized; [`Crop::Whole`] gives a copy.
    ///
    /// # Errors
    /// [`Error::CropTooLarge`].
    pub fn cut(
        self,
        photograph: &Photograph,
        crop_size: [usize; 2],
        convention: Convention,
    ) -> Result<Photograph> {
        let image_size = [photograph.height(), photograph.width()];
        let Rectangle { top, left, height, width, mirrored } =
            self.rectangle(image_size, crop_size, convention)?;
        if height == 0 || width == 0 {
            return Err(files::Error::Empty { what: "a crop", shape: vec![height, width] }.into());
        }
        let channels = photograph.channels();
        let mut data = Vec::with_capacity(height * width * channels);
        for row in photograph.data().chunks_exact(photograph.width() * channels).skip(top).take(height) {
            let part = &row[left * channels..(left + width) * channels];
            if mirrored {
                part.chunks_exact(channels).rev().for_each(|pixel| data.extend_from_slice(pixel));
            } else {
                data.extend_from_slice(part);
            }
        }
        Ok(Photograph::from_parts(height, width, channels, data))
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(crop, _)| crop == self).map_or("", |(_, name)| name);
        formatter.pad(name)
    }
}

impl FromStr for Crop {
    type Err = Error;

    /// The kebab-case name, such as `mirrored-centre`; `center` is accepted for `centre`, and capitals for small
    /// letters.
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.to_lowercase().replace("center", "centre");
        Self::NAMES.iter().find(|(_, name)| *name == plain).map(|&(crop, _)| crop).ok_or_else(|| {
            let known = Self::NAMES.map(|(_, name)| name).join(", ");
            Error::UnknownName { what: "crop", text: text.to_owned(), known }
        })
    }
}

/// Caffe's ten crops of a photograph, in Caffe's order, as `caffe.io.oversample([im], (crop_height, crop_width))`.
///
/// # Errors
/// [`Error::CropTooLarge`].
pub fn oversample(photograph: &Photograph, crop_size: [usize; 2]) -> Result<Vec<Photograph>> {
    Crop::TEN.iter().map(|crop| crop.cut(photograph, crop_size, Convention::Caffe)).collect()
}

/// What a network reads for these crops of a photograph, as `caffe.Classifier` or torchvision's `Resize`, `CenterCrop`,
/// `ToTensor` and `Normalize` make it, whichever the transformer's interpolation is of: the photograph is resized to
/// `image_size` (height, width), cut, and each crop is preprocessed. The array is crops × channels × height × width.
///
/// # Errors
/// [`deepinside_files::Error::Empty`] without any crop, [`Error::CropTooLarge`], and those of [`Transformer::preprocess`].
pub fn classifier_inputs(
    photograph: &Photograph,
    image_size: [usize; 2],
    transformer: &Transformer,
    crops: &[Crop],
) -> Result<Array> {
    let prepared = transformer.prepare()?;
    let input_size = [transformer.height, transformer.width];
    let convention = transformer.interpolation.convention();
    let resized = if crops.iter().all(|&crop| crop == Crop::Whole) {
        None
    } else {
        let [height, width] = image_size;
        Some(resize::resize_image(photograph, height, width, transformer.interpolation)?)
    };
    let mut data = Vec::new();
    for &crop in crops {
        let input = match &resized {
            Some(resized) if crop != Crop::Whole => {
                prepared.preprocess(&crop.cut(resized, input_size, convention)?)?
            }
            _ => prepared.preprocess(photograph)?,
        };
        data.extend_from_slice(input.data());
    }
    Ok(Array::new(
        [crops.len(), transformer.channel_order.channels(), transformer.height, transformer.width],
        data,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A photograph whose single channel numbers its pixels.
    fn numbered(height: usize, width: usize) -> Photograph {
        Photograph::new(height, width, 1, (0..height * width).map(|value| value as f32).collect()).unwrap()
    }

    #[test]
    fn names_are_read_back_and_the_american_spelling_too() {
        for (crop, name) in Crop::NAMES {
            assert_eq!(name.parse::<Crop>().unwrap(), crop);
            assert_eq!(crop.to_string(), name);
        }
        assert_eq!("Mirrored-Center".parse::<Crop>().unwrap(), Crop::MirroredCentre);
        let message = "middle".parse::<Crop>().unwrap_err().to_string();
        assert!(message.contains("\"middle\"") && message.contains("mirrored-top-left"), "{message}");
    }

    #[test]
    fn every_crop_holds_the_pixels_of_its_rectangle() {
        let photograph = numbered(5, 7);
        for (crop, expected) in [
            (Crop::TopLeft, [0.0, 1.0, 7.0, 8.0]),
            (Crop::TopRight, [5.0, 6.0, 12.0, 13.0]),
            (Crop::BottomLeft, [21.0, 22.0, 28.0, 29.0]),
            (Crop::BottomRight, [26.0, 27.0, 33.0, 34.0]),
            // Rows 1–2 of 5 and columns 2–3 of 7: odd remainders are rounded down.
            (Crop::Centre, [9.0, 10.0, 16.0, 17.0]),
            (Crop::MirroredCentre, [10.0, 9.0, 17.0, 16.0]),
            (Crop::MirroredTopRight, [6.0, 5.0, 13.0, 12.0]),
        ] {
            assert_eq!(crop.cut(&photograph, [2, 2], Convention::Caffe).unwrap().data(), expected, "{crop}");
        }
        assert_eq!(Crop::Whole.cut(&photograph, [2, 2], Convention::Caffe).unwrap(), photograph);
    }

    #[test]
    fn a_crop_that_does_not_fit_is_an_error_with_both_sizes() {
        let message = Crop::Centre.cut(&numbered(5, 7), [6, 2], Convention::Caffe).unwrap_err().to_string();
        assert!(message.contains("6×2") && message.contains("5×7"), "{message}");
    }

    #[test]
    fn regions_are_fractions_of_the_photograph() {
        let region = Crop::BottomRight.region([10, 20], [5, 5], Convention::Caffe).unwrap();
        assert_eq!(region, Region { top: 0.5, left: 0.75, height: 0.5, width: 0.25, mirrored: false });
        assert_eq!(Crop::Whole.region([10, 20], [5, 5], Convention::Torchvision).unwrap(), Region::WHOLE);
    }
}
