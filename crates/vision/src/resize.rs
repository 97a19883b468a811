//! Resizing, number for number as `caffe.io.resize_image` did it.
//!
//! Caffe handed pictures of one and three channels to scikit-image with a border of zeros, after mapping their
//! values to `[0, 1]`, and all others to `scipy.ndimage.zoom`. In terms of samples:
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
//! All of this is linear and separable once the smallest value is subtracted, so each axis becomes one table of
//! weights, blur and interpolation multiplied out, and a resize is two passes over rows. Only the source rows that some
//! output needs are read: shrinking a photograph of 12 megapixels with the blur costs about as much as copying it.

use crate::photograph::{self, Stored};
use crate::{Array, Error, Photograph, Result};

/// What happens before samples are taken from a picture that shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// Plain bilinear interpolation, which skips pixels when it shrinks: scikit-image until 0.14, and so Caffe when
    /// its networks were trained (2014–2018).
    #[default]
    Bilinear,
    /// Bilinear interpolation after a Gaussian blur: scikit-image since 0.15, and so Caffe as installed today.
    AntiAliased,
}

/// The largest number of values that a resize makes.
const OUTPUT_LIMIT: usize = 1 << 30;

/// Resizes a photograph to `height` × `width` as `caffe.io.resize_image(im, (height, width))`.
///
/// A constant picture stays constant, borders included. The channel count decides the method, see the module.
///
/// # Errors
/// [`Error::Empty`] when an extent is zero, [`Error::PictureTooLarge`] beyond 2³⁰ values.
pub fn resize_image(
    photograph: &Photograph,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Result<Photograph> {
    let (rows, columns, channels) = (photograph.height(), photograph.width(), photograph.channels());
    let method = match channels {
        1 | 3 => Method::Areas { border: Border::Smallest, interpolation },
        _ => Method::Corners,
    };
    let source = [rows, columns, channels];
    let data = match photograph.stored() {
        Stored::Bytes(bytes) => resize_values(bytes, source, [height, width], method)?,
        Stored::Values(values) => resize_values(values, source, [height, width], method)?,
    };
    Ok(Photograph::from_parts(height, width, channels, data))
}

/// Resizes a blob of channels × height × width, each value in the place where [`resize_image`] puts it.
///
/// This is what `Transformer.set_mean` does to a mean image of another size.
///
/// # Errors
/// [`Error::Shape`] unless the array is channels × height × width (a leading axis of extent 1 is looked through),
/// otherwise as [`resize_image`].
pub fn resize_blob(blob: &Array, height: usize, width: usize, interpolation: Interpolation) -> Result<Array> {
    let &[channels, rows, columns] = blob.shape_at_rank(3) else {
        let expected = "channels × height × width";
        return Err(Error::Shape { what: "resizing", expected, found: blob.shape().to_vec() });
    };
    let interleaved = interleave(blob.data(), channels, rows * columns);
    let photograph = Photograph::new(rows, columns, channels, interleaved)?;
    let resized = resize_image(&photograph, height, width, interpolation)?;
    Array::new([channels, height, width], separate(resized.data(), channels, height * width))
}

/// Resizes a map of height × width for display: bilinear between pixel centres, the border repeated, blurred
/// before it shrinks so that no bright spot is lost.
///
/// # Errors
/// [`Error::Shape`] unless the array is a map, otherwise as [`resize_image`].
pub fn resize_map(map: &Array, height: usize, width: usize) -> Result<Array> {
    let (rows, columns) = map.rows_and_columns("resizing a map")?;
    let method = Method::Areas { border: Border::Nearest, interpolation: Interpolation::AntiAliased };
    Array::new([height, width], resize_values(map.data(), [rows, columns, 1], [height, width], method)?)
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

/// Where output samples lie, and what lies outside the source.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    /// Pixels are areas, and the sampling grids share their outer edges.
    Areas {
        /// What lies outside.
        border: Border,
        /// Whether to blur first.
        interpolation: Interpolation,
    },
    /// Pixels are points, and the sampling grids share their corners; nothing outside is ever needed.
    Corners,
}

/// What lies outside the source.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Border {
    /// The smallest value of the whole picture.
    Smallest,
    /// The nearest value of the source.
    Nearest,
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
    if height == 0 || width == 0 {
        return Err(Error::Empty { what: "a resized picture", shape: vec![height, width] });
    }
    // The intermediate picture has the output's rows and the source's columns.
    let largest = height.saturating_mul(width.max(columns)).saturating_mul(channels);
    if largest > OUTPUT_LIMIT {
        return Err(Error::PictureTooLarge { width, height, limit: OUTPUT_LIMIT / channels });
    }
    if (rows, columns) == (height, width) {
        return Ok(data.iter().map(|sample| sample.value()).collect());
    }
    // Subtracting the smallest value makes "the smallest value outside" the same as "nothing outside".
    let base = match method {
        Method::Areas { border: Border::Smallest, .. } => smallest(data),
        _ => 0.0,
    };
    let vertical = AxisWeights::new(rows, height, method);
    let horizontal = AxisWeights::new(columns, width, method);

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

fn mix_row<const CHANNELS: usize>(source: &[f32], output: &mut [f32], weights: &AxisWeights) {
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

fn mix_row_of_any(source: &[f32], output: &mut [f32], weights: &AxisWeights, channels: usize) {
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

/// For every output sample of one axis: the first source sample it reads, and the weights from there on.
struct AxisWeights {
    first: Vec<usize>,
    /// The weights of sample `i` are `weights[start[i]..start[i + 1]]`.
    start: Vec<usize>,
    weights: Vec<f32>,
}

impl AxisWeights {
    fn of(&self, sample: usize) -> (usize, &[f32]) {
        (self.first[sample], &self.weights[self.start[sample]..self.start[sample + 1]])
    }

    fn new(source: usize, output: usize, method: Method) -> Self {
        let mut axis = Self { first: Vec::with_capacity(output), start: vec![0], weights: Vec::new() };
        let factor = source as f64 / output as f64;
        let (kernel, border) = match method {
            Method::Areas { border, interpolation: Interpolation::AntiAliased } => (gaussian(factor), border),
            Method::Areas { border, .. } => (vec![1.0], border),
            Method::Corners => (vec![1.0], Border::Nearest),
        };
        let radius = (kernel.len() / 2) as isize;
        let mut taps: Vec<f64> = Vec::new();
        for sample in 0..output {
            let coordinate = match method {
                Method::Areas { .. } => (sample as f64 + 0.5) * factor - 0.5,
                Method::Corners if output > 1 => sample as f64 * ((source - 1) as f64 / (output - 1) as f64),
                Method::Corners => 0.0,
            };
            let left = coordinate.floor();
            let fraction = coordinate - left;
            // Interpolating the blurred axis is one kernel: the Gaussian at two neighbouring places, mixed.
            taps.clear();
            taps.resize(kernel.len() + 1, 0.0);
            for (tap, &weight) in kernel.iter().enumerate() {
                taps[tap] += (1.0 - fraction) * weight;
                taps[tap + 1] += fraction * weight;
            }
            axis.push(left as isize - radius, &taps, source, border);
        }
        axis
    }

    /// Adds one sample whose weights begin at source position `from`, which may lie outside.
    fn push(&mut self, from: isize, taps: &[f64], source: usize, border: Border) {
        let last = source as isize - 1;
        let first = from.clamp(0, last);
        let end = (from + taps.len() as isize - 1).clamp(0, last);
        let mut weights = vec![0f64; (end - first + 1) as usize];
        for (position, &tap) in (from..).zip(taps) {
            let inside = position.clamp(0, last);
            if inside == position || matches!(border, Border::Nearest) {
                weights[(inside - first) as usize] += tap;
            }
        }
        self.first.push(first as usize);
        self.weights.extend(weights.iter().map(|&weight| weight as f32));
        self.start.push(self.weights.len());
    }
}

/// The normalised Gaussian that is applied before an axis shrinks by `factor`; `[1]` when it does not shrink.
fn gaussian(factor: f64) -> Vec<f64> {
    let deviation = ((factor - 1.0) / 2.0).max(0.0);
    if deviation <= 1e-15 {
        return vec![1.0];
    }
    let radius = (4.0 * deviation + 0.5) as i64;
    let mut kernel: Vec<f64> =
        (-radius..=radius).map(|x| (-0.5 * (x as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    kernel
}
