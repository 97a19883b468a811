//! From a network's layers and weights to a [`Graph`]: the half of the crate that knows what layers compute.
//!
//! Each layer type has a row in the table of rules and a file that adds what it computes to the graph. What a
//! layer computes is what Caffe's CPU code computes in phase TEST. What no operator of the graph does in one
//! step (a channel axis other than 1, a scale with a bias, a spatial pyramid) is taken apart into several,
//! whose values are named after the layer's output (`fc7@product`).
//!
//! # Blobs and values
//!
//! Caffe's blobs are storage that in-place layers overwrite; the graph's values are written once. A blob's
//! name belongs to the last value that it holds, earlier ones are called `conv5@before:relu5`, and weights
//! `conv5@weights`. Which value each of Caffe's names shows after a run is answered beside the graph, as a
//! [`BlobView`].
//!
//! # What is left out
//!
//! Layers that compare with labels, and labels, and the choice among a detector's boxes, with a warning each. A layer of any other type that is not
//! known is an error with its line; nothing that the result depends on is ever skipped.
//!
//! # Weights
//!
//! They are matched to layers as Caffe matches them. Their bytes stay in the mapped file; only the statistics
//! of batch normalisation, a few kilobytes, are computed here.

mod arg_max;
mod batch_normalization;
mod bias_and_scale;
mod concat;
mod convolution;
mod crop;
mod dialects;
mod eltwise;
mod error;
mod importer;
mod inner_product;
mod input;
mod local_response_normalization;
mod mean_variance_normalization;
mod neuron;
mod parameters;
mod parametric_relu;
mod pass_through;
mod pooling;
mod reduction;
mod reshape;
mod rules;
mod site;
mod slice;
mod softmax;
mod spatial_pyramid;
mod storage;
mod suggestion;
mod tile;
mod window;

use std::collections::BTreeMap;

use deepinside_graph::{Graph, ValueId};

use crate::{BlobView, Location, Network, Warning, WeightFile};

pub use error::{ImportError, LayerPlace, MissingWeights};

use importer::Importer;
use parameters::Parameters;
use rules::{Role, Rule};
use site::Site;

/// How to turn a network into a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Other shapes for inputs than the description states, by the name of the input; all extents, the batch
    /// first.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Let weights that no file holds be zeros, for a network that will be given others.
    pub without_weights: bool,
}

/// An input of the network by the name that the description gives it.
///
/// The value may be called `data@before:relu1`, where an in-place layer overwrites the input.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedInput {
    /// The blob's name.
    pub name: String,
    /// The value to feed.
    pub value: ValueId,
    /// The number that Caffe fills it with by itself (`DummyData` with a constant filler), where nothing else is fed.
    pub fill: Option<f32>,
}

/// What became of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// The layer's name.
    pub name: String,
    /// The layer's type, as written in files of today ("Convolution").
    pub kind: String,
    /// Where the layer starts in the text.
    pub location: Location,
    /// The values of its outputs, in order; none for layers that are left out.
    pub values: Vec<ValueId>,
}

/// A network as a graph, with what only Caffe's names can say.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The network. Its outputs are the blobs that no layer reads, sorted by name as Caffe has them.
    pub graph: Graph,
    /// What Caffe's blobs show.
    pub blobs: BlobView,
    /// The inputs in the order of the description.
    pub inputs: Vec<NamedInput>,
    /// All layers in the order of the description, those left out too.
    pub layers: Vec<LayerInfo>,
    /// What was left out or assumed.
    pub warnings: Vec<Warning>,
    /// The layers of the weight file which have weights but no namesake in the network. That is normal where
    /// a trained network is cut off, and the reason to look at where a layer was renamed.
    pub unused_weights: Vec<String>,
}

impl Imported {
    /// Whether the network ends in a choice among boxes, which was left out: its results are boxes and their scores.
    pub fn is_detector(&self) -> bool {
        self.layers.iter().any(|layer| rules::selects_boxes(&layer.kind))
    }
}

