//! The choices about a model that its files leave open: each is made by a setting or assumed, and written down with its reason.

use std::path::Path;

use deepinside_files::{Array, npy};
use deepinside_graph::op::{Eltwise, Unary};
use deepinside_graph::{Graph, Op, ValueId};
use deepinside_onnx::Elements;
use deepinside_vision::{ChannelOrder, Convention, Interpolation, Mean, Transformer};

use crate::labels::Labels;
use crate::settings::{ILSVRC, InputSettings, MeanSetting, Settings, Size};
use crate::told::Told;
use crate::{Error, Format, Result, Score};

/// A choice that neither file nor user made: what was chosen, and why. The commonest cause of wrong answers is a wrong one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// What was chosen, as "channel order".
    pub what: &'static str,
    /// The choice.
    pub value: String,
    /// Where it comes from.
    pub source: String,
    /// Where neither a setting nor a file says it, though other networks need another: what was guessed, as "RGB".
    pub guess: Option<&'static str>,
}

/// What a photograph is resized to before a crop is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side becomes this long; the proportions are kept.
    ShorterSide(usize),
    /// Height and width, whatever the photograph's proportions.
    Exact([usize; 2]),
}

impl Resize {
    /// Height and width of a photograph of this height and width after resizing.
    pub fn extents(self, [height, width]: [usize; 2], convention: Convention) -> [usize; 2] {
        match self {
            Self::Exact(extents) => extents,
            Self::ShorterSide(side) => {
                let longer = convention.longer_side(side, height.min(width), height.max(width));
                if height <= width { [side, longer] } else { [longer, side] }
            }
        }
    }
}

/// The choices about a model, as they are made.
#[derive(Default)]
pub(crate) struct Assumptions {
    pub(crate) list: Vec<Assumption>,
}

impl Assumptions {
    pub(crate) fn add(&mut self, what: &'static str, value: impl Into<String>, source: impl Into<String>) {
        self.list.push(Assumption { what, value: value.into(), source: source.into(), guess: None });
    }

    /// Marks the last choice as a guess.
    fn guessed(&mut self, guess: &'static str) {
        if let Some(last) = self.list.last_mut() {
            last.guess = Some(guess);
        }
    }

    /// A choice that was made, with its source, or else a default with its reason.
    fn choose<T: Clone>(
        &mut self,
        what: &'static str,
        said: Option<(T, &str)>,
        default: T,
        show: impl Fn(&T) -> String,
        reason: &str,
    ) -> T {
        let (chosen, source) = said.unwrap_or((default, reason));
        self.add(what, show(&chosen), source);
        chosen
    }
}

/// What is said about a model: by settings, which win, and by files beside or inside the network.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub settings: &'a Settings,
    pub told: &'a Told,
}

impl<'a> Said<'a> {
    /// What is said about pictures, and who says it.
    fn input<T>(self, field: impl Fn(&'a InputSettings) -> Option<T>) -> Option<(T, &'a str)> {
        let set = field(&self.settings.input).map(|value| (value, "set"));
        set.or_else(|| Some((field(&self.told.input)?, self.told.input_source.as_str())))
    }
}

/// Where a network comes from, as far as it tells how photographs become its input.
pub(crate) struct Origin<'a> {
    pub format: Format,
    /// The program that wrote the file.
    pub producer: &'a str,
    /// Whether the file leaves the size of its pictures open.
    pub open_size: bool,
    /// What the numbers of its picture are.
    pub elements: Elements,
}

