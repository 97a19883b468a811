//! What a network's file, and the files that lie beside it, say about its pictures and classes.
//!
//! Read are a Caffe description's `transform_param`, ONNX's own metadata on pictures and Ultralytics' in an ONNX file, the `config.json` and
//! `preprocessor_config.json` of Hugging Face, timm's `config.json`, and torchvision's names of the same numbers. Files are
//! read from the network's own folder, or from the one above where that is called `onnx`, as Hugging Face's exporter writes
//! it, and from nowhere else. A setting wins over all of them, and what the network's own file says over what lies beside it.

mod image_processor;

use std::path::{Path, PathBuf};

use deepinside_files::whole_file;
use deepinside_vision::{ChannelOrder, Crop, Interpolation};
use serde_json::Value;

use crate::Labels;
use crate::labels::{class_list, text};
use crate::network::Network;
use crate::settings::{InputSettings, MeanSetting, ScaleSetting, Settings, Size};

/// What is said about a network by files.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How photographs become its input; what is not said stays open.
    pub input: InputSettings,
    /// Who says that.
    pub input_source: String,
    /// The names of its classes, and who says them.
    pub labels: Option<(Labels, String)>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// What could not be followed, as sentences.
    pub warnings: Vec<String>,
}

/// The longest of these files.
const LARGEST: u64 = 16 << 20;

impl Told {
    /// Reads what lies beside a network in this folder.
    pub fn beside(folder: &Path) -> Self {
        let mut told = Self::default();
        let above = folder.file_name().is_some_and(|name| name == "onnx").then(|| folder.parent()).flatten();
        for folder in std::iter::once(folder).chain(above) {
            told.read_beside(&folder.join("preprocessor_config.json"), Self::read_image_processor);
            told.read_beside(&folder.join("config.json"), Self::read_configuration);
        }
        told
    }

    /// Reads what the network's own file says; `folder` is where it lies, if it lies in a file.
    pub fn read_inside(&mut self, network: &Network, folder: Option<&Path>) {
        let find = |key: &str| network.metadata.iter().find(|(own, _)| own == key).map(|(_, value)| value);
        let keys = [
            "names",
            "id2label",
            "class_names",
            "classes",
            "labels",
            "class_labels",
            "label_names",
            "categories",
            "idx_to_class",
            "label2id",
        ];
        for key in keys {
            // Or several in one line.
            let listed = |text: &String| match class_list::read(text) {
                Ok(None) if text.contains([',', '\n']) => Some(Labels::parse(
                    &text.split([',', '\n']).map(str::trim).collect::<Vec<_>>().join("\n"),
                )),
                listed => listed.ok().flatten(),
            };
            if let Some(labels) = find(key).and_then(listed) {
                self.labels = Some((labels, format!("the file's metadata '{key}'")));
                break;
            }
        }
        // Ultralytics' networks for classification are fed like all others, pixels from 0 to 1.
        if find("author").is_some_and(|author| author.contains("Ultralytics")) {
            self.input = unnormalised();
            if find("task").is_some_and(|task| task == "classify") {
                // The shorter side is resized to the network's, and the middle cut out; they are squeezed where both sides are stated apart.
                let sides: Vec<usize> = find("imgsz")
                    .map(|text| {
                        text.split(|letter: char| !letter.is_ascii_digit())
                            .filter_map(|n| n.parse().ok())
                            .collect()
                    })
                    .unwrap_or_default();
                self.input.resize = match sides[..] {
                    [side] => Some(Size::Side(side)),
                    [height, width] if height == width => Some(Size::Side(height)),
                    [height, width] => Some(Size::Rectangle([height, width])),
                    _ => None,
                }
                .filter(|size| within(*size));
            }
            "the file's metadata: Ultralytics' networks are fed from 0 to 1"
                .clone_into(&mut self.input_source);
        }
        let [order, range] =
            ["Image.BitmapPixelFormat", "Image.NominalPixelRange"].map(|key| find(key).map(String::as_str));
        if let Some(input) = of_image_metadata(order, range) {
            self.input = input;
            "the file's metadata on pictures (Image.…)".clone_into(&mut self.input_source);
        }
        if let Some(transform) = &network.transform {
            self.read_transform(transform, folder);
        }
    }

