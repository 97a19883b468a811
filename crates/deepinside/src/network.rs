//! From files to a graph, whatever their format.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use deepinside_caffe::{BlobGradient, CaffeError, ImportError, Location, ReadOptions};
use deepinside_files::bytes::readable;
use deepinside_files::{Array, whole_file};
use deepinside_graph::{Budget, Constant, Graph, GraphBuilder, Interrupt, Shape, ValueId, Weights, pass};
use deepinside_onnx::Elements;

use crate::error::Place;
use crate::file_kind::FileKind;
use crate::settings::Size;
use crate::{Error, Result};

/// The largest network description that is read, in bytes.
const LARGEST_DESCRIPTION: u64 = deepinside_caffe::MAX_TEXT_BYTES as u64;

/// The side of the pictures of nearly all networks for ImageNet, where a file leaves it open.
const USUAL_SIDE: usize = 224;

/// Where a network comes from. Formats differ in what their networks are usually fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Caffe description with weights.
    Caffe,
    /// An ONNX file.
    Onnx,
}

/// A network as a graph, and what its format calls things.
#[derive(Debug)]
pub(crate) struct Network {
    pub format: Format,
    /// The program that wrote the file, where it says.
    pub producer: String,
    pub graph: Graph,
    /// What is fed from outside, by the names in the file.
    pub inputs: Vec<NamedInput>,
    /// What the file's names show, in its order.
    pub tensors: Vec<NamedTensor>,
    /// What was left out or assumed, as sentences.
    pub warnings: Vec<String>,
    /// Whether the file leaves the size of its pictures open.
    pub open_size: bool,
    /// The bytes of its files.
    pub bytes: u64,
    /// What the numbers of its picture are.
    pub elements: Elements,
    /// Whether its results are a detector's boxes and scores, the choice among which was left out.
    pub is_detector: bool,
    /// Further files that hold its weights.
    pub external_files: Vec<PathBuf>,
    /// What an ONNX file says about itself, as pairs of key and value.
    pub metadata: Vec<(String, String)>,
    /// What a Caffe description says about the preparation of pictures.
    pub transform: Option<deepinside_caffe::Transform>,
}

/// An input by its name in the file.
#[derive(Debug)]
pub(crate) struct NamedInput {
    pub name: String,
    pub value: ValueId,
    /// The number that it is filled with where nothing is fed.
    pub fill: Option<f32>,
}

/// What is seen under a name of the file. In Caffe one name may show the data of one value and the gradient of another.
#[derive(Debug, Clone)]
pub(crate) struct NamedTensor {
    pub name: String,
    pub shape: Shape,
    pub data: ValueId,
    /// The value whose gradient is seen; none where it is always zero.
    pub gradient: Option<ValueId>,
}

/// What is asked of a network while it is read.
#[derive(Debug, Default)]
pub(crate) struct OpenOptions {
    /// Add Caffe's Split layers, so that each reader of a blob has a gradient of its own.
    pub splits: bool,
    /// Shapes of inputs by name.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Numbers of further inputs by name; one number alone fills its input.
    pub known_inputs: BTreeMap<String, Array>,
    /// Height and width of the pictures.
    pub size: Option<Size>,
    /// Height and width of the pictures where the file leaves them open; see [`USUAL_SIDE`].
    pub usual_size: Option<Size>,
    /// Let weights that no file holds be zeros.
    pub without_weights: bool,
    /// Stops the reading.
    pub interrupt: Interrupt,
}

/// Reads a network in any format, which the first byte of its file tells.
pub(crate) fn open(network: &Path, weights: Option<&Path>, options: &OpenOptions) -> Result<Network> {
    FileKind::of_file(network)?.expect_network(network)?;
    if !is_onnx(network)? {
        if let Some(weights) = weights {
            FileKind::of_file(weights)?.expect_weights(weights)?;
        }
        return open_caffe(network, weights, options);
    }
    if let Some(weights) = weights {
        return Err(Error::Option(format!(
            "{} is an ONNX file, which holds its weights; leave out the weights {}",
            network.display(),
            weights.display()
        )));
    }
    let failed = |cause| Error::onnx(network, cause);
    let model = deepinside_onnx::Model::open(network).map_err(failed)?;
    import_onnx(&model, options).map_err(failed)
}

