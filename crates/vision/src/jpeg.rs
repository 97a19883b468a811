//! JPEG files, decoded to the very bytes that libjpeg gives.
//!
//! Caffe's, PyTorch's and OpenCV's pictures all come out of libjpeg or its faster successor. A decoder which rounds
//! the transform, the chroma's interpolation or the colours otherwise differs from it by a level here and there,
//! which is enough to tip near ties of maxima in a network; so the decoder is one that repeats libjpeg's integers.

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageError, ImageFormat, RgbImage};
use libjpeg_turbo_rs::{DecodeLimits, Decoder, JpegError, PixelFormat};

use crate::jpeg_structure::JpegStructure;
use crate::photograph::Depth;
use crate::{Error, LoadOptions, Result};

/// How many scans any picture may have. Encoders write about ten, and a script by hand one for each bit of each
/// component at most.
const USUAL_SCANS: usize = 24;

/// How many scans a small picture may have.
const MOST_SCANS: usize = 500;

/// How many pixels all scans together may pass over, beyond the usual number: each scan touches all pixels, however
/// few bytes it has.
const SCANNED_PIXELS: u64 = 100_000_000;

/// How many scans a picture of that many pixels may have.
fn most_scans(pixels: u64) -> usize {
    let affordable = usize::try_from(SCANNED_PIXELS / pixels.max(1)).unwrap_or(usize::MAX);
    affordable.clamp(USUAL_SCANS, MOST_SCANS)
}

/// Decodes and orients a JPEG file whose markers say `structure`.
pub(crate) fn decode(
    bytes: &[u8],
    structure: JpegStructure,
    origin: &str,
    options: LoadOptions,
) -> Result<DynamicImage> {
    if !structure.complete {
        return Err(Error::TruncatedJpeg { origin: origin.to_owned() });
    }
    if structure.channels == 4 && !structure.adobe {
        return Err(Error::UnmarkedCmyk { origin: origin.to_owned() });
    }
    let failed = |error: JpegError| {
        let source = DecodingError::new(ImageFormatHint::Exact(ImageFormat::Jpeg), error);
        Error::Decode { origin: origin.to_owned(), source: Box::new(ImageError::Decoding(source)) }
    };
    // Dimensions are judged below, in this crate's own words.
    let limits = DecodeLimits { max_scans: MOST_SCANS, ..DecodeLimits::default() };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(failed)?;
    let header = decoder.header();
    let (width, height) = (header.width() as u64, header.height() as u64);
    let limits = if structure.scans > 1 { options.of_scanned_pictures() } else { options };
    limits.check_size(origin, width, height)?;
    let depth = if structure.scans > 1 { Depth::Scans } else { Depth::Bytes };
    LoadOptions::check_density(origin, width, height, depth, bytes.len())?;
    let pixels = width * height;
    let most = most_scans(pixels);
    if structure.scans > most {
        return Err(Error::TooManyScans { origin: origin.to_owned(), pixels, scans: structure.scans, most });
    }
    if header.precision != 8 {
        // Such samples have another range, and libjpeg as it is usually built refuses them too.
        let reason =
            format!("{} bits per sample instead of 8: save it with 8 bits, or as PNG", header.precision);
        return Err(failed(JpegError::Unsupported(reason)));
    }
    let mut factors = header.components.iter().map(|ink| [ink.horizontal_sampling, ink.vertical_sampling]);
    let first = factors.next();
    if header.components.len() == 4 && factors.any(|other| Some(other) != first) {
        // The decoder reads such planes as if they were as wide as the picture.
        let reason =
            "four inks of different resolutions: save it with full chroma (4:4:4), or as RGB".to_owned();
        return Err(failed(JpegError::Unsupported(reason)));
    }
    let format = match header.components.len() {
        1 => PixelFormat::Grayscale,
        4 => PixelFormat::Cmyk,
        _ => PixelFormat::Rgb,
    };
    // A broken EXIF block is no reason to refuse a picture: it is then taken as it lies.
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk);
    decoder.set_output_format(format);
    decoder.set_max_memory(usize::try_from(LoadOptions::decoder_bytes(pixels)).unwrap_or(usize::MAX));
    let decoded = decoder.decode_image().map_err(failed)?;

    let (width, height) = (decoded.width as u32, decoded.height as u32);
    let image = match format {
        PixelFormat::Grayscale => {
            GrayImage::from_raw(width, height, decoded.data).map(DynamicImage::ImageLuma8)
        }
        PixelFormat::Cmyk => {
            RgbImage::from_raw(width, height, inks_to_colours(&decoded.data)).map(DynamicImage::ImageRgb8)
        }
        _ => RgbImage::from_raw(width, height, decoded.data).map(DynamicImage::ImageRgb8),
    };
    let short = || failed(JpegError::CorruptData("fewer samples than the header promises".to_owned()));
    let mut image = image.ok_or_else(short)?;
    if let (true, Some(orientation)) = (options.apply_orientation, orientation) {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// Adobe stores inks as what they let through, so each colour is the product of its ink's and black's share.
fn inks_to_colours(inks: &[u8]) -> Vec<u8> {
    let product = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    let colours = |pixel: &[u8; 4]| [0, 1, 2].map(|channel| product(pixel[channel], pixel[3]));
    inks.as_chunks().0.iter().flat_map(colours).collect()
}
