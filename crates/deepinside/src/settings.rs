//! What a person says about a model: in `model.toml`, or with flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deepinside_files::{Array, npy, whole_file};
use deepinside_vision::{ChannelOrder, Crop, Interpolation};
use serde::Deserialize;

use crate::file_kind::of_folder;
use crate::{Error, Result};

/// Everything that may be said about a model. What is not said is taken from the network or assumed, and then stated in
/// [`Model::assumptions`](crate::Model::assumptions).
///
/// Relative paths in a `model.toml` start at its folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the model is called.
    pub name: Option<String>,
    /// The network: a description (`.prototxt`), or description and weights in one (`.onnx`).
    pub network: Option<PathBuf>,
    /// The weights that belong to a description (`.caffemodel`).
    pub weights: Option<PathBuf>,
    /// The class names, one a line, or `ilsvrc2012` for the thousand classes of the ImageNet challenge.
    pub labels: Option<String>,
    /// The value that holds the class scores.
    pub score: Option<String>,
    /// How photographs become inputs.
    pub input: InputSettings,
    /// Leave open choices to the original project's scripts rather than to today's practice.
    #[serde(skip)]
    pub original: bool,
    /// Give the network random weights of this seed in place of its own, for measuring how fast it runs.
    #[serde(skip)]
    pub random_weights: Option<u64>,
    /// The most bytes that the arrays of one run may take, weights not counted.
    #[serde(skip)]
    pub memory_limit: Option<usize>,
    /// Numbers of the network's inputs beside the picture, by name: a `.npy` file, or one number for all of an input.
    #[serde(skip)]
    pub further_inputs: Vec<(String, FurtherInput)>,
    /// Let a `model.toml` name files outside of its own folder.
    #[serde(skip)]
    pub outside_files: bool,
    /// The `model.toml` that says this.
    #[serde(skip)]
    pub described_by: Option<PathBuf>,
    /// Networks of the same folder that were not taken.
    #[serde(skip)]
    pub passed_over: Vec<PathBuf>,
}

/// How photographs become inputs of a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSettings {
    /// Height and width of the network's input, where it shall differ from the network's own.
    pub size: Option<Size>,
    /// What a photograph is resized to before a crop is cut: one number is its shorter side, its proportions kept; two
    /// numbers are height and width.
    pub resize: Option<Size>,
    /// The part that is cut.
    #[serde(deserialize_with = "crop")]
    pub crop: Option<Crop>,
    /// The order of the channels.
    #[serde(deserialize_with = "channel_order")]
    pub channel_order: Option<ChannelOrder>,
    /// What `[0, 1]` is multiplied by.
    pub raw_scale: Option<f32>,
    /// What is subtracted then.
    pub mean: Option<MeanSetting>,
    /// What the difference is multiplied by.
    pub scale: Option<ScaleSetting>,
    /// How photographs are resized, and whose rounding and grey values are followed.
    #[serde(deserialize_with = "interpolation")]
    pub interpolation: Option<Interpolation>,
}

/// One number, or height and width, each 1 to 32,768.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// One number: both sides of an input, or the shorter side of a photograph.
    Side(usize),
    /// Height and width.
    Rectangle([usize; 2]),
}

/// The lengths that a side may have.
pub(crate) const SIDES: std::ops::RangeInclusive<usize> = 1..=1 << 15;

impl Size {
    /// Height and width of a square or a rectangle.
    pub fn extents(self) -> [usize; 2] {
        match self {
            Self::Side(side) => [side, side],
            Self::Rectangle(extents) => extents,
        }
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    /// Reads `256` or `256x300` (height first).
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |text: &str| {
            text.trim().parse::<usize>().ok().filter(|side| SIDES.contains(side)).ok_or_else(|| {
                format!("expected HEIGHTxWIDTH or one number, each 1 to {}, found '{text}'", SIDES.end())
            })
        };
        match text.split_once(['x', '×']) {
            Some((height, width)) => Ok(Self::Rectangle([number(height)?, number(width)?])),
            None => number(text).map(Self::Side),
        }
    }
}

/// A mean pixel, or a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum MeanSetting {
    /// One number per channel, in the network's channel order.
    Pixel(Vec<f32>),
    /// A `.npy` or `.binaryproto` file with a mean pixel or a mean image.
    File(PathBuf),
}

impl std::str::FromStr for MeanSetting {
    type Err = String;