    fn read_transform(&mut self, transform: &deepinside_caffe::Transform, folder: Option<&Path>) {
        let mean = match (&transform.mean_file, &transform.mean_values[..]) {
            (Some(name), _) => {
                let file = folder.and_then(|folder| inside(folder, Path::new(name)));
                if file.is_none() {
                    self.warnings.push(format!(
                        "layer '{}' subtracts the mean picture '{name}', which is not in the network's folder; put it there or \
                         name it with --mean",
                        transform.layer
                    ));
                }
                file.map(MeanSetting::File)
            }
            (None, []) => Some(MeanSetting::Pixel(vec![0.0])),
            (None, numbers) => Some(MeanSetting::Pixel(numbers.to_vec())),
        };
        if let Some(MeanSetting::File(file)) = &mean {
            self.files.push(file.clone());
        }
        self.input = InputSettings {
            resize: transform.resized.filter(|sides| sides.iter().all(within_sides)).map(Size::Rectangle),
            channel_order: Some(if transform.is_grey { ChannelOrder::Grey } else { ChannelOrder::Bgr }),
            raw_scale: Some(255.0),
            mean,
            scale: Some(ScaleSetting::All(transform.scale)),
            ..InputSettings::default()
        };
        self.input_source = format!("layer '{}' of the description", transform.layer);
    }