/// What is usual for networks of one origin: ranges of numbers, mean and scale of three colours, and why.
struct Usual {
    order: ChannelOrder,
    order_reason: &'static str,
    raw_scale: f32,
    raw_scale_reason: &'static str,
    mean: Option<([f32; 3], &'static str)>,
    scale: Vec<f32>,
    scale_reason: &'static str,
    interpolation: Interpolation,
    interpolation_reason: &'static str,
    /// What all of this is called; none where the network tells it.
    normalisation: Option<&'static str>,
}

/// The mean pixel of ImageNet in blue, green, red, as Caffe's examples state it.
const CAFFE_MEAN: [f32; 3] = [104.0, 117.0, 123.0];

/// Mean and deviation of ImageNet's pixels in red, green, blue and [0, 1], as torchvision's networks are fed.
const TORCHVISION_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const TORCHVISION_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

impl Usual {
    fn of(origin: &Origin<'_>, graph: &Graph, input: ValueId) -> Self {
        let rgb = Self {
            order: ChannelOrder::Rgb,
            order_reason: "nearly all networks that are exported to ONNX take red, green, blue",
            raw_scale: 1.0,
            raw_scale_reason: "networks from PyTorch are trained on 0 to 1",
            mean: None,
            scale: vec![1.0],
            scale_reason: "nothing else is said",
            interpolation: Interpolation::PillowBilinear,
            interpolation_reason: "torchvision's default, which most networks in ONNX files were trained and are tested with",
            normalisation: None,
        };
        if origin.format == Format::Caffe {
            return Self {
                order: ChannelOrder::Bgr,
                order_reason: "nearly all Caffe networks were trained on OpenCV's blue, green, red",
                raw_scale: 255.0,
                raw_scale_reason: "Caffe networks are trained on 0 to 255",
                mean: Some((
                    CAFFE_MEAN,
                    "the mean pixel of ImageNet; set another with --mean (none: --mean 0,0,0)",
                )),
                interpolation: Interpolation::AntiAliased,
                interpolation_reason: "what Caffe's Python interface does with today's scikit-image: without blurring, shrinking \
                                       makes noise of fine texture",
                normalisation: Some("the mean pixel of ImageNet"),
                ..rgb
            };
        }
        if origin.elements != Elements::Floats {
            let signed = origin.elements == Elements::SignedBytes;
            return Self {
                raw_scale: 255.0,
                raw_scale_reason: "the network takes whole numbers",
                mean: signed
                    .then_some(([128.0; 3], "the network takes signed bytes, of which −128 is black")),
                scale_reason: "the network takes whole numbers, and does the rest itself",
                ..rgb
            };
        }
        if let Some(offset) = own_normalisation(graph, input) {
            let large = offset > 4.0;
            return Self {
                raw_scale: if large { 255.0 } else { 1.0 },
                raw_scale_reason: if large {
                    "the network begins with a normalisation of its own, by numbers for 0 to 255"
                } else {
                    "the network begins with a normalisation of its own, by numbers for 0 to 1"
                },
                scale_reason: "the network begins with a normalisation of its own",
                ..rgb
            };
        }
        if ["tf2onnx", "keras", "tensorflow"].iter().any(|name| origin.producer.to_lowercase().contains(name))
        {
            return Self {
                raw_scale: 255.0,
                raw_scale_reason: "networks from TensorFlow are fed from 0 to 255",
                mean: Some((
                    [127.5; 3],
                    "most networks from TensorFlow take −1 to 1; set another with --mean",
                )),
                scale: vec![1.0 / 127.5],
                scale_reason: "most networks from TensorFlow take −1 to 1; set another with --scale",
                normalisation: Some("pixels from −1 to 1"),
                ..rgb
            };
        }
        Self {
            mean: Some((TORCHVISION_MEAN, "what torchvision's networks are fed; set another with --mean")),
            scale: TORCHVISION_DEVIATION.iter().map(|deviation| 1.0 / deviation).collect(),
            scale_reason: "one over the deviation that torchvision's networks are fed with; set another with --scale",
            normalisation: Some("torchvision's normalisation"),
            ..rgb
        }
    }
}

/// The largest magnitude that a network takes off its input before anything else; `None` where it begins otherwise.
fn own_normalisation(graph: &Graph, input: ValueId) -> Option<f32> {
    let mut value = input;
    loop {
        let mut readers = graph.nodes().iter().filter(|node| node.inputs.contains(&value));
        let (node, None) = (readers.next()?, readers.next()) else { return None };
        match &node.op {
            // The same numbers, in another order or size.
            Op::Identity(_)
            | Op::Transpose(_)
            | Op::Reshape(_)
            | Op::Resample(_)
            | Op::Slice(_)
            | Op::Take(_)
            | Op::Unary(Unary::Round(_) | Unary::Clip { .. }) => value = node.outputs[0],
            Op::Unary(Unary::Power { power: 1.0, scale, shift }) => {
                return Some((shift / scale).abs().max(1.0 / scale.abs()));
            }
            Op::Eltwise(Eltwise::Sum { .. } | Eltwise::Product) => {
                let mut constants = node.inputs.iter().filter_map(|&operand| graph.value(operand).weights());
                let (numbers, None) = (constants.next()?.to_vec(), constants.next()) else { return None };
                let largest = numbers.iter().fold(0f32, |largest, number| largest.max(number.abs()));
                let is_product = matches!(node.op, Op::Eltwise(Eltwise::Product));
                return Some(if is_product { 1.0 / largest } else { largest });
            }
            Op::BatchNormalization(_) => {
                let mean = graph.value(*node.inputs.get(1)?).weights()?.to_vec();
                let largest = mean.iter().fold(0f32, |largest, number| largest.max(number.abs()));
                // That of pixels of 0 to 1, or of pictures that were normalised before, says less.
                return (largest > 4.0).then_some(largest);
            }
            _ => return None,
        }
    }
}

/// How photographs become inputs of the network.
pub(crate) fn transformer(
    graph: &Graph,
    input: ValueId,
    origin: &Origin<'_>,
    said: Said<'_>,
    assumptions: &mut Assumptions,
) -> Result<Transformer> {
    let &[_, channels, height, width] = graph.value(input).shape.extents() else {
        return Err(Error::Model(format!("input '{}' has no four axes", graph.value(input).name)));
    };
    let usual = Usual::of(origin, graph, input);
    let source = match (said.input(|input| input.size), origin.open_size) {
        (Some((_, source)), true) | (Some((_, source @ "set")), false) => source,
        (None, true) => "the network leaves the size open, and most take this; set another with --input-size",
        (_, false) => "the network",
    };
    assumptions.add("input size", format!("{channels}×{height}×{width}"), source);
    let default_order = if channels == 1 { ChannelOrder::Grey } else { usual.order };
    let said_order = said.input(|input| input.channel_order);
    let channel_order = assumptions.choose(
        "channel order",
        said_order,
        default_order,
        |order| format!("{order:?}").to_lowercase(),
        if channels == 1 { "the network takes one channel" } else { usual.order_reason },
    );
    if channels == 3 && said_order.is_none() {
        assumptions.guessed(if channel_order == ChannelOrder::Bgr { "BGR" } else { "RGB" });
    }
    if channel_order.channels() != channels {
        return Err(Error::Model(format!(
            "the network takes {channels} channels, but channel order {channel_order:?} has {}",
            channel_order.channels()
        )));
    }
    let said_range = said.input(|input| input.raw_scale);
    let raw_scale = assumptions.choose(
        "raw scale",
        said_range,
        usual.raw_scale,
        |scale| format!("[0, 1] times {scale}"),
        usual.raw_scale_reason,
    );
    if let Some(normalisation) = usual.normalisation
        && said_range.is_none()
        && said.input(|input| input.mean.as_ref()).is_none()
        && said.input(|input| input.scale.as_ref()).is_none()
    {
        assumptions.guessed(match (channels, usual.raw_scale == 1.0) {
            (3, _) => normalisation,
            (_, true) => "pixels from 0 to 1 without a mean",
            (_, false) => "pixels from 0 to 255 without a mean",
        });
    }
    let mean = mean(channels, raw_scale == usual.raw_scale, channel_order, &usual, said, assumptions)?;
    let input_scale =
        scale(channels, raw_scale == usual.raw_scale, channel_order, &usual, said, assumptions)?;
    let original = said.settings.original;
    let interpolation = assumptions.choose(
        "interpolation",
        said.input(|input| input.interpolation),
        if original { Interpolation::Bilinear } else { usual.interpolation },
        ToString::to_string,
        if original { "what scikit-image did in 2015" } else { usual.interpolation_reason },
    );
    Ok(Transformer { height, width, channel_order, raw_scale, mean, input_scale, interpolation })
}

/// The usual numbers of three colours, in the order that was chosen.
fn in_order(numbers: &[f32], order: ChannelOrder, usual: &Usual) -> Vec<f32> {
    let mut numbers = numbers.to_vec();
    if order != usual.order {
        numbers.reverse();
    }
    numbers
}

/// What the difference from the mean is multiplied by.
fn scale(
    channels: usize,
    usual_range: bool,
    order: ChannelOrder,
    usual: &Usual,
    said: Said<'_>,
    assumptions: &mut Assumptions,
) -> Result<Vec<f32>> {
    let said_scale = said.input(|input| input.scale.as_ref().map(crate::ScaleSetting::numbers));
    let default = match channels {
        3 if usual_range && said.input(|input| input.mean.as_ref()).is_none() => {
            in_order(&usual.scale, order, usual)
        }
        _ => vec![1.0],
    };
    let reason = if default == [1.0] { "nothing else is said" } else { usual.scale_reason };
    let show = |numbers: &Vec<f32>| match numbers[..] {
        [number] => number.to_string(),
        _ => format!("{numbers:?}"),
    };
    let scale = assumptions.choose("scale after the mean", said_scale, default, show, reason);
    if scale.len() != 1 && scale.len() != channels {
        return Err(Error::Model(format!(
            "the scale has {} numbers, the network takes {channels} channels",
            scale.len()
        )));
    }
    Ok(scale)
}

fn mean(
    channels: usize,
    usual_range: bool,
    order: ChannelOrder,
    usual: &Usual,
    said: Said<'_>,
    assumptions: &mut Assumptions,
) -> Result<Mean> {
    let said_mean = said.input(|input| input.mean.as_ref());
    let mean = match (said_mean.map(|(mean, _)| mean), &usual.mean) {
        (None, Some((pixel, reason))) if usual_range && (channels == 3 || usual.normalisation.is_none()) => {
            let pixel = in_order(&pixel[..channels.min(3)], order, usual);
            assumptions.add("mean", format!("{pixel:?}"), *reason);
            return Ok(Mean::Pixel(pixel));
        }
        (None, None) if !usual.scale_reason.starts_with("nothing") => {
            assumptions.add("mean", "none", usual.scale_reason);
            return Ok(Mean::None);
        }
        (None, _) => {
            assumptions.add("mean", "none", "nothing is said; set one with --mean");
            return Ok(Mean::None);
        }
        (Some(MeanSetting::Pixel(numbers)), _) => Mean::Pixel(numbers.clone()),
        (Some(MeanSetting::File(path)), _) => mean_file(path)?,
    };
    let shown = match (&mean, said_mean) {
        (_, Some((MeanSetting::File(path), _))) => path.display().to_string(),
        (Mean::Pixel(numbers), _) if numbers.iter().any(|&number| number != 0.0) => format!("{numbers:?}"),
        _ => "none".to_owned(),
    };
    assumptions.add("mean", shown, said_mean.map_or("set", |(_, source)| source));
    if let Mean::Pixel(numbers) = &mean
        && numbers.len() != channels
    {
        return Err(Error::Model(format!(
            "the mean has {} numbers, the network takes {channels} channels",
            numbers.len()
        )));
    }
    Ok(mean)
}

/// A mean pixel (one axis) or image (channels × height × width, leading axes of extent 1 dropped).
fn mean_file(path: &Path) -> Result<Mean> {
    let array = if path.extension().is_some_and(|extension| extension == "npy") {
        npy::read(path)?
    } else {
        let image = deepinside_caffe::read_mean(path)
            .map_err(|cause| Error::Weights { path: path.to_owned(), cause: Box::new(cause) })?;
        Array::new(image.shape, image.values)?
    };
    let extents: Vec<usize> = array.shape().to_vec();
    let leading =
        extents.iter().take_while(|&&extent| extent == 1).count().min(extents.len().saturating_sub(3));
    match &extents[leading..] {
        [_] => Ok(Mean::Pixel(array.into_data())),
        &[channels, 1, 1] => Ok(Mean::Pixel(array.reshaped([channels])?.into_data())),
        &[channels, height, width] => Ok(Mean::Image(array.reshaped([channels, height, width])?)),
        other => Err(Error::Model(format!(
            "{}: a mean has one axis (a pixel) or three (channels × height × width), found {other:?}",
            path.display()
        ))),
    }
}

/// What was guessed about pictures, as "assumed RGB and torchvision's normalisation".
pub(crate) fn guesses(assumptions: &[Assumption]) -> Option<String> {
    let guesses: Vec<&str> = assumptions.iter().filter_map(|assumption| assumption.guess).collect();
    (!guesses.is_empty()).then(|| format!("assumed {}", guesses.join(" and ")))
}

/// The class names that a setting names.
///
/// # Errors
/// When the list cannot be read.
pub(crate) fn named_labels(settings: &Settings) -> Result<Option<Labels>> {
    match settings.labels.as_deref() {
        Some(ILSVRC) => Ok(Some(Labels::ilsvrc())),
        Some(path) => Labels::read(Path::new(path)).map(Some),
        None => Ok(None),
    }
}

/// The names of the classes: those that a setting names, those that files beside or inside the network tell, or the usual ones.
pub(crate) fn labels(
    score: &Score,
    order: ChannelOrder,
    named: Option<Labels>,
    told: &Told,
    assumptions: &mut Assumptions,
) -> Result<Labels> {
    let fits = |labels: &Labels| [labels.len(), labels.len() + 1].contains(&score.classes);
    let told = told.labels.as_ref().filter(|(labels, _)| fits(labels));
    let (labels, source) = match (named, told) {
        (Some(labels), _) => (labels, "set"),
        (None, Some((labels, source))) => (labels.clone(), source.as_str()),
        (None, None) if matches!(score.classes, 1000 | 1001) && order != ChannelOrder::Grey => {
            (Labels::ilsvrc(), "the network has a thousand classes, so they are taken for those of ImageNet")
        }
        (None, None) => {
            assumptions.add("class names", "none", "nothing is said; name a list with --labels");
            return Ok(Labels::default());
        }
    };
    // Networks from TensorFlow count a background class first.
    let labels = if score.classes == labels.len() + 1 { labels.with_background() } else { labels };
    if labels.len() != score.classes {
        return Err(Error::Model(format!(
            "the list of class names has {} names, the network has {} classes",
            labels.len(),
            score.classes
        )));
    }
    assumptions.add("class names", format!("{} names", labels.len()), source);
    Ok(labels)
}

/// What photographs are resized to.
pub(crate) fn resize(transformer: &Transformer, said: Said<'_>, assumptions: &mut Assumptions) -> Resize {
    let input = [transformer.height, transformer.width];
    let is_imagenet =
        transformer.channel_order != ChannelOrder::Grey && input.iter().all(|side| (224..256).contains(side));
    let (default, reason) = match (said.settings.original, is_imagenet) {
        (true, _) => (Resize::Exact([256, 256]), "the original project's image_dims"),
        (false, true) => (Resize::ShorterSide(256), "how networks for ImageNet are evaluated"),
        (false, false) => {
            (Resize::Exact(input), "the network's input size, so that the centre crop is the whole picture")
        }
    };
    let said_size = said.input(|input| input.resize).map(|(size, source)| match size {
        Size::Side(side) => (Resize::ShorterSide(side), source),
        Size::Rectangle(extents) => (Resize::Exact(extents), source),
    });
    let show = |resize: &Resize| match resize {
        Resize::ShorterSide(side) => format!("shorter side to {side}"),
        Resize::Exact([height, width]) => format!("{height}×{width}"),
    };
    assumptions.choose("resize before the crop", said_size, default, show, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_resized_and_proportions_are_kept() {
        for convention in [Convention::Caffe, Convention::Torchvision] {
            let resized = |resize: Resize, extents| resize.extents(extents, convention);
            assert_eq!(resized(Resize::ShorterSide(256), [360, 480]), [256, 341]);
            assert_eq!(resized(Resize::ShorterSide(256), [480, 360]), [341, 256]);
            assert_eq!(resized(Resize::ShorterSide(256), [227, 227]), [256, 256]);
            assert_eq!(resized(Resize::Exact([80, 90]), [1, 9]), [80, 90]);
        }
        assert_eq!(Resize::ShorterSide(256).extents([333, 500], Convention::Torchvision), [256, 384]);
        assert_eq!(Resize::ShorterSide(256).extents([479, 360], Convention::Torchvision), [340, 256]);
        assert_eq!(Resize::ShorterSide(256).extents([479, 360], Convention::Caffe), [341, 256]);
    }
}