/// An ONNX file begins with the field of its version, which no text begins with.
fn is_onnx(path: &Path) -> Result<bool> {
    const VERSION_FIELD: u8 = 0x08;
    if path.extension().is_some_and(|extension| extension == "onnx") {
        return Ok(true);
    }
    let io = |source| Error::Io { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(io)?;
    // A file without a length, such as /proc/kmsg, may have no end and no beginning either.
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut first = [0];
    let count = std::fs::File::open(path).map_err(io)?.read(&mut first).map_err(io)?;
    Ok(count == 1 && first[0] == VERSION_FIELD)
}

/// What an ONNX file says about the extents of a picture that it takes, some of which it may leave open.
struct OpenPicture {
    extents: Vec<Option<usize>>,
    /// The first axis that is no number of pictures.
    first: usize,
    /// The axes of height and width.
    spatial: [usize; 2],
}

impl OpenPicture {
    /// `None` where the input is no picture: of another number of axes, or of three that are not those of the only input. An only input
    /// about which the file says nothing is taken for pictures.
    fn of(input: &deepinside_onnx::InputDescription, is_only: bool) -> Option<Self> {
        let known = |extent: &std::result::Result<i64, String>| {
            extent.as_ref().ok().and_then(|&extent| usize::try_from(extent).ok())
        };
        let extents: Vec<Option<usize>> = match &input.extents {
            Some(extents) => extents.iter().map(known).collect(),
            None if is_only => vec![None; 4],
            None => return None,
        };
        let is_colour = |axis: usize| matches!(extents[axis], Some(1 | 3));
        let first = match extents.len() {
            4 => 1,
            // A single picture without an axis for their number.
            3 if is_only && (is_colour(0) || is_colour(2)) => 0,
            _ => return None,
        };
        let spatial = match !is_colour(first) && is_colour(first + 2) {
            true => [first, first + 1],
            false => [first + 1, first + 2],
        };
        Some(Self { extents, first, spatial })
    }

    /// The shape with what is open filled, and with the size where that is asked for.
    fn shape(&self, size: [usize; 2], resized: bool, channels: Option<usize>) -> Vec<usize> {
        let extent = |(axis, &extent): (usize, &Option<usize>)| match self
            .spatial
            .iter()
            .position(|&spatial| spatial == axis)
        {
            Some(position) if resized => size[position],
            Some(position) => extent.unwrap_or(size[position]),
            None if axis < self.first => extent.unwrap_or(1),
            None => extent.unwrap_or(channels.unwrap_or(3)),
        };
        self.extents.iter().enumerate().map(extent).collect()
    }
}

/// Turns a decoded ONNX model into a network; what it leaves open about its pictures gets the size that is asked for, or
/// the usual one.
pub(crate) fn import_onnx(
    model: &deepinside_onnx::Model,
    options: &OpenOptions,
) -> std::result::Result<Network, deepinside_onnx::OnnxError> {
    let mut input_shapes = options.input_shapes.clone();
    let mut open_size = false;
    let mut elements = None;
    let fed: Vec<_> =
        model.inputs().into_iter().filter(|input| !options.known_inputs.contains_key(&input.name)).collect();
    for input in &fed {
        let Some(picture) = OpenPicture::of(input, fed.len() == 1) else { continue };
        elements.get_or_insert(input.elements);
        let is_open = picture.spatial.iter().any(|&axis| picture.extents[axis].is_none());
        let any_open = picture.extents[picture.first..].iter().any(Option::is_none);
        if (any_open || options.size.is_some()) && !input_shapes.contains_key(&input.name) {
            let size = options.size.or(options.usual_size).unwrap_or(Size::Side(USUAL_SIDE)).extents();
            input_shapes
                .insert(input.name.clone(), picture.shape(size, options.size.is_some(), input.channels));
            open_size |= is_open && options.size.is_none();
        }
    }
    let known = options.known_inputs.iter().map(|(name, array)| {
        let numbers = array.data().iter().map(|&number| f64::from(number)).collect();
        let shape = Shape::new(array.shape().to_vec());
        let constant = shape.and_then(|shape| Constant::new(shape, numbers));
        let input = name.clone();
        Ok((name.clone(), constant.map_err(|cause| deepinside_onnx::OnnxError::Input { input, cause })?))
    });
    let import = deepinside_onnx::ImportOptions {
        input_shapes,
        known_inputs: known.collect::<std::result::Result<_, deepinside_onnx::OnnxError>>()?,
        without_weights: options.without_weights,
        interrupt: options.interrupt.clone(),
    };
    let imported = deepinside_onnx::import(model, &import)?;
    let graph = imported.graph;
    let inputs = graph.inputs().iter().map(|&value| NamedInput {
        name: graph.value(value).name.clone(),
        value,
        fill: None,
    });
    let tensors = imported.tensors.into_iter().map(|(name, value)| NamedTensor {
        name,
        shape: graph.value(value).shape.clone(),
        data: value,
        gradient: Some(value),
    });
    Ok(Network {
        format: Format::Onnx,
        producer: model.producer(),
        inputs: inputs.collect(),
        tensors: tensors.collect(),
        warnings: imported.warnings,
        graph,
        open_size,
        bytes: model.size(),
        elements: elements.unwrap_or(Elements::Floats),
        is_detector: model.is_detector(),
        external_files: model.external_files(),
        metadata: model.metadata().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        transform: None,
    })
}

/// How long a file is; one that is gone by now holds nothing.
fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |known| known.len())
}