    /// Reads `104,117,123` or the name of a file.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: std::result::Result<Vec<f32>, _> =
            text.split(',').map(|number| number.trim().parse()).collect();
        Ok(numbers.map_or_else(|_| Self::File(text.into()), Self::Pixel))
    }
}

/// What an input beside the picture is given.
#[derive(Debug, Clone, PartialEq)]
pub enum FurtherInput {
    /// This number, everywhere.
    Number(f32),
    /// The numbers of a `.npy` file.
    File(PathBuf),
}

impl std::str::FromStr for FurtherInput {
    type Err = String;

    /// Reads `0.5` or the name of a file.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(text.trim().parse().map_or_else(|_| Self::File(text.into()), Self::Number))
    }
}

/// One number for all channels, or one for each in the network's channel order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ScaleSetting {
    /// For all channels.
    All(f32),
    /// For each channel.
    PerChannel(Vec<f32>),
}

impl ScaleSetting {
    /// The numbers: one, or one per channel.
    pub fn numbers(&self) -> Vec<f32> {
        match self {
            Self::All(number) => vec![*number],
            Self::PerChannel(numbers) => numbers.clone(),
        }
    }
}

impl std::str::FromStr for ScaleSetting {
    type Err = String;

    /// Reads `0.017` or `4.37,4.46,4.44`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: std::result::Result<Vec<f32>, _> =
            text.split(',').map(|number| number.trim().parse()).collect();
        match numbers.as_deref() {
            Ok(&[number]) => Ok(Self::All(number)),
            Ok(numbers) => Ok(Self::PerChannel(numbers.to_vec())),
            Err(_) => {
                Err(format!("expected a number, or one for each channel (4.37,4.46,4.44), found '{text}'"))
            }
        }
    }
}

impl Settings {
    /// Reads a `model.toml`; its relative paths are made to start at its folder.
    ///
    /// # Errors
    /// When the file cannot be read or says something unknown.
    pub fn read(path: &Path) -> Result<Self> {
        const LARGEST: u64 = 1 << 20;
        let mut settings = Self::parse(&whole_file::read_text(path, LARGEST)?, path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        for file in [&mut settings.network, &mut settings.weights].into_iter().flatten() {
            *file = folder.join(&file);
        }
        if let Some(MeanSetting::File(file)) = &mut settings.input.mean {
            *file = folder.join(&file);
        }
        if let Some(labels) = &mut settings.labels
            && labels != ILSVRC
        {
            *labels = folder.join(&labels).to_string_lossy().into_owned();
        }
        settings.described_by = Some(path.to_owned());
        Ok(settings)
    }

    /// The files that these settings name: the network's own, and those beside it.
    pub fn files(&self) -> Vec<PathBuf> {
        self.network.iter().cloned().chain(self.further_files()).collect()
    }

    /// The files beside the network's own that these settings name.
    pub(crate) fn further_files(&self) -> Vec<PathBuf> {
        let mean = match &self.input.mean {
            Some(MeanSetting::File(file)) => Some(file.clone()),
            _ => None,
        };
        let labels = self.labels.as_ref().filter(|labels| *labels != ILSVRC).map(PathBuf::from);
        let named = [self.weights.clone(), self.described_by.clone(), mean, labels];
        let inputs = self.further_inputs.iter().filter_map(|(_, input)| match input {
            FurtherInput::File(file) => Some(file.clone()),
            FurtherInput::Number(_) => None,
        });
        named.into_iter().flatten().chain(inputs).collect()
    }

    /// The numbers of further inputs.
    ///
    /// # Errors
    /// When a file cannot be read, or an input is given twice.
    pub(crate) fn known_inputs(&self) -> Result<BTreeMap<String, Array>> {
        let mut known = BTreeMap::new();
        for (name, input) in &self.further_inputs {
            let array = match input {
                FurtherInput::Number(number) => Array::new(Vec::<usize>::new(), vec![*number])?,
                FurtherInput::File(file) => npy::read(file)?,
            };
            if known.insert(name.clone(), array).is_some() {
                return Err(Error::Option(format!("input '{name}' is given twice")));
            }
        }
        Ok(known)
    }

    /// Expects every file that a `model.toml` names to lie in its folder: one that was fetched with a network could otherwise
    /// have any file of this machine read, and shown as class names.
    ///
    /// # Errors
    /// When one lies elsewhere, links followed.
    pub(crate) fn expect_files_inside(&self) -> Result<()> {
        let Some(description) = &self.described_by else { return Ok(()) };
        let folder = description.parent().unwrap_or_else(|| Path::new(""));
        match self.files().iter().find(|file| file.exists() && !lies_inside(folder, file)) {
            None => Ok(()),
            Some(file) => Err(Error::ModelFile {
                path: description.clone(),
                message: format!(
                    "it names {}, which lies outside of its folder; copy the file there, or allow it with --outside-files",
                    file.display()
                ),
            }),
        }
    }

    /// Reads the text of a `model.toml`; `path` is for errors.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self> {
        let failed = |message| Error::ModelFile { path: path.to_owned(), message };
        let settings: Self =
            toml::from_str(text).map_err(|error| failed(error.to_string().trim().to_owned()))?;
        for (name, size) in [("size", settings.input.size), ("resize", settings.input.resize)] {
            let mut sides = size.into_iter().flat_map(Size::extents);
            if let Some(side) = sides.find(|side| !SIDES.contains(side)) {
                return Err(failed(format!("'{name}' is {side}; sides are 1 to {}", SIDES.end())));
            }
        }
        Ok(settings)
    }

