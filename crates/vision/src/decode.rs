//! Decoding within limits, and the choice of channels.

use std::cell::Cell;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::guarded::Guarded;
use crate::jpeg_structure::JpegStructure;
use crate::photograph::Depth;
use crate::{
    Colour, Error, GreyWeights, LoadOptions, Photograph, Result, float_tiff, jpeg, png_rows, unread,
};

/// Decodes and orients, with every limit checked before the pixels are allocated; `stop` is asked on the way.
pub(crate) fn decode(
    bytes: &[u8],
    origin: &str,
    options: LoadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<DynamicImage> {
    if let Some(structure) = JpegStructure::of(bytes) {
        if stop() {
            return Err(Error::Stopped);
        }
        let decoded = jpeg::decode(bytes, structure, origin, options)?;
        return if stop() { Err(Error::Stopped) } else { Ok(decoded) };
    }
    if png_rows::is_png(bytes) {
        return png_rows::decode(bytes, origin, options, stop);
    }
    unread::check(bytes, origin)?;
    if let Some(decoded) = float_tiff::decode(bytes, origin, options, stop)? {
        expect_unit_range(&decoded, origin)?;
        return Ok(decoded);
    }
    let failed = |error: image::ImageError| match stop() {
        true => Error::Stopped,
        false => Error::Decode { origin: origin.to_owned(), source: Box::new(error) },
    };
    let left = Cell::new(usize::MAX);
    let opened = |pixels: u64| {
        let mut reader = ImageReader::new(Guarded::new(bytes, &left, stop))
            .with_guessed_format()
            .map_err(|error| failed(image::ImageError::IoError(error)))?;
        if reader.format().is_none() {
            return Err(Error::UnknownPictureFormat { origin: origin.to_owned() });
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(LoadOptions::decoder_bytes(pixels));
        reader.limits(limits);
        reader.into_decoder().map_err(failed)
    };
    // The header says how many pixels there are, and these how much memory decoding may take.
    let header = opened(0)?;
    let ((width, height), kind) = (header.dimensions(), header.color_type());
    let is_deep = kind.bytes_per_pixel() > kind.channel_count();
    let limits = if is_deep { options.of_deep_pictures() } else { options };
    limits.check_size(origin, width.into(), height.into())?;
    let depth = if is_deep { Depth::Deep } else { Depth::Bytes };
    LoadOptions::check_density(origin, width.into(), height.into(), depth, bytes.len())?;
    let mut decoder = opened(u64::from(width) * u64::from(height))?;
    // A broken EXIF block is no reason to refuse a picture: it is then taken as it lies.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(failed)?;
    if options.apply_orientation {
        decoded.apply_orientation(orientation);
    }
    expect_unit_range(&decoded, origin)?;
    Ok(decoded)
}

/// Floats are from 0 to 1, but for what a filter leaves beyond; numbers like those of bytes are another range.
fn expect_unit_range(decoded: &DynamicImage, origin: &str) -> Result<()> {
    const BEYOND: f32 = 2.0;
    let numbers = match decoded {
        DynamicImage::ImageRgb32F(image) => image.as_raw(),
        DynamicImage::ImageRgba32F(image) => image.as_raw(),
        _ => return Ok(()),
    };
    let most = numbers.iter().fold(0.0f32, |most, number| most.max(number.abs()));
    if most > BEYOND && most.is_finite() {
        return Err(Error::FloatRange { origin: origin.to_owned(), most });
    }
    Ok(())
}

/// Samples as decoded, interleaved.
enum Decoded {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
    Float(Vec<f32>),
}

/// The photograph with the channels that are wanted; alpha is dropped.
pub(crate) fn to_photograph(decoded: DynamicImage, colour: Colour) -> Result<Photograph> {
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    // Grey, grey and alpha, three colours, or these and alpha.
    let mut stride = usize::from(decoded.color().channel_count());
    let samples = match decoded {
        DynamicImage::ImageLuma8(image) => Decoded::Eight(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => Decoded::Eight(image.into_raw()),
        DynamicImage::ImageRgb8(image) => Decoded::Eight(image.into_raw()),
        DynamicImage::ImageRgba8(image) => Decoded::Eight(image.into_raw()),
        DynamicImage::ImageLuma16(image) => Decoded::Sixteen(image.into_raw()),
        DynamicImage::ImageLumaA16(image) => Decoded::Sixteen(image.into_raw()),
        DynamicImage::ImageRgb16(image) => Decoded::Sixteen(image.into_raw()),
        DynamicImage::ImageRgba16(image) => Decoded::Sixteen(image.into_raw()),
        DynamicImage::ImageRgb32F(image) => Decoded::Float(image.into_raw()),
        DynamicImage::ImageRgba32F(image) => Decoded::Float(image.into_raw()),
        // The enumeration of `image` may grow: whatever comes is taken in its deepest common form.
        other => {
            stride = 4;
            Decoded::Float(other.into_rgba32f().into_raw())
        }
    };
    let unit_of_sixteen = |sample: u16| f32::from(sample) / 65535.0;
    // NaN passes through the clamp and is refused by the constructor.
    let unit_of_float = |sample: f32| sample.clamp(0.0, 1.0);
    if let Colour::Grey(weights) = colour
        && stride >= 3
    {
        let values = match samples {
            Decoded::Eight(samples) => return Ok(weights.weigh_bytes(&samples, stride, [height, width])),
            Decoded::Sixteen(samples) => luma(&samples, stride, weights, unit_of_sixteen),
            Decoded::Float(samples) => luma(&samples, stride, weights, unit_of_float),
        };
        return Photograph::new(height, width, 1, values);
    }
    let channels = if colour == Colour::Rgb { 3 } else { 1 };
    let values = match samples {
        Decoded::Eight(samples) => {
            let bytes = if stride > channels {
                without_others(samples, stride, channels)
            } else {
                select(samples, stride, channels)
            };
            return Ok(Photograph::from_byte_parts(height, width, channels, bytes));
        }
        Decoded::Sixteen(samples) => selected(&samples, stride, channels, unit_of_sixteen),
        Decoded::Float(samples) => selected(&samples, stride, channels, unit_of_float),
    };
    Photograph::new(height, width, channels, values)
}

/// The first `channels` of every `stride` samples; a single grey sample is repeated.
fn select<T: Copy>(samples: Vec<T>, stride: usize, channels: usize) -> Vec<T> {
    if stride == channels {
        return samples;
    }
    selected(&samples, stride, channels, |sample| sample)
}

/// The first `channels` of every `stride` samples, in the memory of all: a second picture beside it could be more than there is room for.
fn without_others<T: Copy>(mut samples: Vec<T>, stride: usize, channels: usize) -> Vec<T> {
    let pixels = samples.len() / stride;
    for pixel in 0..pixels {
        samples.copy_within(pixel * stride..pixel * stride + channels, pixel * channels);
    }
    samples.truncate(pixels * channels);
    samples.shrink_to_fit();
    samples
}

/// The same, each sample turned into a value at once: a copy of deep samples would take as much memory as the values.
fn selected<T: Copy, V: Copy>(
    samples: &[T],
    stride: usize,
    channels: usize,
    value: impl Fn(T) -> V,
) -> Vec<V> {
    let mut values = Vec::with_capacity(samples.len() / stride * channels);
    for pixel in samples.chunks_exact(stride) {
        if stride < channels {
            values.extend(std::iter::repeat_n(value(pixel[0]), channels));
        } else {
            values.extend(pixel[..channels].iter().map(|&sample| value(sample)));
        }
    }
    values
}

/// The weighted grey value of every pixel.
fn luma<T: Copy>(samples: &[T], stride: usize, weights: GreyWeights, unit: impl Fn(T) -> f32) -> Vec<f32> {
    let weigh = |pixel: &[T]| weights.weigh([unit(pixel[0]), unit(pixel[1]), unit(pixel[2])]);
    samples.chunks_exact(stride).map(weigh).collect()
}
