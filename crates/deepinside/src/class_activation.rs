//! Class activation maps: what a layer's channels say about where a class is.
//!
//! *Grad-CAM* (Selvaraju and others 2017, equations 1 and 2) weighs each channel `A_k` of a layer by the mean of its gradient,
//! `α_k = mean_ij ∂S_c/∂A_k,ij`, and keeps what is positive: `max(0, Σ_k α_k A_k)`. *LayerCAM* (Jiang and others 2021, equations 3
//! and 4) weighs each position of a channel by its own gradient where that is positive, `max(0, Σ_k max(0, ∂S_c/∂A_k) A_k)`, which
//! stays sharp on early layers; maps of several layers are divided by their means and added. With them the backward pass stops
//! at a layer, so a map is as coarse as that layer is.

use deepinside_files::Array;
use deepinside_graph::{Op, ValueId};
use serde::Serialize;

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

    /// The values of a network whose activations and gradients are needed.
    ///
    /// # Errors
    /// When there is no value of that name, or none with positions leads to the score.
    pub fn values(&self, model: &Model) -> Result<Vec<ValueId>> {
        let graph = &model.graph;
        let grids = model.grids();
        // Rows and columns of a value that positions lead from to the score.
        let positions = |value: ValueId| -> Option<[usize; 2]> {
            if value == model.score.value || !grids.leads(value) {
                return None;
            }
            let [_, rows, columns] = model.grid(value).ok()?.extents();
            (rows * columns > 1).then_some([rows, columns])
        };
        let values: Vec<ValueId> = match &self.layers {
            Layers::Named(names) => {
                let find = |name: &String| {
                    let value = graph.find(name).ok_or_else(|| no_such_value(graph, name))?;
                    let [_, rows, columns] = model.grid(value)?.extents();
                    if positions(value).is_some() {
                        return Ok(value);
                    }
                    let why = if rows * columns > 1 {
                        "the score does not depend on what it says at places of the picture"
                    } else {
                        "it has one position only"
                    };
                    Err(Error::Option(format!("'{name}' gives no class activation map: {why}")))
                };
                names.iter().map(find).collect::<Result<_>>()?
            }
            Layers::Last | Layers::Stages => {
                // What only moves numbers, pads or pools belongs to the layer before it.
                let computes = |op: &Op| {
                    !matches!(
                        op,
                        Op::Pad(_)
                            | Op::Pool(_)
                            | Op::Identity(_)
                            | Op::Reshape(_)
                            | Op::Transpose(_)
                            | Op::Slice(_)
                            | Op::Split(_)
                            | Op::Take(_)
                    )
                };
                let outputs =
                    graph.nodes().iter().filter(|node| computes(&node.op)).flat_map(|node| &node.outputs);
                let layers = outputs.filter(|&&value| !grids.is_inside_attention(value));
                let mut with_positions =
                    layers.rev().filter_map(|&value| positions(value).map(|resolution| (value, resolution)));
                let mut stages: Vec<(ValueId, [usize; 2])> = Vec::new();
                match self.layers {
                    Layers::Last => stages.extend(with_positions.next()),
                    _ => with_positions.for_each(|stage| {
                        if !stages.iter().any(|(_, other)| *other == stage.1) {
                            stages.push(stage);
                        }
                    }),
                }
                stages.into_iter().rev().map(|(value, _)| value).collect()
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
