//! Resizing, number for number as Pillow or as `caffe.io.resize_image` does it.
//!
//! **Pillow's** (`Image.resize`, and so torchvision's, which nearly all networks in ONNX files were trained with): an
//! output sample is a weighted mean of the source samples around it, by a triangle or Keys' cubic, which is as wide as
//! the picture shrinks. Weights outside the picture are left out and the others sum to one, so that a border stays as
//! bright as it is. Pictures of 8 bits stay pictures of 8 bits, equal to Pillow's to the level (`fixed_point`).
//!
//! **Caffe's**: pictures of one and three channels went to scikit-image with a border of zeros, after their values were
//! mapped to `[0, 1]`, and all others to `scipy.ndimage.zoom`. In terms of samples:
//!
//! - **One or three channels.** Pixels are areas: output sample *i* of *m* lies at the source coordinate
//!   (*i* + ½)·*n*/*m* − ½. Two neighbours are mixed linearly. Outside the picture the *normalised* value is 0, which
//!   means the picture's smallest value: when a picture is enlarged its border falls off towards that value. This is
//!   a fault of Caffe's, and networks were trained and tested with it.
//! - **Anti-aliased** (scikit-image from 0.15 on): before shrinking by a factor *f* > 1 an axis is blurred by a
//!   Gaussian of standard deviation (*f* − 1)/2, cut at four deviations, with the same border.
//! - **Other channel counts.** Samples are points: the corners of input and output coincide, sample *i* lies at
//!   *i*·(*n* − 1)/(*m* − 1). No blur in either mode.
//!
//! All of this is linear and separable (Caffe's once the smallest value is subtracted), so each axis becomes one table of
//! weights (`axis_weights`), blur and interpolation multiplied out, and a resize is two passes over rows. Only the
//! source rows that some output needs are read: shrinking a photograph of 12 megapixels with the blur costs about as much
//! as copying it.

mod axis_weights;
mod fixed_point;
mod interpolation;

use self::axis_weights::{AxisWeights, Filter};
pub(crate) use self::axis_weights::{Border, Method};
pub use self::interpolation::{Convention, Interpolation};
use crate::photograph::{self, Stored};
use crate::{Error, Photograph, Result};
use deepinside_files::{self as files, Array};

/// The largest number of values that a resize makes.
const OUTPUT_LIMIT: usize = 1 << 30;

/// Resizes a photograph to `height` × `width` as Pillow's `Image.resize` or as `caffe.io.resize_image`.
///
/// Under Pillow's interpolations a photograph of 8 bits becomes one of 8 bits. Deeper ones and floats are not rounded:
/// they become the numbers that Pillow would round, and a cubic may leave the range of the source a little, as in
/// Pillow's mode F. A constant picture stays constant, borders included.
///
/// # Errors
/// [`deepinside_files::Error::Empty`] when an extent is zero, [`Error::PictureTooLarge`] beyond 2³⁰ values.
pub fn resize_image(
    photograph: &Photograph,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Result<Photograph> {
    let (rows, columns, channels) = (photograph.height(), photograph.width(), photograph.channels());
    let areas = |blurred| match channels {
        1 | 3 => Method::Areas { border: Border::Smallest, blurred },
        _ => Method::Corners,
    };
    let (method, rounds) = match interpolation {
        Interpolation::Bilinear => (areas(false), false),
        Interpolation::AntiAliased => (areas(true), false),
        Interpolation::PillowBilinear => (Method::Filtered(Filter::Triangle), true),
        Interpolation::PillowBicubic => (Method::Filtered(Filter::Cubic), true),
    };
    let (source, target) = ([rows, columns, channels], [height, width]);
    check_extents(source, target)?;
    let data = match photograph.stored() {
        Stored::Bytes(bytes) if rounds => {
            let bytes = fixed_point::resize(bytes, source, target, method);
            return Ok(Photograph::from_byte_parts(height, width, channels, bytes));
        }
        Stored::Bytes(bytes) => resize_values(bytes, source, target, method)?,
        Stored::Values(values) => resize_values(values, source, target, method)?,
    };
    Ok(Photograph::from_parts(height, width, channels, data))
}

/// Resizes a blob of channels × height × width, each value in the place where [`resize_image`] puts it.
///
/// This is what `Transformer.set_mean` does to a mean image of another size.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless the array is channels × height × width (a leading axis of extent 1 is looked through),
/// otherwise as [`resize_image`].
pub fn resize_blob(blob: &Array, height: usize, width: usize, interpolation: Interpolation) -> Result<Array> {
    let &[channels, rows, columns] = blob.shape_at_rank(3) else {
        let expected = "channels × height × width";
        return Err(files::Error::Shape { what: "resizing", expected, found: blob.shape().to_vec() }.into());
    };
    let interleaved = interleave(blob.data(), channels, rows * columns);
    let photograph = Photograph::new(rows, columns, channels, interleaved)?;
    let resized = resize_image(&photograph, height, width, interpolation)?;
    Ok(Array::new([channels, height, width], separate(resized.data(), channels, height * width))?)
}

/// Resizes a map of height × width for display: bilinear between pixel centres, the border repeated, blurred
/// before it shrinks so that no bright spot is lost.
///
/// # Errors
/// [`deepinside_files::Error::Shape`] unless the array is a map, otherwise as [`resize_image`].
pub fn resize_map(map: &Array, height: usize, width: usize) -> Result<Array> {
    let (rows, columns) = map.rows_and_columns("resizing a map")?;
    Ok(Array::new([height, width], shrink(map.data(), [rows, columns, 1], [height, width])?)?)
}

/// Shrinks height × width × channels values, blurred before so that every source value counts; the border is repeated.
///
/// # Errors
/// As [`resize_image`].
pub fn shrink(values: &[f32], extents: [usize; 3], [height, width]: [usize; 2]) -> Result<Vec<f32>> {
    resize_values(values, extents, [height, width], Method::Areas { border: Border::Nearest, blurred: true })
}

/// Channels × pixels to pixels × channels.
pub(crate) fn interleave(planes: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut interleaved = vec![0.0; channels * pixels];
    for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
        for (pixel, &value) in interleaved.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] = value;
        }
    }
    interleaved
}

