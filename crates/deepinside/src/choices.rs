//! The choices about a model that its files leave open: each is made by a setting or assumed, and written down with its reason.

use std::path::Path;

use deepinside_graph::{Graph, ValueId};
use deepinside_vision::{Array, ChannelOrder, Interpolation, Mean, Transformer, npy};

use crate::labels::Labels;
use crate::settings::{ILSVRC, MeanSetting, Settings, Size};
use crate::{Error, Result, Score};

/// A choice that nobody made: what was chosen, and why. The commonest cause of wrong answers is a wrong one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// What was chosen, as "channel order".
    pub what: &'static str,
    /// The choice.
    pub value: String,
    /// Where it comes from.
    pub source: String,
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
    pub fn extents(self, [height, width]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Exact(extents) => extents,
            Self::ShorterSide(side) => {
                let longer = |longer: usize, shorter: usize| {
                    // Rounded to the nearest; one never overflows, since a photograph has at most 2³² pixels.
                    (longer * side + shorter / 2) / shorter.max(1)
                };
                if height <= width { [side, longer(width, height)] } else { [longer(height, width), side] }
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
        self.list.push(Assumption { what, value: value.into(), source: source.into() });
    }

    /// A choice that was made, or else a default with its reason.
    fn choose<T: Clone>(
        &mut self,
        what: &'static str,
        set: Option<&T>,
        default: T,
        show: impl Fn(&T) -> String,
        reason: &str,
    ) -> T {
        let chosen = set.cloned().unwrap_or(default);
        let source = if set.is_some() { "set" } else { reason };
        self.add(what, show(&chosen), source);
        chosen
    }
}

/// How photographs become inputs of the network.
pub(crate) fn transformer(
    graph: &Graph,
    input: ValueId,
    settings: &Settings,
    assumptions: &mut Assumptions,
) -> Result<Transformer> {
    let &[_, channels, height, width] = graph.value(input).shape.extents() else {
        return Err(Error::Model(format!("input '{}' has no four axes", graph.value(input).name)));
    };
    let input = &settings.input;
    assumptions.add("input size", format!("{channels}×{height}×{width}"), "the network");
    let default_order = if channels == 1 { ChannelOrder::Grey } else { ChannelOrder::Bgr };
    let channel_order = assumptions.choose(
        "channel order",
        input.channel_order.as_ref(),
        default_order,
        |order| format!("{order:?}").to_lowercase(),
        if channels == 1 {
            "the network takes one channel"
        } else {
            "nearly all Caffe networks were trained on OpenCV's blue, green, red"
        },
    );
    if channel_order.channels() != channels {
        return Err(Error::Model(format!(
            "the network takes {channels} channels, but channel order {channel_order:?} has {}",
            channel_order.channels()
        )));
    }
    let raw_scale = assumptions.choose(
        "raw scale",
        input.raw_scale.as_ref(),
        255.0,
        |scale| format!("[0, 1] times {scale}"),
        "Caffe networks are trained on 0 to 255",
    );
    let mean = mean(channels, settings, assumptions)?;
    let input_scale = assumptions.choose(
        "scale after the mean",
        input.scale.as_ref(),
        1.0,
        f32::to_string,
        "nothing else is said",
    );
    let interpolation = assumptions.choose(
        "interpolation",
        input.interpolation.as_ref(),
        if settings.original { Interpolation::Bilinear } else { Interpolation::AntiAliased },
        |interpolation| format!("{interpolation:?}"),
        if settings.original {
            "what scikit-image did in 2015"
        } else {
            "shrinking without it makes noise of fine texture"
        },
    );
    Ok(Transformer { height, width, channel_order, raw_scale, mean, input_scale, interpolation })
}

/// The mean pixel of ImageNet in blue, green, red, as Caffe's examples state it.
const IMAGENET_MEAN: [f32; 3] = [104.0, 117.0, 123.0];

fn mean(channels: usize, settings: &Settings, assumptions: &mut Assumptions) -> Result<Mean> {
    let mean = match &settings.input.mean {
        None if channels == 3 && settings.input.raw_scale.is_none_or(|scale| scale == 255.0) => {
            let mut pixel = IMAGENET_MEAN.to_vec();
            if settings.input.channel_order == Some(ChannelOrder::Rgb) {
                pixel.reverse();
            }
            assumptions.add(
                "mean",
                format!("{pixel:?}"),
                "the mean pixel of ImageNet; set another with --mean (none: --mean 0,0,0)",
            );
            return Ok(Mean::Pixel(pixel));
        }
        None => {
            assumptions.add("mean", "none", "nothing is said; set one with --mean");
            return Ok(Mean::None);
        }
        Some(MeanSetting::Pixel(numbers)) => Mean::Pixel(numbers.clone()),
        Some(MeanSetting::File(path)) => mean_file(path)?,
    };
    let shown = match (&mean, &settings.input.mean) {
        (_, Some(MeanSetting::File(path))) => path.display().to_string(),
        (Mean::Pixel(numbers), _) => format!("{numbers:?}"),
        _ => "none".to_owned(),
    };
    assumptions.add("mean", shown, "set");
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

/// The names of the classes.
pub(crate) fn labels(
    score: &Score,
    order: ChannelOrder,
    settings: &Settings,
    assumptions: &mut Assumptions,
) -> Result<Labels> {
    let (labels, source) = match settings.labels.as_deref() {
        Some(ILSVRC) => (Labels::ilsvrc(), "set"),
        Some(path) => (Labels::read(Path::new(path))?, "set"),
        None if matches!(score.classes, 1000 | 1001) && order != ChannelOrder::Grey => {
            (Labels::ilsvrc(), "the network has a thousand classes, so they are taken for those of ImageNet")
        }
        None => {
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
pub(crate) fn resize(
    transformer: &Transformer,
    settings: &Settings,
    assumptions: &mut Assumptions,
) -> Resize {
    let input = [transformer.height, transformer.width];
    let is_imagenet =
        transformer.channel_order != ChannelOrder::Grey && input.iter().all(|side| (224..256).contains(side));
    let (default, reason) = match (settings.original, is_imagenet) {
        (true, _) => (Resize::Exact([256, 256]), "the original project's image_dims"),
        (false, true) => (Resize::ShorterSide(256), "how networks for ImageNet are evaluated"),
        (false, false) => {
            (Resize::Exact(input), "the network's input size, so that the centre crop is the whole picture")
        }
    };
    let set = settings.input.resize.map(|size| match size {
        Size::Side(side) => Resize::ShorterSide(side),
        Size::Rectangle(extents) => Resize::Exact(extents),
    });
    let show = |resize: &Resize| match resize {
        Resize::ShorterSide(side) => format!("shorter side to {side}"),
        Resize::Exact([height, width]) => format!("{height}×{width}"),
    };
    assumptions.choose("resize before the crop", set.as_ref(), default, show, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_resized_and_proportions_are_kept() {
        assert_eq!(Resize::ShorterSide(256).extents([360, 480]), [256, 341]);
        assert_eq!(Resize::ShorterSide(256).extents([480, 360]), [341, 256]);
        assert_eq!(Resize::ShorterSide(256).extents([227, 227]), [256, 256]);
        assert_eq!(Resize::Exact([80, 90]).extents([1, 9]), [80, 90]);
    }
}