    /// Finds the files of a model: of a network itself, of a `model.toml`, or of a folder with a `model.toml` or exactly one
    /// network (one description and one weight file, or one `.onnx`). Where a folder holds one in each format, Caffe's is
    /// taken: the other is commonly converted from it.
    ///
    /// # Errors
    /// When the path does not exist, or the folder leaves open which files are meant.
    pub fn locate(path: &Path) -> Result<Self> {
        let metadata =
            std::fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Settings::read(path);
        }
        if !metadata.is_dir() {
            return Ok(Settings { network: Some(path.to_owned()), ..Settings::default() });
        }
        let description = path.join("model.toml");
        if description.is_file() {
            return Settings::read(&description);
        }
        let files = |extension: &str, folder: &Path| -> Result<Vec<PathBuf>> {
            let entries =
                std::fs::read_dir(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let mut paths: Vec<PathBuf> =
                paths.filter(|path| path.extension().is_some_and(|own| own == extension)).collect();
            paths.sort();
            Ok(paths)
        };
        let (networks, weights, whole) =
            (files("prototxt", path)?, files("caffemodel", path)?, files("onnx", path)?);
        match (&networks[..], &weights[..], &whole[..]) {
            ([network], [weights], [] | [_]) => Ok(Settings {
                network: Some(network.clone()),
                weights: Some(weights.clone()),
                passed_over: whole,
                ..Settings::default()
            }),
            ([], [], [network]) => Ok(Settings { network: Some(network.clone()), ..Settings::default() }),
            // As Hugging Face keeps networks: in a folder of that name, often in several precisions.
            ([], [], []) if path.join("onnx").is_dir() => {
                let (mut named, others): (Vec<_>, Vec<_>) = files("onnx", &path.join("onnx"))?
                    .into_iter()
                    .partition(|file| file.file_name().is_some_and(|name| name == "model.onnx"));
                let (network, passed_over) = match (named.pop(), others) {
                    (Some(network), others) => (network, others),
                    (None, mut others) if others.len() == 1 => (others.remove(0), others),
                    (None, others) => {
                        return Err(Error::Model(format!(
                            "{}: its folder 'onnx' holds {} networks, and none is called model.onnx; name one of them",
                            path.display(),
                            others.len()
                        )));
                    }
                };
                Ok(Settings { network: Some(network), passed_over, ..Settings::default() })
            }
            ([], [], []) if of_folder(path).is_some() => {
                let shown = path.display().to_string();
                let what = of_folder(path).unwrap_or_default().replace("PATH", &shown);
                Err(Error::Model(format!("{shown} is {what}")))
            }
            _ => Err(Error::Model(format!(
                "{}: a model folder holds a model.toml, or exactly one .prototxt and one .caffemodel, or one .onnx; \
                 found {}, {} and {}",
                path.display(),
                networks.len(),
                weights.len(),
                whole.len()
            ))),
        }
    }

    /// These settings, and what they leave open from others.
    pub fn or(self, others: Self) -> Self {
        let (own, other) = (self.input, others.input);
        Self {
            name: self.name.or(others.name),
            network: self.network.or(others.network),
            weights: self.weights.or(others.weights),
            labels: self.labels.or(others.labels),
            score: self.score.or(others.score),
            original: self.original || others.original,
            random_weights: self.random_weights.or(others.random_weights),
            memory_limit: self.memory_limit.or(others.memory_limit),
            described_by: self.described_by.or(others.described_by),
            further_inputs: [self.further_inputs, others.further_inputs].concat(),
            outside_files: self.outside_files || others.outside_files,
            passed_over: [self.passed_over, others.passed_over].concat(),
            input: InputSettings {
                size: own.size.or(other.size),
                resize: own.resize.or(other.resize),
                crop: own.crop.or(other.crop),
                channel_order: own.channel_order.or(other.channel_order),
                raw_scale: own.raw_scale.or(other.raw_scale),
                mean: own.mean.or(other.mean),
                scale: own.scale.or(other.scale),
                interpolation: own.interpolation.or(other.interpolation),
            },
        }
    }
}

