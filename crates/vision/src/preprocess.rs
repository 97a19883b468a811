//! From a photograph to what a network reads, and back: Caffe's `Transformer`, which does what torchvision's `ToTensor` and
//! `Normalize` do as well.
//!
//! The steps of `preprocess`, in this order: resize to the input size, put the channels first, swap them (red, green,
//! blue to blue, green, red), multiply by `raw_scale`, subtract the mean, multiply by `input_scale`. The steps of
//! `deprocess` are their inverses in reverse order, without the resize.

use std::borrow::Cow;

use deepinside_files::{self as files, Array};

use crate::{Colour, Error, Interpolation, Photograph, Result, resize};

/// The order of the channels in a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelOrder {
    /// Blue, green, red: what OpenCV reads and so nearly all networks trained with Caffe.
    #[default]
    Bgr,
    /// Red, green, blue.
    Rgb,
    /// One grey channel.
    Grey,
}

impl ChannelOrder {
    /// The number of channels: 3, or 1 for grey.
    pub fn channels(self) -> usize {
        match self {
            ChannelOrder::Bgr | ChannelOrder::Rgb => 3,
            ChannelOrder::Grey => 1,
        }
    }

    /// Which channel of the photograph (red first) the network's channel `index` is; its own inverse.
    fn source(self, index: usize) -> usize {
        match self {
            ChannelOrder::Bgr => 2 - index,
            ChannelOrder::Rgb | ChannelOrder::Grey => index,
        }
    }
}

/// What is subtracted, in the network's channel order and in the range that `raw_scale` gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Mean {
    /// Nothing.
    #[default]
    None,
    /// One value for each channel.
    Pixel(Vec<f32>),
    /// An image of channels × height × width. One of another size than the input is resized as photographs are, which
    /// is what `set_mean` does (see [`crate::resize`]).
    Image(Array),
}

impl Mean {
    /// The mean pixel of a mean image: the average of each channel of channels × height × width.
    ///
    /// # Errors
    /// [`deepinside_files::Error::Shape`] unless the array is channels × height × width.
    pub fn pixel_of_image(image: &Array) -> Result<Mean> {
        let &[_, rows, columns] = image.shape_at_rank(3) else { return Err(mean_shape(image)) };
        let average =
            |plane: &[f32]| plane.iter().map(|&value| f64::from(value)).sum::<f64>() / plane.len() as f64;
        Ok(Mean::Pixel(
            image.data().chunks_exact(rows * columns).map(|plane| average(plane) as f32).collect(),
        ))
    }
}

/// How photographs become inputs of one network.
///
/// ```
/// use deepinside_vision::{Mean, Photograph, Transformer};
///
/// // The settings of Caffe's reference networks: blue first, 0–255, the mean pixel of ImageNet.
/// let transformer =
///     Transformer { mean: Mean::Pixel(vec![104.0, 117.0, 123.0]), ..Transformer::new(227, 227) };
/// let photograph = Photograph::new(2, 2, 3, vec![0.5; 12])?;
/// let input = transformer.preprocess(&photograph)?;
/// assert_eq!(input.shape(), [3, 227, 227]);
/// assert_eq!(input.data()[0], 127.5 - 104.0);
/// # Ok::<(), deepinside_vision::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Transformer {
    /// Rows of the network's input.
    pub height: usize,
    /// Columns of the network's input.
    pub width: usize,
    /// The order of its channels; [`ChannelOrder::Bgr`] by default.
    pub channel_order: ChannelOrder,
    /// What the photograph's `[0, 1]` is multiplied by; 255 by default. Finite and not zero.
    pub raw_scale: f32,
    /// What is then subtracted; nothing by default.
    pub mean: Mean,
    /// What the difference is multiplied by: one number for all channels, or one for each in the network's order; 1 by
    /// default. Finite and not zero.
    pub input_scale: Vec<f32>,
    /// How photographs and mean images are resized, and whose [`Convention`](crate::Convention) is followed;
    /// [`Interpolation::Bilinear`] by default.
    pub interpolation: Interpolation,
}

