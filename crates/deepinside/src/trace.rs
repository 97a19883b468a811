//! The numeric door: every tensor of a network by the file's own names.
//!
//! One name, one data, one diff. Of a Caffe network this is what Caffe's Python interface would show: the data are the last
//! value written under that name, the diff is what Caffe's backward pass leaves there, Caffe's inserted split blobs
//! included. Nothing is folded or fused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deepinside_engine::{Plan, PlanOptions, Precision, Session, Target, Threads};
use deepinside_files::Array;
use deepinside_graph::ValueId;

use crate::network::{Network, OpenOptions, open};
use crate::score::no_such_value;
use crate::{Error, Result, expect_finite};

/// A top gradient of one blob.
#[derive(Debug, Clone, PartialEq)]
pub enum Seed {
    /// A gradient for every element.
    Dense(Array),
    /// Numbers at positions counted in C order, zero elsewhere.
    Elements(Vec<(usize, f32)>),
}

/// One blob.
#[derive(Debug, Clone)]
pub struct TracedBlob {
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Array,
    /// Its gradient; `None` when no seed was given.
    pub diff: Option<Array>,
}

/// All that a network computed.
#[derive(Debug, Clone)]
pub struct Traced {
    /// All tensors in the file's order.
    pub blobs: Vec<TracedBlob>,
    /// What the files are suspicious for.
    pub warnings: Vec<String>,
    /// Further files that hold the network's weights.
    pub external_files: Vec<PathBuf>,
}

/// Runs a network forward, and backward from the seeds if there are any.
///
/// # Errors
/// When files do not fit together, an input is missing or has another number of axes, or a name does not exist.
pub fn trace(
    network: &Path,
    weights: Option<&Path>,
    inputs: &BTreeMap<String, Array>,
    seeds: &BTreeMap<String, Seed>,
    precision: Precision,
    threads: &Threads,
) -> Result<Traced> {
    let shapes = inputs.iter().map(|(name, array)| (name.clone(), array.shape().to_vec())).collect();
    let options = OpenOptions { splits: true, input_shapes: shapes, ..OpenOptions::default() };
    let network = open(network, weights, &options)
        .or_else(|error| with_known_inputs(network, inputs, error))
        .map_err(|error| misfit(network, weights, inputs, error))?;
    let (graph, view) = (&network.graph, &network.tensors);
    let find = |name: &str| -> Result<ValueId> {
        let tensor = view.iter().find(|tensor| tensor.name == name);
        tensor.map(|tensor| tensor.data).ok_or_else(|| no_such_value(graph, name))
    };
    let mut targets: Vec<(ValueId, Target)> = Vec::new();
    for (name, seed) in seeds {
        let value = find(name)?;
        targets.push((value, target(name, graph.value(value).shape.elements(), seed)?));
    }
    let gradients: Vec<ValueId> = match seeds.is_empty() {
        true => Vec::new(),
        false => view.iter().filter_map(|tensor| tensor.gradient).collect(),
    };
    let plan = Plan::new(
        graph,
        &PlanOptions {
            activations: view.iter().map(|blob| blob.data).collect(),
            gradients,
            targets: targets.iter().map(|(value, _)| *value).collect(),
            precision,
            ..PlanOptions::default()
        },
    )?;
    let mut session = Session::new(Arc::new(plan), threads.clone())?;
    // What Caffe fills by itself is filled here too, unless something else is given.
    let filled: Vec<(ValueId, Vec<f32>)> = network
        .inputs
        .iter()
        .filter(|input| !inputs.contains_key(&input.name))
        .filter_map(|input| Some((input.value, vec![input.fill?; graph.value(input.value).shape.elements()])))
        .collect();
    let given =
        network.inputs.iter().filter_map(|input| Some((input.value, inputs.get(&input.name)?.data())));
    let given: Vec<(ValueId, &[f32])> =
        given.chain(filled.iter().map(|(value, numbers)| (*value, numbers.as_slice()))).collect();
    session.forward(&given)?;
    if !targets.is_empty() {
        session.backward(&targets.iter().map(|(value, target)| (*value, target)).collect::<Vec<_>>())?;
    }
    let blobs = view.iter().map(|blob| {
        let array = |numbers: Vec<f32>| Array::new(blob.shape.extents().to_vec(), numbers);
        let diff = match (seeds.is_empty(), blob.gradient) {
            (true, _) => None,
            (false, Some(value)) => Some(array(session.gradient(value)?)?),
            (false, None) => Some(array(vec![0.0; blob.shape.elements()])?),
        };
        Ok(TracedBlob { name: blob.name.clone(), data: array(session.activation(blob.data)?)?, diff })
    });
    let blobs = blobs.collect::<Result<Vec<TracedBlob>>>()?;
    let mut warnings = network.warnings.clone();
    warnings.extend(crate::model::suspicious_weights(graph));
    warnings.extend(not_finite("data", blobs.iter().map(|blob| (&blob.name, Some(&blob.data)))));
    warnings.extend(not_finite("gradients", blobs.iter().map(|blob| (&blob.name, blob.diff.as_ref()))));
    Ok(Traced { blobs, warnings, external_files: network.external_files.clone() })
}

