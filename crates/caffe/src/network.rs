//! A network description, normalised: today's layers, only those that take part, each with its place in the file.

use crate::{
    error::{CaffeError, Warning, Warnings},
    filter::{NetState, filter},
    proto::LayerParameter,
    splits::insert_splits,
    text::{Location, parse_network},
    upgrade::upgrade,
};

/// Longest name of a layer or blob, in bytes.
const MAX_NAME_BYTES: usize = 1_000;

/// Most inputs and outputs of all layers together.
const MAX_CONNECTIONS: usize = 200_000;

/// How to read a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// What the include and exclude rules are tested against. Stages that the file itself sets are added.
    pub state: NetState,
    /// Whether to add Caffe's Split layers, and with that to check that every input is some layer's output.
    pub insert_splits: bool,
}

impl Default for ReadOptions {
    /// Phase TEST, with Split layers, as Caffe runs the network.
    fn default() -> Self {
        Self { state: NetState::default(), insert_splits: true }
    }
}

/// The generation of Caffe's format that a file was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// `layers { layer { type: "conv" … } }`.
    V0,
    /// `layers { type: CONVOLUTION … }`.
    V1,
    /// `layer { type: "Convolution" … }`.
    V2,
}

/// A layer and where it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The layer in today's form.
    pub parameter: LayerParameter,
    /// The `layer` or `layers` that it starts with; the producer's for an inserted Split, the first `input` for inputs
    /// declared at the top of the file.
    pub location: Location,
}

impl Layer {
    /// The error that something is wrong with this layer: a sentence that says what, and what would be right.
    pub fn error(&self, message: impl Into<String>) -> CaffeError {
        CaffeError::Layer {
            layer: self.parameter.name().to_owned(),
            kind: self.parameter.r#type().to_owned(),
            location: self.location,
            message: message.into(),
        }
    }
}

/// A network description, normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The name that the file gives it; empty if none.
    pub name: String,
    /// The layers that take part, in the order of the file. Their inputs may all be resolved by looking back.
    pub layers: Vec<Layer>,
    /// Whether Caffe would compute gradients down to the inputs.
    pub force_backward: bool,
    /// The state that the layers were chosen by.
    pub state: NetState,
    /// The generation of the file.
    pub generation: Generation,
    /// What is probably not meant.
    pub warnings: Vec<Warning>,
    /// The text of the file as it was decoded, which the locations point into.
    pub source: String,
}

/// Reads a description (`.prototxt`) of any generation.
///
/// # Errors
/// [`CaffeError::WrongFormat`] for files that are no text, [`CaffeError::Syntax`] for text that is no description,
/// [`CaffeError::TooLarge`] beyond the limits, [`CaffeError::Layer`] for contradictory rules, padding layers that cannot
/// be merged and unknown inputs, and [`CaffeError::Network`] for a description without layers or with inputs without
/// shapes. Whether the layer *types* are supported is not looked at here.
pub fn read_network(bytes: &[u8], options: &ReadOptions) -> Result<Network, CaffeError> {
    let mut warnings = Warnings::default();
    let mut parsed = parse_network(bytes, &mut warnings)?;
    let (mut layers, generation) = upgrade(&mut parsed, &mut warnings)?;
    if layers.is_empty() {
        return Err(CaffeError::Network {
            message: "the description has no layers; is it a solver's settings rather than a network?"
                .to_owned(),
        });
    }
    check_limits(&layers)?;
    let mut state = options.state.clone();
    if let Some(file_state) = &parsed.parameter.state {
        state.stages.extend(file_state.stage.iter().cloned());
    }
    let all = layers.len();
    layers = filter(layers, &state)?;
    if layers.is_empty() {
        return Err(CaffeError::Network {
            message: format!("none of the {all} layers takes part in phase {}", state.phase.as_str_name()),
        });
    }
    if options.insert_splits {
        layers = insert_splits(layers)?;
    }
    Ok(Network {
        name: parsed.parameter.name().to_owned(),
        layers,
        force_backward: parsed.parameter.force_backward(),
        state,
        generation,
        warnings: warnings.finish(),
        source: parsed.source,
    })
}

/// Names go into the names of split blobs once for each reader; without limits a short text could ask for terabytes.
fn check_limits(layers: &[Layer]) -> Result<(), CaffeError> {
    let mut connections = 0;
    for layer in layers {
        let parameter = &layer.parameter;
        connections += parameter.bottom.len() + parameter.top.len();
        let names = parameter.bottom.iter().chain(&parameter.top).chain(&parameter.name);
        if let Some(longest) = names.map(String::len).max().filter(|longest| *longest > MAX_NAME_BYTES) {
            return Err(CaffeError::TooLarge {
                what: "bytes in the name of a layer or blob",
                found: longest as u64,
                limit: MAX_NAME_BYTES as u64,
            });
        }
    }
    if connections > MAX_CONNECTIONS {
        return Err(CaffeError::TooLarge {
            what: "inputs and outputs of layers",
            found: connections as u64,
            limit: MAX_CONNECTIONS as u64,
        });
    }
    Ok(())
}
