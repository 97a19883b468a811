//! PNG files, decoded row by row into memory in proportion to their pixels.
//!
//! Colour profiles and texts are compressed in such files, a thousandfold at most, and so may be image
//! data that no row needs; none of them is inflated.

use std::cell::Cell;

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageError, ImageFormat};
use png::{BitDepth, ColorType, Decoder, Transformations};

use crate::guarded::Guarded;
use crate::photograph::Depth;
use crate::{Error, LoadOptions, Result};

/// What a PNG file begins with.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// How many bytes may follow those that the last row was made of, up to the end of the image data:
/// a checksum, or a little that encoders fill up with.
const REST: usize = 64 << 10;

/// Whether these bytes are a PNG file.
pub(crate) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// Decodes and orients a PNG file; `stop` is asked on the way.
pub(crate) fn decode(
    bytes: &[u8],
    origin: &str,
    options: LoadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<DynamicImage> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        if stop() {
            return Error::Stopped;
        }
        let source = DecodingError::new(ImageFormatHint::Exact(ImageFormat::Png), error);
        Error::Decode { origin: origin.to_owned(), source: Box::new(ImageError::Decoding(source)) }
    };
    let wrong = |error: png::DecodingError| failed(Box::new(error));
    let left = Cell::new(usize::MAX);
    let mut decoder = Decoder::new(Guarded::new(bytes, &left, stop));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(wrong)?;
    let ((width, height), is_deep) = (header.size(), header.bit_depth == BitDepth::Sixteen);
    let limits = if is_deep { options.of_deep_pictures() } else { options };
    limits.check_size(origin, width.into(), height.into())?;
    let depth = if is_deep { Depth::Deep } else { Depth::Bytes };
    LoadOptions::check_density(origin, width.into(), height.into(), depth, bytes.len())?;
    let limit = LoadOptions::decoder_bytes(u64::from(width) * u64::from(height));
    decoder.set_limits(png::Limits { bytes: usize::try_from(limit).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(wrong)?;
    if reader.info().frame_control.is_some_and(|frame| (frame.width, frame.height) != (width, height)) {
        return Err(failed("its first frame is smaller than the picture".into()));
    }
    let (colour, depth) = reader.output_color_type();
    let (stride, size) = match (reader.output_line_size(width), reader.output_buffer_size()) {
        (Some(stride), Some(size)) => (stride, size),
        _ => return Err(failed("its rows are too long".into())),
    };
    let mut samples = Vec::new();
    samples.try_reserve_exact(size).map_err(|error| failed(Box::new(error)))?;
    samples.resize(size, 0u8);
    if reader.info().interlaced {
        let bits = colour.samples() as u8 * depth as u8;
        for _ in 0..interlaced_rows(width, height) {
            let Some(row) = reader.next_interlaced_row().map_err(wrong)? else { break };
            if let png::InterlaceInfo::Adam7(place) = row.interlace() {
                png::expand_interlaced_row(&mut samples, stride, row.data(), place, bits);
            }
        }
    } else {
        for row in samples.chunks_exact_mut(stride) {
            reader.read_row(row).map_err(wrong)?;
        }
    }
    // What remains has to be there, so that a damaged file is found out.
    left.set(REST);
    reader.read_row(&mut vec![0; stride]).map_err(wrong)?;
    let orientation = reader.info().exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let mut image = assembled(width, height, colour, depth, samples)
        .ok_or_else(|| failed("fewer samples than its header promises".into()))?;
    // A broken EXIF block is no reason to refuse a picture: it is then taken as it lies.
    if let (true, Some(orientation)) = (options.apply_orientation, orientation) {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// How many rows the seven passes of an interlaced picture have: PNG's specification, section 8.2.
fn interlaced_rows(width: u32, height: u32) -> u32 {
    // Per pass: its first column, and of its rows the first and the step.
    const PASSES: [[u32; 3]; 7] =
        [[0, 0, 8], [4, 0, 8], [0, 4, 8], [2, 0, 4], [0, 2, 4], [1, 0, 2], [0, 1, 2]];
    let passes = PASSES.into_iter().filter(|[column, ..]| *column < width);
    passes.map(|[_, first, step]| height.saturating_sub(first).div_ceil(step)).sum()
}

/// The picture of samples as PNG stores them, the higher byte first.
fn assembled(
    width: u32,
    height: u32,
    colour: ColorType,
    depth: BitDepth,
    samples: Vec<u8>,
) -> Option<DynamicImage> {
    if depth == BitDepth::Sixteen {
        let samples = samples.as_chunks().0.iter().map(|bytes| u16::from_be_bytes(*bytes)).collect();
        return match colour {
            ColorType::Grayscale => {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16)
            }
            ColorType::GrayscaleAlpha => {
                ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA16)
            }
            ColorType::Rgb => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16),
            ColorType::Rgba => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba16),
            ColorType::Indexed => None,
        };
    }
    match colour {
        ColorType::Grayscale => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
        ColorType::GrayscaleAlpha => {
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8)
        }
        ColorType::Rgb => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        ColorType::Rgba => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba8),
        ColorType::Indexed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel is in one pass: the rows of all passes hold them all.
    #[test]
    fn passes_have_as_many_rows_as_their_pixels_need() {
        assert_eq!(interlaced_rows(8, 8), 1 + 1 + 1 + 2 + 2 + 4 + 4);
        assert_eq!(interlaced_rows(1, 1), 1);
        assert_eq!(interlaced_rows(1, 8), 1 + 1 + 2 + 4);
        assert_eq!(interlaced_rows(5, 3), 1 + 1 + 1 + 1 + 2 + 1);
    }
}