impl Default for Transformer {
    /// 224 × 224 pixels, blue first, 0–255, no mean: [`Transformer::new`] for the commonest input size.
    fn default() -> Self {
        Self::new(224, 224)
    }
}

impl Transformer {
    /// The channels that photographs are loaded with for this network.
    pub fn colour(&self) -> Colour {
        match self.channel_order {
            ChannelOrder::Grey => Colour::Grey(self.interpolation.convention().grey_weights()),
            ChannelOrder::Bgr | ChannelOrder::Rgb => Colour::Rgb,
        }
    }

    /// A photograph of three channels with the channels that the network reads.
    ///
    /// # Errors
    /// [`Error::Channels`] when the network reads grey and the photograph has neither one channel nor three.
    pub fn in_its_colours<'a>(&self, photograph: &'a Photograph) -> Result<Cow<'a, Photograph>> {
        Ok(match self.colour() {
            Colour::Grey(weights) => Cow::Owned(photograph.to_grey(weights)?),
            Colour::Rgb => Cow::Borrowed(photograph),
        })
    }

    /// For inputs of `height` × `width`, blue first, 0–255, without a mean.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            channel_order: ChannelOrder::default(),
            raw_scale: 255.0,
            mean: Mean::None,
            input_scale: vec![1.0],
            interpolation: Interpolation::default(),
        }
    }

    /// The network's input for a photograph: channels × height × width.
    ///
    /// # Errors
    /// [`Error::Channels`] when the photograph does not have the network's number of channels (load it with the
    /// fitting [`Colour`]) or the mean has another; [`Error::Parameter`] for a scale that is zero or not
    /// finite; [`deepinside_files::Error::Shape`] for a mean image of another rank; [`Error::NotFinite`] for a mean with NaN.
    pub fn preprocess(&self, photograph: &Photograph) -> Result<Array> {
        self.prepare()?.preprocess(photograph)
    }

    /// The photograph that a blob of channels × height × width shows, of the blob's own size unless the mean is an
    /// image. Leading axes of extent 1 are looked through. Values may lie outside `[0, 1]`: see
    /// `deepinside_drawing::class_model` for a displayable picture.
    ///
    /// # Errors
    /// As [`Transformer::preprocess`]; [`deepinside_files::Error::Shape`] for a blob of another rank, or of another size than the
    /// input when the mean is an image.
    pub fn deprocess(&self, blob: &Array) -> Result<Photograph> {
        let prepared = self.prepare()?;
        let &[channels, rows, columns] = blob.shape_at_rank(3) else {
            let expected = "channels × height × width";
            return Err(
                files::Error::Shape { what: "deprocessing", expected, found: blob.shape().to_vec() }.into()
            );
        };
        self.check_channels("the network's input", channels)?;
        let pixels = rows * columns;
        if matches!(prepared.mean, PreparedMean::Image(_)) && [rows, columns] != [self.height, self.width] {
            let expected = "channels × the input's height × the input's width (the mean is an image)";
            return Err(
                files::Error::Shape { what: "deprocessing", expected, found: blob.shape().to_vec() }.into()
            );
        }
        let mut data = vec![0f32; channels * pixels];
        for (index, plane) in blob.data().chunks_exact(pixels).enumerate() {
            let (target, scale) = (self.channel_order.source(index), self.input_scale_of(index));
            for (position, &value) in plane.iter().enumerate() {
                let mean = prepared.mean_at(index, position);
                data[position * channels + target] = (value / scale + mean) / self.raw_scale;
            }
        }
        Photograph::new(rows, columns, channels, data)
    }

    /// Checks every setting and brings the mean to the input's size, once for any number of pictures.
    pub(crate) fn prepare(&self) -> Result<Prepared<'_>> {
        if self.input_scale.len() != 1 {
            self.check_channels("the input scale", self.input_scale.len())?;
        }
        let scales = self.input_scale.iter().map(|&scale| ("input_scale", scale));
        for (name, scale) in scales.chain([("raw_scale", self.raw_scale)]) {
            if !scale.is_finite() || scale == 0.0 {
                let expected = "a finite number other than zero";
                return Err(Error::Parameter { name, expected, found: scale.to_string() });
            }
        }
        if self.height == 0 || self.width == 0 {
            return Err(files::Error::Empty {
                what: "a network's input",
                shape: vec![self.height, self.width],
            }
            .into());
        }
        let mean = match &self.mean {
            Mean::None => PreparedMean::Pixel(vec![0.0; self.channel_order.channels()]),
            Mean::Pixel(values) => {
                self.check_channels("the mean pixel", values.len())?;
                check_finite("the mean pixel", values)?;
                PreparedMean::Pixel(values.clone())
            }
            Mean::Image(image) => {
                let &[channels, ..] = image.shape_at_rank(3) else { return Err(mean_shape(image)) };
                self.check_channels("the mean image", channels)?;
                check_finite("the mean image", image.data())?;
                let resized = resize::resize_blob(image, self.height, self.width, self.interpolation)?;
                PreparedMean::Image(resized.into_data())
            }
        };
        Ok(Prepared { transformer: self, mean })
    }

    /// What the network's channel `index` is multiplied by at last.
    fn input_scale_of(&self, index: usize) -> f32 {
        self.input_scale[if self.input_scale.len() == 1 { 0 } else { index }]
    }

    fn check_channels(&self, what: &'static str, found: usize) -> Result<()> {
        let expected = self.channel_order.channels();
        if found == expected { Ok(()) } else { Err(Error::Channels { what, expected, found }) }
    }
}