/// Pixels × channels to channels × pixels.
pub(crate) fn separate(interleaved: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut planes = vec![0.0; channels * pixels];
    for (channel, plane) in planes.chunks_exact_mut(pixels).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(interleaved.chunks_exact(channels)) {
            *value = pixel[channel];
        }
    }
    planes
}

/// What a source may be stored as.
pub(crate) trait Sample: Copy + PartialOrd {
    /// The sample as the number that is interpolated.
    fn value(self) -> f32;
}

impl Sample for f32 {
    fn value(self) -> f32 {
        self
    }
}

impl Sample for u8 {
    fn value(self) -> f32 {
        photograph::unit(self)
    }
}

/// Resizes height × width × channels samples. Both passes run in one fixed order: the bits never vary.
pub(crate) fn resize_values<T: Sample>(
    data: &[T],
    [rows, columns, channels]: [usize; 3],
    [height, width]: [usize; 2],
    method: Method,
) -> Result<Vec<f32>> {
    check_extents([rows, columns, channels], [height, width])?;
    if (rows, columns) == (height, width) {
        return Ok(data.iter().map(|sample| sample.value()).collect());
    }
    // Subtracting the smallest value makes "the smallest value outside" the same as "nothing outside".
    let base = match method {
        Method::Areas { border: Border::Smallest, .. } => smallest(data),
        _ => 0.0,
    };
    let table = |source, output| AxisWeights::new(source, output, method, |weight| weight as f32);
    let (vertical, horizontal) = (table(rows, height), table(columns, width));

    let mut result = vec![0f32; height * width * channels];
    let mut mixed = vec![0f32; columns * channels];
    for (y, output) in result.chunks_exact_mut(width * channels).enumerate() {
        mixed.fill(0.0);
        let (first, weights) = vertical.of(y);
        for (row, &weight) in data[first * columns * channels..].chunks_exact(columns * channels).zip(weights)
        {
            for (sum, &sample) in mixed.iter_mut().zip(row) {
                *sum += weight * (sample.value() - base);
            }
        }
        match channels {
            1 => mix_row::<1>(&mixed, output, &horizontal),
            3 => mix_row::<3>(&mixed, output, &horizontal),
            _ => mix_row_of_any(&mixed, output, &horizontal, channels),
        }
        for value in output {
            *value += base;
        }
    }
    Ok(result)
}

/// # Errors
/// [`deepinside_files::Error::Empty`] and [`Error::PictureTooLarge`].
fn check_extents([_, columns, channels]: [usize; 3], [height, width]: [usize; 2]) -> Result<()> {
    if height == 0 || width == 0 {
        return Err(files::Error::Empty { what: "a resized picture", shape: vec![height, width] }.into());
    }
    let largest = height.saturating_mul(width.max(columns)).saturating_mul(channels);
    if largest > OUTPUT_LIMIT {
        return Err(Error::PictureTooLarge { width, height, limit: OUTPUT_LIMIT / channels });
    }
    Ok(())
}

fn mix_row<const CHANNELS: usize>(source: &[f32], output: &mut [f32], weights: &AxisWeights<f32>) {
    for (x, pixel) in output.chunks_exact_mut(CHANNELS).enumerate() {
        let (first, weights) = weights.of(x);
        let mut sums = [0f32; CHANNELS];
        for (values, &weight) in source[first * CHANNELS..].chunks_exact(CHANNELS).zip(weights) {
            for channel in 0..CHANNELS {
                sums[channel] += weight * values[channel];
            }
        }
        pixel.copy_from_slice(&sums);
    }
}

fn mix_row_of_any(source: &[f32], output: &mut [f32], weights: &AxisWeights<f32>, channels: usize) {
    for (x, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let (first, weights) = weights.of(x);
        for (values, &weight) in source[first * channels..].chunks_exact(channels).zip(weights) {
            for (sum, &value) in pixel.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
    }
}

/// The smallest value, in independent lanes so that no comparison waits for the one before it.
fn smallest<T: Sample>(data: &[T]) -> f32 {
    let Some(&first) = data.first() else { return 0.0 };
    let mut lanes = [first; 32];
    let chunks = data.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &sample) in lanes.iter_mut().zip(chunk) {
            *lane = if sample < *lane { sample } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(first.value(), |smallest, &sample| smallest.min(sample.value()))
}