/// Turns a network into a graph.
///
/// Whether the graph has values for Caffe's Split layers is settled when the description is read
/// ([`ReadOptions::insert_splits`](crate::ReadOptions::insert_splits)): with them each reader of a blob has a
/// gradient of its own, as in Caffe; without them the graph is simpler and computes the same.
///
/// # Errors
/// [`ImportError`] for layers of unknown types, settings that do not fit, blobs that are never written, weights
/// that are missing or have other shapes, and shapes of more than 2³¹ − 1 elements. Nothing is allocated by a
/// number in the file.
pub fn import(
    network: &Network,
    weights: Option<&WeightFile>,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let sites: Vec<Site<'_>> =
        network.layers.iter().enumerate().map(|(index, layer)| Site::new(index, layer)).collect();
    // Types first, so that a network of an unknown kind is not reported as one with wrong weights.
    let rules = sites.iter().map(|site| rule_of(*site)).collect::<Result<Vec<_>, _>>()?;
    let parameters = Parameters::new(network, weights, options.without_weights)?;
    let mut importer = Importer::new(&network.name, parameters, options);
    let mut layers = Vec::with_capacity(sites.len());
    for (site, rule) in sites.into_iter().zip(rules) {
        let imported = import_layer(&mut importer, site, rule)?;
        let tops = site.tops().iter().filter(|_| imported);
        layers.push(LayerInfo {
            name: site.name().to_owned(),
            kind: site.kind().to_owned(),
            location: site.layer.location,
            values: tops.filter_map(|top| importer.builder.find(top)).collect(),
        });
    }
    finish(importer, layers)
}

fn rule_of(site: Site<'_>) -> Result<&'static Rule, ImportError> {
    let Some(rule) = rules::find(site.kind()) else {
        if site.kind() == "Python" {
            let settings = site.parameter().python_param.clone().unwrap_or_default();
            return Err(site.unsupported(format!(
                "it is computed by a Python program ('{}' of the module '{}'), which is never run; cut the network off before it, and \
                 what it reads becomes the result",
                settings.layer(),
                settings.module()
            )));
        }
        if let Some(fork) = dialects::fork(site.kind()) {
            return Err(site.unsupported(format!(
                "layers of this type come from a fork of Caffe ({fork}) and are not read"
            )));
        }
        return Err(ImportError::UnsupportedType {
            place: Box::new(site.place()),
            nearest: suggestion::nearest(site.kind(), rules::RULES.iter().map(|rule| rule.kind))
                .map(str::to_owned),
        });
    };
    rules::check(rule, site)?;
    Ok(rule)
}

/// Adds a layer to the graph, or leaves it out; tells which.
fn import_layer(importer: &mut Importer<'_>, site: Site<'_>, rule: &Rule) -> Result<bool, ImportError> {
    let reason = match rule.role {
        Role::LeaveOut(reason) => Some(reason),
        Role::Compute(_) if hangs_on_dropped(importer, site) => Some("all its inputs are left out"),
        _ => None,
    };
    match (reason, rule.role) {
        (Some(reason), _) => {
            leave_out(importer, site, reason);
            Ok(false)
        }
        (None, Role::Compute(import) | Role::Feed(import)) => import(importer, site).map(|()| true),
        (None, Role::LeaveOut(_)) => Ok(false),
    }
}

/// Whether a layer reads nothing but blobs of layers that are left out.
fn hangs_on_dropped(importer: &Importer<'_>, site: Site<'_>) -> bool {
    let mut bottoms = site.bottoms().iter();
    !site.bottoms().is_empty() && bottoms.all(|name| importer.dropped.contains_key(name))
}

fn leave_out(importer: &mut Importer<'_>, site: Site<'_>, reason: &str) {
    importer.warn(site, format!("left out: {reason}"));
    for name in site.bottoms() {
        // A computed blob that only such layers read is an output now; an input that only they need is none.
        if let Some(blob) = importer.blobs.find(name).filter(|blob| importer.blobs.is_input(*blob)) {
            importer.blobs.note_discarded(blob);
        }
    }
    for name in site.tops() {
        importer.dropped.insert(name.clone(), (site.name().to_owned(), reason.to_owned()));
    }
}

fn finish(importer: Importer<'_>, layers: Vec<LayerInfo>) -> Result<Imported, ImportError> {
    let Importer { builder, blobs, parameters, options, warnings, inputs, .. } = importer;
    let unknown = options.input_shapes.keys().find(|name| inputs.iter().all(|input| input.name != **name));
    if let Some(unknown) = unknown {
        return Err(ImportError::UnknownInput {
            input: unknown.clone(),
            inputs: inputs.into_iter().map(|input| input.name).collect(),
        });
    }
    Ok(Imported {
        graph: builder.finish(&blobs.outputs()),
        blobs: blobs.view(),
        inputs,
        layers,
        warnings: warnings.finish(),
        unused_weights: parameters.ignored,
    })
}
