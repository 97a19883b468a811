//! Class activation maps: what a layer's channels say about where a class is.
//!
//! *Grad-CAM* (Selvaraju and others 2017, equations 1 and 2) weighs each channel `A_k` of a layer by the mean of its gradient,
//! `α_k = mean_ij ∂S_c/∂A_k,ij`, and keeps what is positive: `max(0, Σ_k α_k A_k)`. *LayerCAM* (Jiang and others 2021, equations 3
//! and 4) weighs each position of a channel by its own gradient where that is positive, `max(0, Σ_k max(0, ∂S_c/∂A_k) A_k)`, which
//! stays sharp on early layers; maps of several layers are divided by their means and added. With them the backward pass stops
//! at a layer, so a map is as coarse as that layer is.

use deepinside_graph::{Graph, Op, ValueId};
use deepinside_vision::Array;
use serde::Serialize;

use crate::layers::{hangs_on, leads_to};
use crate::score::no_such_value;
use crate::{Error, Model, Result};

/// How channels are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// By the mean of their gradient: Grad-CAM.
    GradCam,
    /// By their gradient at each position, where it is positive: LayerCAM.
    LayerCam,
}

/// The layers that maps are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layers {
    /// The last one before the score that has positions: in SqueezeNet `fire9/concat`.
    Last,
    /// The last one of each resolution: in SqueezeNet `conv1`, `fire3/concat`, `fire5/concat` and `fire9/concat`.
    Stages,
    /// These, by the names of their values.
    Named(Vec<String>),
}

/// Class activation maps as a source of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActivationMap {
    /// How channels are weighed.
    pub weighting: Weighting,
    /// Of which layers.
    pub layers: Layers,
}

impl ActivationMap {
    /// Its name in sentences and above pictures.
    pub fn title(&self) -> String {
        let name = match self.weighting {
            Weighting::GradCam => "Grad-CAM",
            Weighting::LayerCam => "LayerCAM",
        };
        match &self.layers {
            Layers::Last => format!("{name} (last layer)"),
            Layers::Stages => format!("{name} (all resolutions)"),
            Layers::Named(names) => format!("{name} ({})", names.join(", ")),
        }
    }

    /// Whether all of its layers are known to be batch × channels × rows × columns of the picture, by the operators that compute
    /// them. A transformer's heads × tokens × tokens have four axes as well, and would be shown as a picture's rows and columns.
    pub fn is_of_channels(&self, model: &Model) -> bool {
        let known = channels_first(&model.graph, model.input);
        self.values(model).is_ok_and(|values| values.iter().all(|value| known[value.index()]))
    }

    /// The values of a network whose activations and gradients are needed.
    ///
    /// # Errors
    /// When there is no value of that name, or none with positions leads to the score.
    pub fn values(&self, model: &Model) -> Result<Vec<ValueId>> {
        let graph = &model.graph;
        let leads = leads_to(graph, model.score.value);
        let has_positions = |value: ValueId| match graph.value(value).shape.extents() {
            &[_, _, height, width] => {
                leads[value.index()] && value != model.score.value && height * width > 1
            }
            _ => false,
        };
        let values: Vec<ValueId> = match &self.layers {
            Layers::Named(names) => {
                let find = |name: &String| {
                    let value = graph.find(name).ok_or_else(|| no_such_value(graph, name))?;
                    if has_positions(value) {
                        return Ok(value);
                    }
                    Err(Error::Option(format!(
                        "'{name}' has shape {}; a class activation map needs channels × height × width on the way to the score",
                        graph.value(value).shape
                    )))
                };
                names.iter().map(find).collect::<Result<_>>()?
            }
            Layers::Last | Layers::Stages => {
                // What only pads or pools belongs to the layer before it.
                let computes = |op: &Op| !matches!(op, Op::Pad(_) | Op::Pool(_));
                let outputs =
                    graph.nodes().iter().filter(|node| computes(&node.op)).flat_map(|node| &node.outputs);
                let mut stages: Vec<ValueId> = Vec::new();
                for &value in outputs.filter(|&&value| has_positions(value)) {
                    let resolution = |value: ValueId| &graph.value(value).shape.extents()[2..];
                    stages.retain(|&other| resolution(other) != resolution(value));
                    stages.push(value);
                }
                if self.layers == Layers::Last {
                    stages.split_off(stages.len().saturating_sub(1))
                } else {
                    stages
                }
            }
        };
        if values.is_empty() {
            return Err(Error::Option(
                "class activation maps need a layer with positions before the score, and this network has none".to_owned(),
            ));
        }
        Ok(values)
    }
}

