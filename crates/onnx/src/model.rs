//! Reading the file.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use deepinside_graph::{Budget, Interrupt};
use mapped_file::MappedFile;
use prost::Message;

use crate::external::ExternalData;
use crate::{OnnxError, class_names, detection, inline, limits, proto};

/// A decoded ONNX model whose weights still lie in their files.
#[derive(Debug)]
pub struct Model {
    pub(crate) proto: proto::Model,
    pub(crate) file: Option<Arc<MappedFile>>,
    pub(crate) external: ExternalData,
    /// The bytes of its own file.
    size: u64,
    /// What was left out of the graph, in a sentence.
    pub(crate) left_out: Option<detection::LeftOut>,
}

/// What the file says about one of the network's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDescription {
    /// The tensor's name.
    pub name: String,
    /// For each axis its extent, or the name under which the file leaves it open (empty where it has none). `None` where
    /// the file says nothing about the shape.
    pub extents: Option<Vec<Result<i64, String>>>,
    /// What its elements are.
    pub elements: Elements,
    /// How many channels the first convolution that reads it takes; `None` where none does, or its filters are not constant.
    pub channels: Option<usize>,
}

/// What the elements of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// Floating-point numbers.
    Floats,
    /// Whole numbers, of which a picture's levels are 0 to 255.
    WholeNumbers,
    /// Signed bytes, −128 to 127.
    SignedBytes,
}

impl Model {
    /// Reads a model; the weights are mapped, not read.
    ///
    /// # Errors
    /// When the file cannot be opened or is no ONNX model.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let file =
            MappedFile::open(path).map_err(|source| OnnxError::Io { path: path.to_owned(), source })?;
        Self::decode(file.bytes(), Some(file), ExternalData::beside(path))
    }

    /// Reads a model that lies in memory.
    ///
    /// # Errors
    /// When the bytes are no ONNX model.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, OnnxError> {
        Self::decode(bytes, None, ExternalData::default())
    }

    fn decode(
        bytes: Bytes,
        file: Option<Arc<MappedFile>>,
        external: ExternalData,
    ) -> Result<Self, OnnxError> {
        limits::check(&bytes)?;
        let size = bytes.len() as u64;
        let mut proto =
            proto::Model::decode(bytes).map_err(|cause| OnnxError::Malformed { what: cause.to_string() })?;
        if proto.graph.is_none() {
            return Err(OnnxError::Malformed { what: "it has no graph".to_owned() });
        }
        inline::inline(&mut proto)?;
        let names = proto.graph.as_mut().and_then(class_names::leave_naming_out).unwrap_or_default();
        if !names.is_empty() {
            let value = class_names::as_json(&names);
            proto.metadata_props.push(proto::Entry { key: "class_names".to_owned(), value });
        }
        let left_out = proto.graph.as_mut().and_then(detection::leave_selection_out);
        Ok(Self { proto, file, external, size, left_out })
    }

    /// The program that wrote the file, as "pytorch 2.5.0"; empty where the file does not say.
    pub fn producer(&self) -> String {
        format!("{} {}", self.proto.producer_name, self.proto.producer_version).trim().to_owned()
    }

    /// Whether the file is a detector's of whose results none is left: all depend on the choice among its boxes, which is left out.
    pub fn is_detector(&self) -> bool {
        self.left_out.as_ref().is_some_and(|left_out| left_out.are_all_results)
    }

    /// What else the file says about itself, as pairs of key and value.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.proto.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()))
    }

    /// The files beside the model's own that hold its tensors, as far as they have been read: all once it is imported.
    pub fn external_files(&self) -> Vec<std::path::PathBuf> {
        self.external.read_files()
    }

    /// Checks that the model's files are as they were when they were opened.
    ///
    /// # Errors
    /// When one was changed since.
    pub(crate) fn check_unchanged(&self) -> Result<(), OnnxError> {
        let own = self.file.as_ref().map_or(Ok(()), |file| file.check_unchanged());
        own.and_then(|()| self.external.check_unchanged()).map_err(|source| OnnxError::Changed { source })
    }

    /// What computing its constants may take. It grows with the other files that are found.
    pub(crate) fn budget(&self, interrupt: Interrupt) -> Budget {
        Budget::for_file(self.size(), interrupt)
    }

    /// The bytes of its own file and of those beside it that have been read so far.
    pub fn size(&self) -> u64 {
        self.size + self.external.size()
    }

    /// The inputs that are fed from outside, in the order of the file.
    pub fn inputs(&self) -> Vec<InputDescription> {
        let Some(graph) = &self.proto.graph else { return Vec::new() };
        self.fed(graph).map(|input| describe(input, graph)).collect()
    }

    /// The inputs of the graph that no initialiser gives: files of the first versions list their weights there too.
    pub(crate) fn fed<'a>(&self, graph: &'a proto::Graph) -> impl Iterator<Item = &'a proto::ValueInfo> {
        let known: std::collections::HashSet<&str> =
            graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        graph.input.iter().filter(move |input| !known.contains(input.name.as_str()))
    }
}

fn describe(input: &proto::ValueInfo, graph: &proto::Graph) -> InputDescription {
    use proto::dimension::Value;
    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let extents = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        let extent = |dimension: &proto::Dimension| match &dimension.value {
            // Some exporters write −1 for what is open.
            Some(Value::DimValue(extent)) if *extent >= 0 => Ok(*extent),
            Some(Value::DimParam(name)) => Err(name.clone()),
            _ => Err(String::new()),
        };
        shape.dim.iter().map(extent).collect()
    });
    let elements = match tensor.map_or(1, |tensor| tensor.elem_type) {
        1 | 10 | 11 | 16 => Elements::Floats,
        3 => Elements::SignedBytes,
        _ => Elements::WholeNumbers,
    };
    InputDescription { name: input.name.clone(), extents, elements, channels: channels(&input.name, graph) }
}

/// How many channels the first convolution that reads a tensor takes.
fn channels(name: &str, graph: &proto::Graph) -> Option<usize> {
    let reads =
        |node: &&proto::Node| node.op_type == "Conv" && node.input.first().is_some_and(|first| first == name);
    let node = graph.node.iter().find(reads)?;
    let filters = graph.initializer.iter().find(|tensor| Some(&tensor.name) == node.input.get(1))?;
    let groups = node.attribute.iter().find(|attribute| attribute.name == "group").map_or(1, |group| group.i);
    usize::try_from(filters.dims.get(1)?.checked_mul(groups)?).ok()
}