/// Reads a Caffe network description and, if named, its weights.
fn open_caffe(network: &Path, weights: Option<&Path>, options: &OpenOptions) -> Result<Network> {
    // An array settles the shape of its input.
    let known_shapes = options.known_inputs.iter().filter(|(_, array)| !array.shape().is_empty());
    let mut given = options.input_shapes.clone();
    given.extend(known_shapes.map(|(name, array)| (name.clone(), array.shape().to_vec())));
    let (mut imported, transform) = import_caffe(network, weights, options, given.clone())?;
    bind_caffe_inputs(&mut imported, options)?;
    if let Some(size) = options.size {
        let input = image_input(&imported.graph)?;
        let &[batch, channels, ..] = imported.graph.value(input).shape.extents() else {
            return Err(Error::Model("the network's input has no four axes".to_owned()));
        };
        let [height, width] = size.extents();
        let named = imported.inputs.iter().find(|named| named.value == input);
        let name = named.map_or_else(|| imported.graph.value(input).name.clone(), |named| named.name.clone());
        given.insert(name, vec![batch, channels, height, width]);
        imported = import_caffe(network, weights, options, given)?.0;
        bind_caffe_inputs(&mut imported, options)?;
    }
    let computed = imported.blobs.entries().iter();
    let computed = computed.filter(|blob| imported.graph.value(blob.data).weights().is_none());
    let tensors = computed.map(|blob| NamedTensor {
        name: blob.name.clone(),
        shape: blob.shape.clone(),
        data: blob.data,
        gradient: match blob.gradient {
            BlobGradient::Value(value) => Some(value),
            BlobGradient::Zero => None,
        },
    });
    let is_detector = imported.is_detector();
    let warnings = imported.warnings.iter().map(|warning| match warning.line {
        0 => warning.message.clone(),
        line => format!("line {line}: {}", warning.message),
    });
    Ok(Network {
        format: Format::Caffe,
        producer: String::new(),
        tensors: tensors.collect(),
        warnings: warnings.collect(),
        inputs: imported
            .inputs
            .into_iter()
            .map(|input| NamedInput { name: input.name, value: input.value, fill: input.fill })
            .collect(),
        graph: imported.graph,
        open_size: false,
        bytes: [Some(network), weights].into_iter().flatten().map(length).sum(),
        elements: Elements::Floats,
        is_detector,
        external_files: Vec::new(),
        metadata: Vec::new(),
        transform,
    })
}

/// Makes inputs whose numbers are known constants: those that are given, and what Caffe fills by itself. A trace, which asks for Caffe's
/// splits, shows the latter as inputs.
fn bind_caffe_inputs(imported: &mut deepinside_caffe::Imported, options: &OpenOptions) -> Result<()> {
    let mut numbers = BTreeMap::new();
    if let Some(name) =
        options.known_inputs.keys().find(|name| imported.inputs.iter().all(|input| input.name != **name))
    {
        let names: Vec<String> = imported.inputs.iter().map(|input| format!("'{}'", input.name)).collect();
        return Err(Error::Option(format!("the network has no input '{name}'; it has {}", names.join(", "))));
    }
    // What takes the picture stays open, though the file may fill it.
    let is_picture = |input: &&deepinside_caffe::NamedInput| {
        matches!(imported.graph.value(input.value).shape.extents(), [_, 1 | 3, _, _])
    };
    let mut pictures = imported.inputs.iter().filter(is_picture);
    let picture = pictures.clone().find(|input| input.fill.is_none()).or(pictures.next());
    let picture = picture.map(|input| input.value);
    for input in &imported.inputs {
        let shape = &imported.graph.value(input.value).shape;
        let weights = match (options.known_inputs.get(&input.name), input.fill) {
            (Some(array), _) => match array.data() {
                &[number] if array.shape().is_empty() => Weights::filled(shape.clone(), number),
                numbers => {
                    let array_shape = Shape::new(array.shape().to_vec());
                    let weights = array_shape.and_then(|shape| Weights::from_f32(shape, numbers));
                    weights.map_err(|cause| Error::Option(format!("input '{}': {cause}", input.name)))?
                }
            },
            (None, Some(number)) if !options.splits && picture != Some(input.value) => {
                Weights::filled(shape.clone(), number)
            }
            _ => continue,
        };
        numbers.insert(input.value, weights);
    }
    if numbers.is_empty() {
        return Ok(());
    }
    imported.inputs.retain(|input| !numbers.contains_key(&input.value));
    let graph = std::mem::replace(&mut imported.graph, GraphBuilder::new("").finish(&[]));
    let budget = Budget::for_file(0, options.interrupt.clone());
    imported.graph = pass::bind_inputs(graph, &numbers, &budget)?;
    Ok(())
}

