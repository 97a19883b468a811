//! Which array of the weight file belongs to which layer, as Caffe's `CopyTrainedLayersFrom` decides it.
//!
//! Layers are matched by name alone, types are not compared. Layers of the file that the network lacks are
//! ignored. Of two entries in the file with one name the later counts; of two layers in the network with one
//! name only the first gets weights. Weights that layers share by the name of a `param` belong to the first
//! such layer; the file may hold them for any of them, and where it holds several the last one is what
//! remains in memory.
//!
//! All of it is checked before a graph is built, so that every layer without weights is reported at once.

use std::{collections::HashMap, sync::Arc};

use deepinside_graph::{Shape, Weights};
use mapped_file::MappedFile;

use super::{
    error::{ImportError, MissingWeights},
    site::Site,
    suggestion::nearest,
};
use crate::{
    LayerWeights, Network, WeightBlob, WeightFile,
    proto::{LayerParameter, param_spec::DimCheckMode},
};

/// One parameter of one layer: the layer's position in the network, and which of its arrays.
pub(super) type Slot = (usize, usize);

/// How many layers get a suggestion when weights are missing.
const SUGGESTIONS: usize = 10;

/// The weights of a file, by layer of the network.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    layers: Vec<Site<'a>>,
    /// For each layer of the network its entry in the file, with its position there.
    entries: HashMap<usize, (usize, &'a LayerWeights)>,
    /// The parameters of each name, in the order of the network.
    shared: HashMap<&'a str, Vec<Slot>>,
    /// The shapes that the first layer of each name needs.
    shapes: HashMap<Slot, Vec<usize>>,
    file: Option<Arc<MappedFile>>,
    /// Layers of the file with weights that the network lacks.
    pub ignored: Vec<String>,
    /// Whether weights that no file holds are zeros.
    without_weights: bool,
}

impl<'a> Parameters<'a> {
    /// Matches a file to a network.
    ///
    /// # Errors
    /// When weights are needed and missing, or the file has another number of arrays than a layer.
    pub fn new(
        network: &'a Network,
        weights: Option<&'a WeightFile>,
        without_weights: bool,
    ) -> Result<Self, ImportError> {
        let layers: Vec<Site<'_>> =
            network.layers.iter().enumerate().map(|(index, layer)| Site::new(index, layer)).collect();
        let mut first = HashMap::new();
        let mut shared: HashMap<&str, Vec<Slot>> = HashMap::new();
        for site in &layers {
            first.entry(site.name()).or_insert(site.index);
            for (position, specification) in site.parameter().param.iter().enumerate() {
                if !specification.name().is_empty() {
                    shared.entry(specification.name()).or_default().push((site.index, position));
                }
            }
        }
        let mut parameters = Self {
            layers,
            entries: HashMap::new(),
            shared,
            shapes: HashMap::new(),
            file: weights.and_then(|weights| weights.file.clone()),
            ignored: Vec::new(),
            without_weights,
        };
        for (position, entry) in weights.iter().flat_map(|weights| &weights.layers).enumerate() {
            match first.get(entry.name.as_str()) {
                Some(&layer) => {
                    parameters.entries.insert(layer, (position, entry));
                }
                None if entry.blobs.is_empty() => {}
                None => parameters.ignored.push(entry.name.clone()),
            }
        }
        parameters.check_counts()?;
        if !without_weights {
            parameters.check_presence(weights)?;
        }
        Ok(parameters)
    }

    fn check_counts(&mut self) -> Result<(), ImportError> {
        for site in &self.layers {
            let Some((_, entry)) = self.entries.get(&site.index) else { continue };
            let found = entry.blobs.len();
            let expected = weight_count(site.parameter(), Some(found));
            if expected == found {
                continue;
            }
            // HDF5 files hold shared weights only once, with the first of the layers.
            let elsewhere = |position| self.owner(*site, position) != (site.index, position);
            if found == 0 && (0..expected).all(elsewhere) {
                self.entries.remove(&site.index);
                continue;
            }
            return Err(ImportError::WeightCount { place: Box::new(site.place()), expected, found });
        }
        Ok(())
    }