/// Whether a file lies in a folder or below, links followed; an empty path is the folder one works in.
pub(crate) fn lies_inside(folder: &Path, file: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match (folder.canonicalize(), file.canonicalize()) {
        (Ok(folder), Ok(file)) => file.starts_with(folder),
        _ => false,
    }
}

/// The name of the built-in list of classes.
pub const ILSVRC: &str = "ilsvrc2012";

/// Reads `bgr`, `rgb` or `grey`.
///
/// # Errors
/// When the text is none of these.
pub fn parse_channel_order(text: &str) -> std::result::Result<ChannelOrder, String> {
    match text.to_lowercase().as_str() {
        "bgr" => Ok(ChannelOrder::Bgr),
        "rgb" => Ok(ChannelOrder::Rgb),
        "grey" | "gray" => Ok(ChannelOrder::Grey),
        _ => Err(format!("expected bgr, rgb or grey, found '{text}'")),
    }
}

fn parsed<'de, D, T>(
    deserializer: D,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> std::result::Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn channel_order<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> std::result::Result<Option<ChannelOrder>, D::Error> {
    parsed(d, parse_channel_order)
}

fn interpolation<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> std::result::Result<Option<Interpolation>, D::Error> {
    parsed(d, |text| text.parse().map_err(|error: deepinside_vision::Error| error.to_string()))
}

fn crop<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Option<Crop>, D::Error> {
    parsed(d, |text| text.parse().map_err(|error: deepinside_vision::Error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_model_file() {
        let text = r#"
            network = "deploy.prototxt"
            weights = "net.caffemodel"
            labels = "ilsvrc2012"
            [input]
            resize = [256, 300]
            size = 227
            channel_order = "bgr"
            mean = [104, 117, 123.5]
            crop = "mirrored-centre"
        "#;
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.input.resize.unwrap().extents(), [256, 300]);
        assert_eq!(settings.input.size.unwrap().extents(), [227, 227]);
        assert_eq!(settings.input.crop, Some(Crop::MirroredCentre));
        assert_eq!(settings.input.mean, Some(MeanSetting::Pixel(vec![104.0, 117.0, 123.5])));
    }

    #[test]
    fn sides_have_a_limit() {
        for text in ["resize = 9000000000000000000", "size = [0, 4]", "resize = [4, 32769]"] {
            let error = Settings::parse(&format!("[input]\n{text}"), Path::new("model.toml")).unwrap_err();
            assert!(error.to_string().contains("sides are 1 to 32768"), "{error}");
        }
        assert!(Settings::parse("[input]\nresize = [4, 32768]", Path::new("model.toml")).is_ok());
    }

    #[test]
    fn names_what_it_does_not_know() {
        let message = toml::from_str::<Settings>("wieghts = \"x\"").unwrap_err().to_string();
        assert!(message.contains("wieghts"), "{message}");
        let message = toml::from_str::<Settings>("[input]\nchannel_order = \"brg\"").unwrap_err().to_string();
        assert!(message.contains("bgr, rgb or grey"), "{message}");
    }

    #[test]
    fn own_settings_win() {
        let flags = Settings { score: Some("fc8".into()), ..Settings::default() };
        let file = Settings { score: Some("prob".into()), name: Some("net".into()), ..Settings::default() };
        let merged = flags.or(file);
        assert_eq!((merged.score.as_deref(), merged.name.as_deref()), (Some("fc8"), Some("net")));
    }

    #[test]
    fn reads_sizes_and_means() {
        assert_eq!("227x300".parse::<Size>(), Ok(Size::Rectangle([227, 300])));
        assert!("0".parse::<Size>().is_err() && "99999999".parse::<Size>().is_err());
        assert_eq!("1, 2.5".parse::<MeanSetting>(), Ok(MeanSetting::Pixel(vec![1.0, 2.5])));
        assert_eq!("mean.npy".parse::<MeanSetting>(), Ok(MeanSetting::File("mean.npy".into())));
    }
}
