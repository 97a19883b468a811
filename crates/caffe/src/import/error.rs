//! Why a network that could be read cannot be computed: the layers contradict each other, their weights, or
//! us.

use deepinside_graph::{GraphError, Inconsistency};
use thiserror::Error;

use crate::Location;

/// Which layer an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlace {
    /// The layer's name.
    pub layer: String,
    /// The layer's type, as written in files of today ("Convolution").
    pub kind: String,
    /// Where the layer starts in the text.
    pub location: Location,
}

impl std::fmt::Display for LayerPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { layer, kind, location } = self;
        if location.line == 0 {
            write!(formatter, "layer '{layer}' ({kind})")
        } else {
            write!(formatter, "layer '{layer}' ({kind}, line {})", location.line)
        }
    }
}

/// Why a network could not be turned into a graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A layer of a type that cannot be computed, or of no type of Caffe's at all.
    #[error("{place}: layers of this type are not supported{}", did_you_mean(.nearest))]
    UnsupportedType {
        /// The layer.
        place: Box<LayerPlace>,
        /// The supported type with the most similar name, if one is similar.
        nearest: Option<String>,
    },

    /// A supported layer that asks for something which is not supported.
    #[error("{place}: {what}")]
    Unsupported {
        /// The layer.
        place: Box<LayerPlace>,
        /// What is not supported, and why or what to do.
        what: String,
    },

    /// A setting of a layer that does not fit the layer or its inputs.
    #[error("{place}: {cause}")]
    Setting {
        /// The layer.
        place: Box<LayerPlace>,
        /// What does not fit.
        #[source]
        cause: Inconsistency,
    },

    /// The graph refused what a layer adds to it.
    #[error("{place}: {cause}")]
    Graph {
        /// The layer.
        place: Box<LayerPlace>,
        /// What the graph says.
        #[source]
        cause: GraphError,
    },

    /// A layer reads a blob that no earlier layer writes.
    #[error("{place}: no earlier layer writes its input '{blob}'{}", did_you_mean(.nearest))]
    UnknownBlob {
        /// The layer.
        place: Box<LayerPlace>,
        /// The blob.
        blob: String,
        /// The blob with the most similar name, if one is similar.
        nearest: Option<String>,
    },

    /// A layer that is needed reads a blob of a layer that is left out of TEST.
    #[error("{place}: its input '{blob}' comes from layer '{writer}', which is left out ({reason})")]
    DroppedBlob {
        /// The layer.
        place: Box<LayerPlace>,
        /// The blob.
        blob: String,
        /// The layer left out.
        writer: String,
        /// Why it is left out.
        reason: String,
    },

    /// Two layers write one blob, and not as an in-place layer may.
    #[error(
        "{place}: it writes blob '{blob}', which layer '{first}' writes already; give it a name of its own (an in-place \
         layer must be the only reader of the blob, and name it at the same place among inputs and outputs)"
    )]
    TwoWriters {
        /// The second layer.
        place: Box<LayerPlace>,
        /// The blob.
        blob: String,
        /// The first layer.
        first: String,
    },

    /// Layers need weights and no weight file was given.
    #[error(
        "{count} layers need trained weights, the first is '{first}'; pass the .caffemodel file with --weights"
    )]
    WeightsNeeded {
        /// How many layers need some.
        count: usize,
        /// The first of them.
        first: String,
    },

    /// Layers need weights which the file does not have.
    #[error(
        "the weight file has no weights for {}; it belongs to another network, or layers were renamed",
        list(.layers)
    )]
    WeightsMissing {
        /// All layers without weights, in the order of the network.
        layers: Vec<MissingWeights>,
    },

    /// The file has more or fewer arrays of weights for a layer than the layer uses.
    #[error("{place}: it uses {expected} arrays of weights, the weight file has {found}")]
    WeightCount {
        /// The layer.
        place: Box<LayerPlace>,
        /// How many the layer uses.
        expected: usize,
        /// How many the file has.
        found: usize,
    },

    /// An array of weights has another shape than the layer needs.
    #[error("{place}: its {what} must have the shape {expected}, the weight file has {found}")]
    WeightShape {
        /// The layer.
        place: Box<LayerPlace>,
        /// Which array, as "weights" or "bias".
        what: &'static str,
        /// The shape that the layer needs.
        expected: String,
        /// The shape in the file.
        found: String,
    },

    /// A shape was given for an input that the network does not have.
    #[error("the network has no input '{input}'; it has {}", .inputs.join(", "))]
    UnknownInput {
        /// The name given.
        input: String,
        /// The inputs that there are.
        inputs: Vec<String>,
    },
}

impl ImportError {
    /// The layer that the error is about, with its place in the text, if it is about one.
    pub fn place(&self) -> Option<&LayerPlace> {
        match self {
            Self::UnsupportedType { place, .. }
            | Self::Unsupported { place, .. }
            | Self::Setting { place, .. }
            | Self::Graph { place, .. }
            | Self::UnknownBlob { place, .. }
            | Self::DroppedBlob { place, .. }
            | Self::TwoWriters { place, .. }
            | Self::WeightCount { place, .. }
            | Self::WeightShape { place, .. } => Some(place),
            Self::WeightsNeeded { .. } | Self::WeightsMissing { .. } | Self::UnknownInput { .. } => None,
        }
    }
}

/// A layer which the weight file has no weights for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingWeights {
    /// The layer.
    pub place: LayerPlace,
    /// The layer of the weight file with the most similar name, if one is similar.
    pub nearest: Option<String>,
}

/// How many missing layers a message names before it only counts the rest.
const NAMED: usize = 10;

fn list(layers: &[MissingWeights]) -> String {
    let mut text = String::new();
    for (position, missing) in layers.iter().take(NAMED).enumerate() {
        text += if position > 0 { ", " } else { "" };
        text += &missing.place.to_string();
        if let Some(nearest) = &missing.nearest {
            text += &format!(" (it has '{nearest}')");
        }
    }
    match layers.len().checked_sub(NAMED) {
        Some(rest) if rest > 0 => text + &format!(" and {rest} more layers"),
        _ => text,
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean '{nearest}'?"))
}