/// The values that are batch × channels × rows × columns of the picture: convolutions and poolings define these axes, and what works
/// number by number, or joins such values, keeps them.
fn channels_first(graph: &Graph, picture: ValueId) -> Vec<bool> {
    let hangs = hangs_on(graph, picture);
    let mut known = vec![false; graph.values().len()];
    known[picture.index()] = graph.value(picture).shape.extents().len() == 4;
    for node in graph.nodes() {
        let defines = match &node.op {
            Op::Convolution(_) | Op::Deconvolution(_) | Op::Pool(_) | Op::LocalResponseNormalization(_) => {
                true
            }
            Op::BatchNormalization(_)
            | Op::Binary(_)
            | Op::Concat(_)
            | Op::Eltwise(_)
            | Op::Identity(_)
            | Op::Pad(_)
            | Op::ParametricRelu(_)
            | Op::Resample(_)
            | Op::Unary(_) => node.inputs.iter().all(|input| known[input.index()] || !hangs[input.index()]),
            _ => false,
        };
        for output in node.outputs.iter().filter(|output| hangs[output.index()]) {
            known[output.index()] = defines && graph.value(*output).shape.extents().len() == 4;
        }
    }
    known
}

/// The map of one layer, height × width, 0 or more: from its activation and the gradient of the class score with respect to it,
/// both channels × height × width.
///
/// # Errors
/// When the arrays have other shapes.
pub fn class_activation_map(activation: &Array, gradient: &Array, weighting: Weighting) -> Result<Array> {
    let (&[_, height, width], true) = (activation.shape(), activation.shape() == gradient.shape()) else {
        return Err(Error::Option(format!(
            "a class activation map needs an activation and a gradient of one shape with three axes, found {:?} and {:?}",
            activation.shape(),
            gradient.shape()
        )));
    };
    let positions = height * width;
    let mut map = vec![0.0f32; positions];
    let channels = activation.data().chunks_exact(positions).zip(gradient.data().chunks_exact(positions));
    for (activations, gradients) in channels {
        match weighting {
            Weighting::GradCam => {
                let sum: f64 = gradients.iter().map(|&number| f64::from(number)).sum();
                let weight = (sum / positions as f64) as f32;
                for (sum, activation) in map.iter_mut().zip(activations) {
                    *sum += weight * activation;
                }
            }
            Weighting::LayerCam => {
                for ((sum, activation), gradient) in map.iter_mut().zip(activations).zip(gradients) {
                    *sum += gradient.max(0.0) * activation;
                }
            }
        }
    }
    map.iter_mut().for_each(|number| *number = number.max(0.0));
    Ok(Array::new([height, width], map)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers worked out by hand from the papers' equations.
    #[test]
    fn maps_are_those_of_the_equations() {
        let activation = Array::new([2, 1, 2], vec![1.0, 2.0, 3.0, 0.5]).unwrap();
        let gradient = Array::new([2, 1, 2], vec![0.5, -1.5, 1.0, 3.0]).unwrap();
        let map =
            |weighting| class_activation_map(&activation, &gradient, weighting).unwrap().data().to_vec();
        // The channels' mean gradients are −½ and 2.
        assert_eq!(map(Weighting::GradCam), [-0.5 + 6.0, 0.0]);
        assert_eq!(map(Weighting::LayerCam), [0.5 + 3.0, 1.5]);
        assert!(
            class_activation_map(&activation, &Array::filled([2, 2], 0.0).unwrap(), Weighting::GradCam)
                .is_err()
        );
    }
}
