//! Photographs from files, as Caffe's `caffe.io.load_image` reads them.
//!
//! What is the same: 8-bit values are divided by 255 and 16-bit values by 65535; a grey picture is repeated into
//! three channels when colour is wanted; alpha is dropped, not blended.
//!
//! What is decided here, because Caffe left it to whichever library was installed:
//! - The EXIF orientation is applied. Caffe in 2015 did not; [`LoadOptions::apply_orientation`] turns it off.
//! - Colour becomes grey with the weights of scikit-image or of Pillow, see [`GreyWeights`].
//! - CMYK and YCCK JPEG files written by Adobe programs are converted by the plain ink formula without a colour
//!   profile; four-channel JPEG files without Adobe's marker are refused, because their polarity is not stated.
//! - JPEG files give the very bytes that libjpeg gives, and so what Pillow, OpenCV, PyTorch and Caffe see.
//! - Truncated JPEG files are refused, like every other damaged file.
//! - Values of floating-point TIFF files are clamped to `[0, 1]`; NaN is an error.
//! - Colour profiles (ICC) and gamma chunks are ignored, and animations give their first picture.

use std::path::Path;
use std::sync::OnceLock;

use deepinside_files::{self as files, whole_file};

use crate::{Error, Result, decode};

/// The largest file that is read, in bytes: one gibibyte.
pub const FILE_LIMIT: u64 = 1 << 30;

/// How red, green and blue are weighted in a grey value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GreyWeights {
    /// 0.2125, 0.7154, 0.0721: ITU-R BT.709 as scikit-image rounds them, and so Caffe's.
    #[default]
    Bt709,
    /// 0.299, 0.587, 0.114: ITU-R BT.601, as Pillow's mode L has them, and so torchvision's `Grayscale`. Colours of 8
    /// bits become grey levels of 8 bits, equal to Pillow's.
    Bt601,
}

impl GreyWeights {
    /// The weights of red, green and blue.
    pub fn numbers(self) -> [f32; 3] {
        match self {
            Self::Bt709 => [0.2125, 0.7154, 0.0721],
            Self::Bt601 => [0.299, 0.587, 0.114],
        }
    }

    /// The grey value of a colour.
    pub(crate) fn weigh(self, colour: [f32; 3]) -> f32 {
        self.numbers().iter().zip(colour).map(|(weight, value)| weight * value).sum()
    }

    /// The grey photograph of pixels of `stride` samples, the first three of which are red, green and blue.
    pub(crate) fn weigh_bytes(
        self,
        samples: &[u8],
        stride: usize,
        [height, width]: [usize; 2],
    ) -> Photograph {
        let pixels = samples.chunks_exact(stride).map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        match self {
            Self::Bt709 => {
                let values = pixels.map(|pixel| self.weigh(pixel.map(unit))).collect();
                Photograph::from_parts(height, width, 1, values)
            }
            Self::Bt601 => Photograph::from_byte_parts(height, width, 1, pixels.map(pillow_level).collect()),
        }
    }
}

/// The grey level of a colour in Pillow's whole numbers: 2¹⁶ times the weights, which sum to it, and a half.
fn pillow_level([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) as u8
}

/// The channels that a photograph is loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Three channels, red first; a grey picture is repeated.
    #[default]
    Rgb,
    /// One channel; colours are weighted.
    Grey(GreyWeights),
}

/// How a photograph is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Turn and mirror the pixels as the EXIF orientation says. `true` by default; Caffe in 2015 did not.
    pub apply_orientation: bool,
    /// The largest number of pixels that is decoded, checked against the file's header before memory is taken.
    /// 200 million by default, which takes 600 MB in three channels of 8 bits; a quarter of it for deeper pictures, whose
    /// samples take four times as much, and half of it for JPEG files of several scans, whose coefficients are held. Beyond 25
    /// million pixels a file also has at least a byte for every forty, and beyond 65 million one for every eight, so that a small file never
    /// takes much.
    pub maximum_pixels: u64,
}

/// Pictures of so many pixels may be packed into files of any length.
const DENSE_PIXELS: u64 = 25_000_000;

/// How many further pixels a byte of a file may hold. Photographs have two to sixteen, blank scanned pages up to forty.
const PIXELS_A_BYTE: u64 = 40;