    fn check_presence(&self, weights: Option<&WeightFile>) -> Result<(), ImportError> {
        let lacking = |site: &&Site<'a>| {
            uses_weights(**site)
                && (0..self.arrays(**site)).any(|position| self.source(**site, position).is_none())
        };
        let missing: Vec<Site<'a>> = self.layers.iter().filter(lacking).copied().collect();
        let Some(first) = missing.first() else { return Ok(()) };
        let Some(weights) = weights else {
            let first = first.name().to_owned();
            return Err(ImportError::WeightsNeeded { count: missing.len(), first });
        };
        let unused: Vec<&str> =
            weights.layers.iter().filter(|layer| !layer.blobs.is_empty()).map(|layer| &*layer.name).collect();
        let layers = missing.iter().enumerate().map(|(position, site)| {
            // A second layer of one name finds itself in the file; that would be no help.
            let nearest = (position < SUGGESTIONS).then(|| nearest(site.name(), unused.iter().copied()));
            let nearest = nearest.flatten().filter(|nearest| *nearest != site.name());
            MissingWeights { place: site.place(), nearest: nearest.map(str::to_owned) }
        });
        Err(ImportError::WeightsMissing { layers: layers.collect() })
    }

    /// The first layer that has the parameter, which is the layer itself unless it shares it by name.
    pub fn owner(&self, site: Site<'_>, position: usize) -> Slot {
        let own = (site.index, position);
        self.sharing(own).and_then(|slots| slots.first()).copied().unwrap_or(own)
    }

    /// All layers that have the parameter, if it has a name.
    fn sharing(&self, (layer, position): Slot) -> Option<&[Slot]> {
        let name = self.layers[layer].parameter().param.get(position)?.name();
        self.shared.get(name).map(Vec::as_slice)
    }

    /// The array in the file.
    fn source(&self, site: Site<'_>, position: usize) -> Option<&'a WeightBlob> {
        let own = [(site.index, position)];
        let slots = self.sharing(own[0]).unwrap_or(&own);
        let found = slots.iter().filter_map(|(layer, position)| {
            let (order, entry) = self.entries.get(layer)?;
            Some((order, entry.blobs.get(*position)?))
        });
        found.max_by_key(|(order, _)| **order).map(|(_, blob)| blob)
    }

    /// How many arrays of weights a layer has; in some dialects that depends on the file.
    pub fn arrays(&self, site: Site<'_>) -> usize {
        let found = self.entries.get(&site.index).map(|(_, entry)| entry.blobs.len());
        weight_count(site.parameter(), found)
    }

    /// Whether the file has an array of that shape for a parameter of a layer.
    pub fn fits(&self, site: Site<'_>, position: usize, shape: &[usize]) -> bool {
        self.source(site, position).is_some_and(|blob| blob.fits(shape))
    }

    /// The weights for a parameter of a layer, in the shape that the layer needs. Nothing is copied.
    ///
    /// `what` says which of the layer's parameters it is, as "weights" or "bias".
    ///
    /// # Errors
    /// When the shape in the file, or that of the layer it is shared with, is another one.
    pub fn weights(
        &mut self,
        site: Site<'_>,
        position: usize,
        what: &'static str,
        shape: &[usize],
    ) -> Result<Weights, ImportError> {
        let permissive = self.check_shared(site, position, what, shape)?;
        let needed = Shape::new(shape).map_err(|cause| site.inconsistent(cause))?;
        let blob = match self.source(site, position) {
            Some(blob) => blob,
            None if self.without_weights => return Ok(Weights::filled(needed, 0.0)),
            // Presence was checked for all layers beforehand.
            None => return Err(site.wrong(what, "weights in the weight file", "none")),
        };
        if !(blob.fits(shape) || permissive && blob.len() == needed.elements()) {
            return Err(ImportError::WeightShape {
                place: Box::new(site.place()),
                what,
                expected: needed.to_string(),
                found: times(&blob.shape),
            });
        }
        let weights = Weights::from_bytes(needed, blob.data_type, blob.bytes.clone())
            .map_err(|cause| site.inconsistent(cause))?;
        Ok(match &self.file {
            Some(file) => weights.in_file(Arc::clone(file)),
            None => weights,
        })
    }

    /// Compares the shape that a layer needs to that of the first layer which the parameter is shared with.
    /// Tells whether an equal number of elements suffices.
    fn check_shared(
        &mut self,
        site: Site<'_>,
        position: usize,
        what: &'static str,
        shape: &[usize],
    ) -> Result<bool, ImportError> {
        let owner = self.owner(site, position);
        let first = self.shapes.entry(owner).or_insert_with(|| shape.to_vec());
        let Some(specification) = site.parameter().param.get(position) else { return Ok(false) };
        let permissive = specification.share_mode() == DimCheckMode::Permissive;
        let count =
            |shape: &[usize]| shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent));
        if first == shape || permissive && count(first) == count(shape) {
            return Ok(permissive);
        }
        let (name, owner) = (specification.name(), self.layers[owner.0].name());
        let what = format!("shape of its {what}, which it shares with layer '{owner}' by the name '{name}'");
        Err(site.wrong(what, times(shape), times(first)))
    }
}

/// How many arrays of weights Caffe gives a layer; `found` is how many the file has, where dialects differ.
fn weight_count(parameter: &LayerParameter, found: Option<usize>) -> usize {
    let two_bottoms = parameter.bottom.len() > 1;
    match parameter.r#type() {
        "Convolution" | "ConvolutionDepthwise" | "Deconvolution" | "DepthwiseConvolution" => {
            let bias = parameter.convolution_param.as_ref().is_none_or(|settings| settings.bias_term());
            1 + usize::from(bias)
        }
        "InnerProduct" => {
            let bias = parameter.inner_product_param.as_ref().is_none_or(|settings| settings.bias_term());
            1 + usize::from(bias)
        }
        // NVIDIA's keeps the scale and shift that follow, too.
        "BatchNorm" => {
            let scales = parameter.batch_norm_param.as_ref().is_some_and(|settings| settings.scale_bias());
            if scales || found == Some(5) { 5 } else { 3 }
        }
        "BN" if found == Some(2) => 2,
        "BN" => 4,
        "Normalize" | "PReLU" => 1,
        "Scale" => {
            let bias = parameter.scale_param.as_ref().is_some_and(|settings| settings.bias_term());
            usize::from(!two_bottoms) + usize::from(bias)
        }
        "Bias" => usize::from(!two_bottoms),
        _ => 0,
    }
}

/// Whether a layer computes with its weights: batch normalisation by the batch's own statistics does not.
fn uses_weights(site: Site<'_>) -> bool {
    site.kind() != "BatchNorm" || super::batch_normalization::uses_stored_statistics(site)
}

fn times(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}