/// Says which blobs hold numbers that are not finite: they are shown as they are, which is what a trace is for.
fn not_finite<'a>(
    kind: &str,
    blobs: impl Iterator<Item = (&'a String, Option<&'a Array>)>,
) -> Option<String> {
    let errors: Vec<Error> = blobs
        .filter_map(|(name, numbers)| expect_finite(|| format!("{kind} of '{name}'"), numbers?.data()).err())
        .collect();
    let more = match errors.len() {
        0 | 1 => String::new(),
        count => format!(" (the first of {count} blobs)"),
    };
    errors.first().map(|error| format!("{error}{more}"))
}

/// The network with all inputs known but its first, where it cannot be opened otherwise: they may settle shapes.
fn with_known_inputs(network: &Path, inputs: &BTreeMap<String, Array>, error: Error) -> Result<Network> {
    if inputs.len() < 2 {
        return Err(error);
    }
    let Ok(model) = deepinside_onnx::Model::open(network) else { return Err(error) };
    let Some(first) = model.inputs().first().map(|input| input.name.clone()) else { return Err(error) };
    let (fed, known): (BTreeMap<_, _>, BTreeMap<_, _>) =
        inputs.clone().into_iter().partition(|(name, _)| *name == first);
    let names: Vec<String> = known.keys().map(|name| format!("'{name}'")).collect();
    let shapes = fed.iter().map(|(name, array)| (name.clone(), array.shape().to_vec())).collect();
    let options = OpenOptions { input_shapes: shapes, known_inputs: known, ..OpenOptions::default() };
    let Ok(mut opened) = open(network, None, &options) else { return Err(error) };
    opened.warnings.push(format!(
        "what is given for {} settles shapes; it is taken as a constant, of which nothing is written",
        names.join(", ")
    ));
    Ok(opened)
}

/// Why a network cannot be opened with these inputs: where it opens without them, they are to blame, and no line of its files.
fn misfit(network: &Path, weights: Option<&Path>, inputs: &BTreeMap<String, Array>, error: Error) -> Error {
    let Ok(own) = open(network, weights, &OpenOptions { splits: true, ..OpenOptions::default() }) else {
        return error;
    };
    let extents = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
    let differing = own.inputs.iter().filter_map(|input| {
        let (given, shape) = (inputs.get(&input.name)?, own.graph.value(input.value).shape.extents());
        let is_other = given.shape() != shape;
        let name = &input.name;
        is_other.then(|| {
            let (given, shape) = (extents(given.shape()), extents(shape));
            format!("the array for input '{name}' is {given}, where the network's file says {shape}")
        })
    });
    let differing: Vec<String> = differing.collect();
    if differing.is_empty() {
        return error;
    }
    Error::Option(format!("{}: {error}", differing.join("; ")))
}

/// The target that makes a seed the top gradient of a blob.
fn target(name: &str, elements: usize, seed: &Seed) -> Result<Target> {
    match seed {
        Seed::Dense(array) if array.data().len() == elements => Ok(Target::Dense(array.data().to_vec())),
        Seed::Dense(array) => Err(Error::Option(format!(
            "the seed of '{name}' has {} numbers, the blob has {elements}",
            array.data().len()
        ))),
        Seed::Elements(numbers) => {
            let mut gradient = vec![0.0; elements];
            for &(position, number) in numbers {
                *gradient.get_mut(position).ok_or_else(|| {
                    Error::Option(format!(
                        "the seed of '{name}' is at element {position}, the blob has {elements} elements"
                    ))
                })? = number;
            }
            Ok(Target::Dense(gradient))
        }
    }
}
