//! TIFF files of floating-point grey levels, which the crate `image` does not decode.

use std::cell::Cell;

use image::{DynamicImage, ImageFormat, Rgb32FImage};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use crate::guarded::Guarded;
use crate::photograph::Depth;
use crate::{Error, LoadOptions, Result};

/// Decodes such a file, its grey levels as three equal channels; `None` for every other file.
///
/// # Errors
/// When it has too many pixels, or is damaged.
pub(crate) fn decode(
    bytes: &[u8],
    origin: &str,
    options: LoadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Option<DynamicImage>> {
    if !matches!(image::guess_format(bytes), Ok(ImageFormat::Tiff)) {
        return Ok(None);
    }
    // What cannot be read here either is said by the decoder of all other files.
    let left = Cell::new(usize::MAX);
    let Ok(mut decoder) = Decoder::new(Guarded::new(bytes, &left, stop)) else { return Ok(None) };
    let (Ok(ColorType::Gray(32 | 64)), Ok((width, height))) = (decoder.colortype(), decoder.dimensions())
    else {
        return Ok(None);
    };
    options.of_deep_pictures().check_size(origin, width.into(), height.into())?;
    LoadOptions::check_density(origin, width.into(), height.into(), Depth::Deep, bytes.len())?;
    let mut limits = Limits::default();
    let bytes = LoadOptions::decoder_bytes(u64::from(width) * u64::from(height));
    limits.decoding_buffer_size = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut decoder = decoder.with_limits(limits);
    let failed = |error| match stop() {
        true => Error::Stopped,
        false => Error::Decode { origin: origin.to_owned(), source: Box::new(error) },
    };
    let levels = match decoder.read_image().map_err(failed)? {
        DecodingResult::F32(levels) => levels,
        DecodingResult::F64(levels) => levels.into_iter().map(|level| level as f32).collect(),
        _ => return Ok(None),
    };
    let colours = levels.into_iter().flat_map(|level| [level; 3]).collect();
    Ok(Rgb32FImage::from_raw(width, height, colours).map(DynamicImage::ImageRgb32F))
}