fn check_finite(what: &'static str, values: &[f32]) -> Result<()> {
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        count => Err(Error::NotFinite { what, count, total: values.len() }),
    }
}

fn mean_shape(image: &Array) -> Error {
    files::Error::Shape {
        what: "a mean image",
        expected: "channels × height × width",
        found: image.shape().to_vec(),
    }
    .into()
}

/// A checked transformer whose mean has the input's size.
pub(crate) struct Prepared<'a> {
    transformer: &'a Transformer,
    mean: PreparedMean,
}

enum PreparedMean {
    /// One value for each channel.
    Pixel(Vec<f32>),
    /// Channels × the input's height × the input's width.
    Image(Vec<f32>),
}

impl Prepared<'_> {
    /// The mean of the network's channel `index` at the pixel `position` (row · width + column).
    fn mean_at(&self, index: usize, position: usize) -> f32 {
        match &self.mean {
            PreparedMean::Pixel(values) => values[index],
            PreparedMean::Image(values) => {
                values[index * self.transformer.height * self.transformer.width + position]
            }
        }
    }

    /// See [`Transformer::preprocess`].
    pub(crate) fn preprocess(&self, photograph: &Photograph) -> Result<Array> {
        let Transformer { height, width, channel_order, raw_scale, interpolation, .. } = *self.transformer;
        self.transformer.check_channels("the network's input", photograph.channels())?;
        let resized;
        let photograph = if (photograph.height(), photograph.width()) == (height, width) {
            photograph
        } else {
            resized = resize::resize_image(photograph, height, width, interpolation)?;
            &resized
        };
        let channels = channel_order.channels();
        let mut data = vec![0f32; channels * height * width];
        for (index, plane) in data.chunks_exact_mut(height * width).enumerate() {
            let (source, scale) = (channel_order.source(index), self.transformer.input_scale_of(index));
            let pixels = photograph.data().chunks_exact(channels);
            for (position, (value, pixel)) in plane.iter_mut().zip(pixels).enumerate() {
                *value = (pixel[source] * raw_scale - self.mean_at(index, position)) * scale;
            }
        }
        Ok(Array::new([channels, height, width], data)?)
    }
}
