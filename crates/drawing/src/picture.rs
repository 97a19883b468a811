//! Pictures to be looked at: 8-bit RGB, drawn on with rectangles and other pictures, written as PNG.

use std::path::Path;

use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use deepinside_files::{self as files, whole_file};
use deepinside_vision::{Error, Photograph, Result};

/// The largest number of pixels of a picture that is made: 200 million, 600 MB.
pub const PIXEL_LIMIT: usize = 200_000_000;

/// Red, green and blue, 0–255.
pub type Rgb = [u8; 3];

/// White.
pub const WHITE: Rgb = [255, 255, 255];

/// A picture of 8-bit sRGB values, rows from the top, three bytes a pixel, with at least one pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture over `rgb`, which has three bytes for each of `width` × `height` pixels, row after row.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`], [`Error::PictureTooLarge`] and [`deepinside_files::Error::ElementCount`].
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        let expected = Self::byte_count(width, height)?;
        if rgb.len() != expected {
            return Err(files::Error::ElementCount {
                shape: vec![height, width, 3],
                expected,
                found: rgb.len(),
            }
            .into());
        }
        Ok(Self { width, height, rgb })
    }

    /// A picture of one colour.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`] and [`Error::PictureTooLarge`].
    pub fn filled(width: usize, height: usize, colour: Rgb) -> Result<Self> {
        let rgb = colour.repeat(Self::byte_count(width, height)? / 3);
        Ok(Self { width, height, rgb })
    }

    fn byte_count(width: usize, height: usize) -> Result<usize> {
        if width == 0 || height == 0 {
            return Err(files::Error::Empty { what: "a picture", shape: vec![height, width] }.into());
        }
        match width.checked_mul(height) {
            Some(pixels) if pixels <= PIXEL_LIMIT => Ok(3 * pixels),
            _ => Err(Error::PictureTooLarge { width, height, limit: PIXEL_LIMIT }),
        }
    }

    /// The picture of a photograph with one or three channels; values outside `[0, 1]` are clipped.
    ///
    /// # Errors
    /// [`Error::Channels`] for another number of channels, [`Error::PictureTooLarge`].
    pub fn from_photograph(photograph: &Photograph) -> Result<Self> {
        let bytes = photograph.to_samples();
        let rgb = match photograph.channels() {
            1 => bytes.iter().flat_map(|&byte| [byte; 3]).collect(),
            3 => bytes,
            found => return Err(Error::Channels { what: "a picture", expected: 3, found }),
        };
        Self::new(photograph.width(), photograph.height(), rgb)
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Three bytes a pixel, row after row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Whether all pixels are alike: the picture shows nothing.
    pub fn is_one_colour(&self) -> bool {
        let mut pixels = self.rgb.chunks_exact(3);
        let first = pixels.next();
        pixels.all(|pixel| Some(pixel) == first)
    }

    /// Three bytes a pixel, row after row, without a copy.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The colour at row `y` and column `x`; `None` outside.
    pub fn pixel(&self, x: usize, y: usize) -> Option<Rgb> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = 3 * (y * self.width + x);
        Some([self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]])
    }

    /// Mixes `colour` into the pixel with a share of `opacity` in `[0, 1]`; outside nothing happens.
    pub(crate) fn blend(&mut self, x: i64, y: i64, colour: Rgb, opacity: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = 3 * (y * self.width + x);
        for (value, &target) in self.rgb[at..at + 3].iter_mut().zip(&colour) {
            *value = (f32::from(*value) + (f32::from(target) - f32::from(*value)) * opacity).round() as u8;
        }
    }

    /// Fills a rectangle; the part outside is cut off.
    pub(crate) fn fill_rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Rgb) {
        let end_x = x.saturating_add(width).min(self.width);
        for row in y..y.saturating_add(height).min(self.height) {
            for column in x..end_x {
                let at = 3 * (row * self.width + column);
                self.rgb[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Copies `other` so that its top left corner is at column `x` and row `y`; the part outside is cut off.
    pub fn paste(&mut self, other: &Picture, x: usize, y: usize) {
        let width = other.width.min(self.width.saturating_sub(x));
        for row in 0..other.height.min(self.height.saturating_sub(y)) {
            let (source, target) = (3 * row * other.width, 3 * ((y + row) * self.width + x));
            self.rgb[target..target + 3 * width].copy_from_slice(&other.rgb[source..source + 3 * width]);
        }
    }

    /// The picture enlarged by a whole factor: every pixel becomes a square of one colour, none is blurred.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`] for factor 0, [`Error::PictureTooLarge`].
    pub fn magnified(&self, factor: usize) -> Result<Picture> {
        let width = self.width.saturating_mul(factor);
        let bytes = Self::byte_count(width, self.height.saturating_mul(factor))?;
        let mut rgb = Vec::with_capacity(bytes);
        let mut line = Vec::with_capacity(3 * width);
        for row in self.rgb.chunks_exact(3 * self.width) {
            line.clear();
            for pixel in row.chunks_exact(3) {
                (0..factor).for_each(|_| line.extend_from_slice(pixel));
            }
            (0..factor).for_each(|_| rgb.extend_from_slice(&line));
        }
        Self::new(width, self.height * factor, rgb)
    }

    /// The PNG file of this picture, in memory.
    ///
    /// # Errors
    /// [`deepinside_files::Error::WriteStream`] should the encoder fail.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes).map_err(|source| files::Error::WriteStream { source })?;
        Ok(bytes)
    }

    /// The JPEG file of this picture, in memory; `quality` is 1 to 100.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another quality, [`deepinside_files::Error::WriteStream`] should the encoder fail, as it does beyond 65,535 pixels a
    /// side.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        if !(1..=100).contains(&quality) {
            let (name, expected) = ("the quality of a JPEG file", "1 to 100");
            return Err(Error::Parameter { name, expected, found: quality.to_string() });
        }
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .write_image(&self.rgb, self.width as u32, self.height as u32, image::ExtendedColorType::Rgb8)
            .map_err(|error| files::Error::WriteStream { source: std::io::Error::other(error) })?;
        Ok(bytes)
    }

    /// Writes a PNG file, which appears whole or not at all.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Write`].
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(whole_file::write(path.as_ref(), |stream| self.encode(stream))?)
    }

    fn encode(&self, stream: &mut dyn std::io::Write) -> std::io::Result<()> {
        // Both extents are at most the pixel limit, which fits 32 bits.
        PngEncoder::new_with_quality(stream, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&self.rgb, self.width as u32, self.height as u32, image::ExtendedColorType::Rgb8)
            .map_err(std::io::Error::other)
    }
}