    fn read_beside(&mut self, path: &Path, read: impl Fn(&mut Self, &Value, &str) -> bool) {
        // Most networks have no such file.
        if !path.is_file() {
            return;
        }
        let parsed = whole_file::read(path, LARGEST).map_err(|error| error.to_string()).and_then(|bytes| {
            let text =
                text::decode(&bytes).ok_or_else(|| format!("{}: it is not UTF-8 text", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match parsed {
            Ok(value) => {
                if read(self, &value, &format!("{name} beside the network")) {
                    self.files.push(path.to_owned());
                }
            }
            Err(what) => self.warnings.push(format!("{what}; the file is left out")),
        }
    }

    /// Takes over what a file says about pictures, unless another has said it.
    fn take(&mut self, input: InputSettings, source: &str) {
        if self.input_source.is_empty() {
            self.input = input;
            source.clone_into(&mut self.input_source);
        }
    }

    /// Hugging Face's and timm's `config.json`: the names of classes, and timm's preparation of pictures.
    fn read_configuration(&mut self, value: &Value, source: &str) -> bool {
        let mut is_read = false;
        if self.labels.is_none()
            && let Ok(Some(labels)) = class_list::of_json(value)
        {
            self.labels = Some((labels, source.to_owned()));
            is_read = true;
        }
        is_read | self.read_preset(value.get("pretrained_cfg").unwrap_or(value), source)
    }

    /// Mean and deviation, size, crop and interpolation by timm's names, or by torchvision's.
    fn read_preset(&mut self, value: &Value, source: &str) -> bool {
        let (Some(mean), Some(deviation)) = (numbers(value.get("mean")), deviations(value.get("std"))) else {
            return false;
        };
        let (mean, scale) = normalisation(mean, &deviation);
        let mut input = InputSettings {
            channel_order: Some(ChannelOrder::Rgb),
            raw_scale: Some(1.0),
            mean: Some(MeanSetting::Pixel(mean)),
            scale: Some(ScaleSetting::PerChannel(scale)),
            interpolation: self.interpolation(value.get("interpolation"), source),
            ..InputSettings::default()
        };
        let single = |size: Option<&Value>| match size {
            Some(Value::Array(list)) if list.len() == 1 => side(&list[0]),
            Some(number) => side(number),
            None => None,
        };
        if let Some(&[height, width]) = value.get("input_size").and_then(sides).as_ref() {
            // What timm takes where nothing is said.
            let share = value.get("crop_pct").map_or(Some(0.875), Value::as_f64);
            input.interpolation = input
                .interpolation
                .or(value.get("interpolation").is_none().then_some(Interpolation::PillowBicubic));
            let mode = value.get("crop_mode").and_then(Value::as_str);
            let share = share.filter(|share| (0.1..=1.0).contains(share));
            let (Some(share), true, false) = (share, height == width, mode == Some("border")) else {
                self.warnings.push(format!(
                    "{source} asks for a crop (input_size, crop_pct, crop_mode) that is not made here: photographs are resized to the \
                     network's size and cut as usual"
                ));
                self.take(input, source);
                return true;
            };
            let side = width;
            // timm's own rounding.
            let resized = (side as f64 / share).floor() as usize;
            let squashes = mode == Some("squash");
            let resized = if squashes { Size::Rectangle([resized, resized]) } else { Size::Side(resized) };
            input.resize = Some(resized).filter(|size| within(*size));
            input.size = Some(Size::Side(side));
            input.crop = Some(Crop::Centre);
        } else if let (Some(resized), Some(cropped)) =
            (single(value.get("resize_size")), single(value.get("crop_size")))
        {
            input.resize = Some(Size::Side(resized));
            input.size = Some(Size::Side(cropped));
            input.crop = Some(Crop::Centre);
        }
        self.take(input, source);
        true
    }

    /// An interpolation by Pillow's number, or by name; one that is not computed here is said.
    fn interpolation(&mut self, value: Option<&Value>, source: &str) -> Option<Interpolation> {
        let name = match value? {
            Value::Number(number) => match number.as_u64()? {
                0 => "nearest",
                1 => "lanczos",
                2 => "bilinear",
                3 => "bicubic",
                4 => "box",
                5 => "hamming",
                _ => return None,
            },
            Value::String(name) => name.rsplit('.').next().unwrap_or(name),
            _ => return None,
        };
        match name.to_lowercase().as_str() {
            "bilinear" => Some(Interpolation::PillowBilinear),
            "bicubic" => Some(Interpolation::PillowBicubic),
            // timm's "random" is one of both, for training.
            "random" => None,
            other => {
                self.warnings.push(format!(
                    "{source} asks for the interpolation {}, which is not computed here; the usual one is taken",
                    crate::printable::one_line(&other.chars().take(40).collect::<String>())
                ));
                None
            }
        }
    }

    /// Leaves out what does not fit the network, which has so many channels and classes, or what a setting has changed the meaning
    /// of: mean and scale belong to a range of numbers and to an order of channels.
    pub fn fit(&mut self, channels: usize, classes: usize, settings: &Settings) {
        let own_order = self.input.channel_order;
        if own_order.is_some_and(|order| order.channels() != channels) {
            self.input.channel_order = None;
        }
        if settings.input.raw_scale.is_some_and(|scale| self.input.raw_scale.is_some_and(|own| own != scale))
        {
            self.input.mean = None;
            self.input.scale = None;
        }
        let reversed = match (own_order, settings.input.channel_order) {
            (Some(own), Some(set)) => own != set && own.channels() == 3 && set.channels() == 3,
            _ => false,
        };
        let source = &self.input_source;
        let mut unfit = Vec::new();
        let mut numbers = |what: &str, mut list: Vec<f32>| {
            if ![1, channels].contains(&list.len()) {
                unfit.push(format!("the {what} in {source} has {} numbers, the network takes {channels} channels; it is left out", list.len()));
                return None;
            }
            if reversed {
                list.reverse();
            }
            Some(list)
        };
        if let Some(MeanSetting::Pixel(mean)) =
            self.input.mean.take_if(|mean| matches!(mean, MeanSetting::Pixel(_)))
        {
            let full = numbers("mean", mean)
                .map(|list| if list.len() == 1 { vec![list[0]; channels] } else { list });
            self.input.mean = full.map(MeanSetting::Pixel);
        }
        if let Some(ScaleSetting::PerChannel(scale)) =
            self.input.scale.take_if(|scale| matches!(scale, ScaleSetting::PerChannel(_)))
        {
            self.input.scale = numbers("scale", scale).map(ScaleSetting::PerChannel);
        }
        self.warnings.extend(unfit);
        if let Some((labels, source)) = &self.labels
            && settings.labels.is_none()
            && ![labels.len(), labels.len() + 1].contains(&classes)
        {
            self.warnings.push(format!(
                "{source} has {} class names, the network has {classes} classes; they are left out",
                labels.len()
            ));
        }
    }
}

/// Pixels from 0 to 1 as they are.
fn unnormalised() -> InputSettings {
    InputSettings {
        channel_order: Some(ChannelOrder::Rgb),
        raw_scale: Some(1.0),
        mean: Some(MeanSetting::Pixel(vec![0.0])),
        scale: Some(ScaleSetting::All(1.0)),
        ..InputSettings::default()
    }
}

/// What ONNX's own metadata on pictures say: the order of their channels, and the range of their numbers.
fn of_image_metadata(order: Option<&str>, range: Option<&str>) -> Option<InputSettings> {
    let channel_order = match order {
        Some("Gray8") => Some(ChannelOrder::Grey),
        Some("Rgb8") => Some(ChannelOrder::Rgb),
        Some("Bgr8") => Some(ChannelOrder::Bgr),
        _ => None,
    };
    let (raw_scale, mean, scale) = match range {
        Some("NominalRange_0_255") => (255.0, 0.0, 1.0),
        Some("Normalized_0_1") => (1.0, 0.0, 1.0),
        Some("Normalized_1_1") => (255.0, 127.5, 1.0 / 127.5),
        _ => {
            return channel_order
                .map(|order| InputSettings { channel_order: Some(order), ..InputSettings::default() });
        }
    };
    Some(InputSettings {
        channel_order,
        raw_scale: Some(raw_scale),
        mean: Some(MeanSetting::Pixel(vec![mean])),
        scale: Some(ScaleSetting::All(scale)),
        ..InputSettings::default()
    })
}

/// Mean and scale from mean and deviation.
fn normalisation(mean: Vec<f32>, deviation: &[f32]) -> (Vec<f32>, Vec<f32>) {
    (mean, deviation.iter().map(|deviation| 1.0 / deviation).collect())
}

/// Deviations, which are divided by.
fn deviations(value: Option<&Value>) -> Option<Vec<f32>> {
    numbers(value).filter(|list| list.iter().all(|&deviation| deviation > 0.0))
}

/// A number, or a list of one or three.
fn numbers(value: Option<&Value>) -> Option<Vec<f32>> {
    let number =
        |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
    match value? {
        Value::Array(list) if matches!(list.len(), 1 | 3) => list.iter().map(number).collect(),
        single => number(single).map(|number| vec![number]),
    }
}

/// Hugging Face's sizes: one number, the shorter side, or height and width.
fn size(value: &Value) -> Option<Size> {
    let key = |key: &str| value.get(key).and_then(side);
    match (key("shortest_edge"), key("height"), key("width")) {
        (Some(shorter), ..) => Some(Size::Side(shorter)),
        (None, Some(height), Some(width)) => Some(Size::Rectangle([height, width])),
        _ => side(value).map(|side| Size::Rectangle([side, side])),
    }
}

/// Height and width behind the channels, as timm writes an input's size.
fn sides(value: &Value) -> Option<[usize; 2]> {
    Some([side(value.get(1)?)?, side(value.get(2)?)?])
}

fn side(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|side| usize::try_from(side).ok()).filter(within_sides)
}

fn within_sides(side: &usize) -> bool {
    crate::settings::SIDES.contains(side)
}

fn within(size: Size) -> bool {
    size.extents().iter().all(within_sides)
}

/// A file that a network names, where it lies in the network's folder, under its path or its name alone.
fn inside(folder: &Path, file: &Path) -> Option<PathBuf> {
    let candidates = [folder.join(file), folder.join(file.file_name()?)];
    candidates.into_iter().find(|path| path.is_file() && crate::settings::lies_inside(folder, path))
}