/// Beyond so many pixels a file is no photograph unless it has a byte for every eight: the memory of its pixels would be in no proportion to
/// it. Seven bytes a pixel of 8 bits are held while some formats are decoded.
const LARGE_PIXELS: u64 = 65_000_000;
const PIXELS_A_BYTE_OF_LARGE: u64 = 8;

/// How many pixels of 8 bits take as much memory as one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// A byte a channel.
    Bytes = 1,
    /// Coefficients of several scans are held beside the bytes.
    Scans = 2,
    /// Samples of more bits are held, and floats that they become.
    Deep = 4,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { apply_orientation: true, maximum_pixels: 200_000_000 }
    }
}

impl LoadOptions {
    /// Refuses the dimensions that a file's header states when they are nothing or more than may be decoded.
    pub(crate) fn check_size(&self, origin: &str, width: u64, height: u64) -> Result<()> {
        let pixels = width.saturating_mul(height);
        if pixels > self.maximum_pixels {
            let (origin, limit) = (origin.to_owned(), self.maximum_pixels);
            return Err(Error::TooManyPixels { origin, width, height, limit });
        }
        if pixels == 0 {
            return Err(files::Error::Empty {
                what: "a photograph",
                shape: vec![height as usize, width as usize],
            }
            .into());
        }
        Ok(())
    }

    /// Refuses a large picture of a file that is far too short for one: only an even colour is packed that densely, and what it
    /// costs to unpack is in no proportion to what it costs to send.
    pub(crate) fn check_density(
        origin: &str,
        width: u64,
        height: u64,
        depth: Depth,
        bytes: usize,
    ) -> Result<()> {
        let pixels = width.saturating_mul(height);
        let held = pixels.saturating_mul(depth as u64);
        let expected = (pixels.saturating_sub(DENSE_PIXELS) / PIXELS_A_BYTE)
            .max(held.saturating_sub(LARGE_PIXELS) / PIXELS_A_BYTE_OF_LARGE);
        if expected > bytes as u64 {
            let origin = origin.to_owned();
            return Err(Error::DensePicture { origin, width, height, bytes, expected });
        }
        Ok(())
    }

    /// The same for JPEG files whose picture comes in several scans: all coefficients are held until the last one.
    pub(crate) fn of_scanned_pictures(self) -> Self {
        Self { maximum_pixels: self.maximum_pixels / 2, ..self }
    }

    /// The same for pictures of more than 8 bits a channel.
    pub(crate) fn of_deep_pictures(self) -> Self {
        Self { maximum_pixels: self.maximum_pixels / 4, ..self }
    }

    /// What decoding a picture of that many pixels may take at most: sixteen bytes hold a pixel of the widest kind
    /// (four channels of 32 bits), and a decoder may need some more for its own tables.
    pub(crate) fn decoder_bytes(pixels: u64) -> u64 {
        pixels.saturating_mul(16).saturating_add(16 << 20)
    }
}

/// A picture of floats: height × width × channels in C order, `[0, 1]` when it comes from a file.
///
/// Photographs made by [`Transformer::deprocess`](crate::Transformer::deprocess) may leave that range.
#[derive(Debug, Clone)]
pub struct Photograph {
    height: usize,
    width: usize,
    channels: usize,
    samples: Samples,
}

/// Photographs of 8 bits stay in bytes, a quarter of the memory, until all their values are asked for: resizing
/// and display never do, and for a photograph of 12 megapixels that saves about as much time as its decoding takes.
#[derive(Debug, Clone)]
enum Samples {
    Bytes { bytes: Vec<u8>, values: OnceLock<Vec<f32>> },
    Values(Vec<f32>),
}