/// The import itself, with other shapes of inputs by name.
fn import_caffe(
    network: &Path,
    weights: Option<&Path>,
    options: &OpenOptions,
    input_shapes: BTreeMap<String, Vec<usize>>,
) -> Result<(deepinside_caffe::Imported, Option<deepinside_caffe::Transform>)> {
    let bytes = whole_file::read(network, LARGEST_DESCRIPTION).map_err(|error| match error {
        deepinside_files::Error::FileTooLong { origin, bytes, limit } => Error::Model(format!(
            "{origin}: a network description has at most {}, this file has {}; are description and weights confused?",
            readable(limit),
            readable(bytes)
        )),
        other => other.into(),
    })?;
    let read = ReadOptions { insert_splits: options.splits, ..ReadOptions::default() };
    let description = deepinside_caffe::read_network(&bytes, &read).map_err(|error| {
        let location = match &error {
            CaffeError::Syntax { location, .. } | CaffeError::Layer { location, .. } => Some(*location),
            _ => None,
        };
        described(network, &String::from_utf8_lossy(&bytes), location, error.to_string())
    })?;
    let weights = match weights {
        Some(path) => Some(
            deepinside_caffe::read_weights(path)
                .map_err(|cause| Error::Weights { path: path.to_owned(), cause: Box::new(cause) })?,
        ),
        None => None,
    };
    let import = deepinside_caffe::ImportOptions { input_shapes, without_weights: options.without_weights };
    let mut imported = deepinside_caffe::import(&description, weights.as_ref(), &import)
        .map_err(|error| described(network, &description.source, place_of(&error), error.to_string()))?;
    let transform = description.transform();
    imported.warnings.splice(0..0, description.warnings);
    imported.graph.check_files().map_err(|source| Error::Model(source.to_string()))?;
    Ok((imported, transform))
}

fn described(path: &Path, text: &str, location: Option<Location>, message: String) -> Error {
    let place = location.filter(|location| location.line > 0).map(|location| Place {
        line: location.line,
        offset: location.offset,
        length: location.length,
        text: text.into(),
    });
    Error::Description { path: path.to_owned(), place: place.map(Box::new), message }
}

/// The layer that an import failed at.
fn place_of(error: &ImportError) -> Option<Location> {
    error.place().map(|place| place.location)
}

/// The input that takes a picture: the first with four axes.
pub(crate) fn image_input(graph: &Graph) -> Result<ValueId> {
    let is_image = |value: &&ValueId| {
        let shape = &graph.value(**value).shape;
        shape.rank() == 4 && matches!(shape.extents()[1], 1 | 3) && shape.elements() > 0
    };
    // A mean or a deviation of 1×1×1×3 has the axes of a picture too.
    let is_large =
        |value: &&ValueId| graph.value(**value).shape.extents()[2..].iter().all(|&extent| extent > 1);
    let mut images = graph.inputs().iter().filter(is_image);
    let large = images.clone().find(is_large);
    let input = *large.or_else(|| images.next()).ok_or_else(|| {
        let found = graph
            .inputs()
            .iter()
            .map(|&value| format!("'{}' {}", graph.value(value).name, graph.value(value).shape));
        Error::Model(format!(
            "the network takes no picture: an input of N×1×H×W or N×3×H×W is needed, found {}",
            found.collect::<Vec<_>>().join(", ")
        ))
    })?;
    let consumers = graph.consumers();
    let mut others = graph
        .inputs()
        .iter()
        .filter(|value| **value != input && !(is_image(value) && is_large(value) == large.is_some()));
    if let Some(&other) = others.find(|value| !consumers[value.index()].is_empty()) {
        let shape = graph.value(other).shape.to_string();
        return Err(Error::FurtherInput { name: graph.value(other).name.clone(), shape });
    }
    Ok(input)
}