/// What a photograph is stored as, for code that can work with either.
pub(crate) enum Stored<'a> {
    /// 255ths.
    Bytes(&'a [u8]),
    /// The values themselves.
    Values(&'a [f32]),
}

/// The value of an 8-bit sample. A division and not a product with 1/255: it is then rounded once, like Caffe's.
pub(crate) fn unit(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

impl Photograph {
    /// A photograph over `data`, which is height × width × channels in C order.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`], [`deepinside_files::Error::ElementCount`], and [`Error::NotFinite`] when a value is NaN or infinite.
    pub fn new(height: usize, width: usize, channels: usize, data: Vec<f32>) -> Result<Self> {
        let shape = vec![height, width, channels];
        if shape.contains(&0) {
            return Err(files::Error::Empty { what: "a photograph", shape }.into());
        }
        let expected = height.saturating_mul(width).saturating_mul(channels);
        if expected != data.len() {
            return Err(files::Error::ElementCount { shape, expected, found: data.len() }.into());
        }
        let count = data.iter().filter(|value| !value.is_finite()).count();
        if count > 0 {
            return Err(Error::NotFinite { what: "a photograph", count, total: data.len() });
        }
        Ok(Self::from_parts(height, width, channels, data))
    }

    /// A photograph of 8-bit samples (255ths), height × width × channels in C order, such as a camera's frame.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Empty`] and [`deepinside_files::Error::ElementCount`].
    pub fn from_samples(height: usize, width: usize, channels: usize, samples: Vec<u8>) -> Result<Self> {
        let shape = vec![height, width, channels];
        if shape.contains(&0) {
            return Err(files::Error::Empty { what: "a photograph", shape }.into());
        }
        let expected = height.saturating_mul(width).saturating_mul(channels);
        if expected != samples.len() {
            return Err(files::Error::ElementCount { shape, expected, found: samples.len() }.into());
        }
        Ok(Self::from_byte_parts(height, width, channels, samples))
    }

    /// The photograph in one channel, as when it is loaded as [`Colour::Grey`].
    ///
    /// # Errors
    /// [`Error::Channels`] unless it has one channel or three.
    pub fn to_grey(&self, weights: GreyWeights) -> Result<Self> {
        let extents = [self.height, self.width];
        match (self.channels, &self.samples) {
            (1, _) => Ok(self.clone()),
            // Not through `data`, which would keep all values.
            (3, Samples::Bytes { bytes, .. }) => Ok(weights.weigh_bytes(bytes, 3, extents)),
            (3, Samples::Values(values)) => {
                let pixels = values.chunks_exact(3);
                let grey = pixels.map(|pixel| weights.weigh([pixel[0], pixel[1], pixel[2]])).collect();
                Ok(Self::from_parts(self.height, self.width, 1, grey))
            }
            (found, _) => Err(Error::Channels { what: "a colour photograph", expected: 3, found }),
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Values per pixel: 3 (red first) or 1 when loaded from a file.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The values, height × width × channels in C order; made at the first call when the file had 8 bits.
    pub fn data(&self) -> &[f32] {
        match &self.samples {
            Samples::Bytes { bytes, values } => {
                values.get_or_init(|| bytes.iter().map(|&byte| unit(byte)).collect())
            }
            Samples::Values(values) => values,
        }
    }

    /// The values, without a copy where they exist.
    pub fn into_data(self) -> Vec<f32> {
        match self.samples {
            Samples::Bytes { bytes, values } => {
                values.into_inner().unwrap_or_else(|| bytes.iter().map(|&byte| unit(byte)).collect())
            }
            Samples::Values(values) => values,
        }
    }

    /// The 8-bit samples (255ths), height × width × channels in C order; values outside `[0, 1]` are clipped.
    pub fn to_samples(&self) -> Vec<u8> {
        match &self.samples {
            Samples::Bytes { bytes, .. } => bytes.clone(),
            // The cast saturates at 0 and 255, which is the clipping.
            Samples::Values(values) => values.iter().map(|&value| (value * 255.0 + 0.5) as u8).collect(),
        }
    }

    pub(crate) fn stored(&self) -> Stored<'_> {
        match &self.samples {
            Samples::Bytes { bytes, .. } => Stored::Bytes(bytes),
            Samples::Values(values) => Stored::Values(values),
        }
    }

    /// For results of this crate's own arithmetic, whose extents are known to fit.
    pub(crate) fn from_parts(height: usize, width: usize, channels: usize, data: Vec<f32>) -> Self {
        debug_assert_eq!(data.len(), height * width * channels);
        Self { height, width, channels, samples: Samples::Values(data) }
    }

    /// The same for samples of 8 bits.
    pub(crate) fn from_byte_parts(height: usize, width: usize, channels: usize, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(bytes.len(), height * width * channels);
        Self { height, width, channels, samples: Samples::Bytes { bytes, values: OnceLock::new() } }
    }
}

impl PartialEq for Photograph {
    /// Equal extents and values, however they are stored.
    fn eq(&self, other: &Self) -> bool {
        let extents = |photograph: &Self| [photograph.height, photograph.width, photograph.channels];
        extents(self) == extents(other) && self.data() == other.data()
    }
}

/// Loads a photograph with the default [`LoadOptions`].
///
/// # Errors
/// As [`load_with`].
pub fn load(path: impl AsRef<Path>, colour: Colour) -> Result<Photograph> {
    load_with(path, colour, LoadOptions::default())
}

/// Loads a photograph from a JPEG, PNG, WebP, TIFF, GIF, BMP or PNM file, whatever its name ends in.
///
/// # Errors
/// [`deepinside_files::Error::Read`] and [`deepinside_files::Error::FileTooLong`] for the file, [`Error::UnknownPictureFormat`], [`Error::Decode`],
/// [`Error::TruncatedJpeg`] and [`Error::UnmarkedCmyk`] for its content, and [`Error::TooManyPixels`].
pub fn load_with(path: impl AsRef<Path>, colour: Colour, options: LoadOptions) -> Result<Photograph> {
    let path = path.as_ref();
    from_bytes(&whole_file::read(path, FILE_LIMIT)?, &path.display().to_string(), colour, options)
}

/// Decodes a photograph from the bytes of such a file; `origin` names them in errors.
///
/// # Errors
/// As [`load_with`], without the file's own.
pub fn from_bytes(bytes: &[u8], origin: &str, colour: Colour, options: LoadOptions) -> Result<Photograph> {
    from_bytes_until(bytes, origin, colour, options, &|| false)
}

/// The same, but gives up when `stop`, which is asked about every hundredth of a second, says so. At JPEG files it is asked
/// before and behind: their decoder takes a whole file and cannot be stopped, and is held to pixels and scans instead.
///
/// # Errors
/// As [`from_bytes`], and [`Error::Stopped`].
pub fn from_bytes_until(
    bytes: &[u8],
    origin: &str,
    colour: Colour,
    options: LoadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Photograph> {
    let decoded = decode::decode(bytes, origin, options, stop)?;
    decode::to_photograph(decoded, colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_255ths() {
        let photograph = Photograph::from_samples(1, 2, 3, vec![0, 51, 255, 255, 0, 0]).unwrap();
        assert_eq!(photograph.data(), [0.0, 0.2, 1.0, 1.0, 0.0, 0.0]);
        assert!(matches!(
            Photograph::from_samples(2, 2, 3, vec![0; 6]),
            Err(Error::Files(files::Error::ElementCount { expected: 12, found: 6, .. }))
        ));
        assert!(matches!(
            Photograph::from_samples(0, 2, 3, Vec::new()),
            Err(Error::Files(files::Error::Empty { .. }))
        ));
    }

    /// A picture decoded as grey and one made grey afterwards are the same.
    #[test]
    fn becomes_grey_as_if_loaded_grey() {
        let rgb: Vec<u8> = (0..2 * 3 * 3).map(|index| (index * 14) as u8).collect();
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_raw(3, 2, rgb).unwrap().write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let load = |colour| from_bytes(&png, "a test", colour, LoadOptions::default()).unwrap();
        let colour = load(Colour::Rgb);
        let values = Photograph::new(2, 3, 3, colour.data().to_vec()).unwrap();
        for weights in [GreyWeights::Bt709, GreyWeights::Bt601] {
            let grey = load(Colour::Grey(weights));
            assert_eq!(colour.to_grey(weights).unwrap(), grey);
            assert_eq!(grey.to_grey(weights).unwrap(), grey);
            // Pillow rounds the grey values of 8 bits to levels.
            let of_values = values.to_grey(weights).unwrap();
            for (value, level) in of_values.data().iter().zip(grey.data()) {
                assert!(
                    (value - level).abs() <= if weights == GreyWeights::Bt601 { 0.5 / 255.0 } else { 0.0 }
                );
            }
        }
        let two = Photograph::from_samples(1, 1, 2, vec![0; 2]).unwrap();
        assert!(two.to_grey(GreyWeights::Bt601).is_err());
    }
}
