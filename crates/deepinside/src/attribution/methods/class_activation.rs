//! What class activation maps share: their layers, grids and parameters.

use std::sync::Arc;

use deepinside_files::Array;
use deepinside_graph::ValueId;

use crate::attribution::linear_algebra::first_principal_component;
use crate::attribution::parameter::{Default, Kind, Parameter, Values};
use crate::attribution::{Attribution, Entry, Method, Pass, Runner};
use crate::class_activation::{ActivationMap, Layers, Weighting};
use crate::grid::Grid;
use crate::{Error, Model, Result, Target};

/// Whether what speaks against the target is left out.
pub(super) const POSITIVE: Parameter = Parameter {
    name: "positive",
    help: "whether the map keeps its positive part only",
    unit: "",
    kind: Kind::Flag,
    default: Default::Flag(true),
};

/// An activation or a gradient of a layer, channels × rows × columns.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
    pub numbers: Vec<f32>,
    /// How they lie in the layer itself.
    grid: Arc<Grid>,
}

impl Maps {
    /// The positions of each channel, one after the other.
    pub fn each(&self) -> std::slice::ChunksExact<'_, f32> {
        self.numbers.chunks_exact(self.positions())
    }

    /// How many positions a channel has.
    pub fn positions(&self) -> usize {
        self.rows * self.columns
    }

    /// Where the elements of a channel lie in the layer's own order.
    pub fn elements_of(&self, channel: usize) -> impl Iterator<Item = usize> {
        self.grid.elements(channel)
    }

    /// Puts the channels of a layer first, and its positions on their grid.
    pub fn of(model: &Model, layer: ValueId, array: &Array) -> Result<Self> {
        let grid = model.grid(layer)?;
        let [channels, rows, columns] = grid.extents();
        Ok(Self { channels, rows, columns, numbers: grid.fold(array.data())?.into_data(), grid })
    }
}

/// The layers that were asked for, or the last one with positions before the score.
pub(super) fn layers(model: &Model, values: &Values) -> Result<Vec<ValueId>> {
    let layers = match values.layers.is_empty() {
        true => Layers::Last,
        false => {
            Layers::Named(values.layers.iter().map(|&layer| model.graph.value(layer).name.clone()).collect())
        }
    };
    ActivationMap { weighting: Weighting::GradCam, layers }.values(model)
}

/// One map of a layer from its activation and the target's gradient with respect to it: rows × columns numbers.
pub(super) type Combine = fn(&Maps, &Maps, &Values) -> Result<Vec<f64>>;

/// A method that needs one pass.
pub(super) fn make(model: &Model, values: &Values, combine: Combine) -> Result<Box<dyn Method>> {
    Ok(Box::new(ClassActivation { layers: layers(model, values)?, values: values.clone(), combine }))
}

struct ClassActivation {
    layers: Vec<ValueId>,
    values: Values,
    combine: Combine,
}

impl std::fmt::Debug for ClassActivation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClassActivation").field("layers", &self.layers).finish_non_exhaustive()
    }
}

impl Method for ClassActivation {
    fn pass(&self, _model: &Model) -> Option<Pass> {
        Some(Pass::at_layers(&self.layers))
    }

    fn attribute(&self, runner: &mut Runner, input: &Array, target: &Target) -> Result<Attribution> {
        first(self.attribute_layers(runner, input, target)?)
    }

    fn attribute_layers(
        &self,
        runner: &mut Runner,
        input: &Array,
        target: &Target,
    ) -> Result<Vec<Attribution>> {
        let mut found = Vec::new();
        for (layer, activation, gradient) in activations_and_gradients(runner, input, target, &self.layers)? {
            let map = (self.combine)(&activation, &gradient, &self.values)?;
            found.push(attribution(layer, [activation.rows, activation.columns], map, &self.values)?);
        }
        Ok(found)
    }
}

/// How many channels layers have together.
pub(super) fn channels_of(model: &Model, layers: &[ValueId]) -> Result<usize> {
    layers.iter().map(|&layer| Ok(model.grid(layer)?.extents()[0])).sum()
}

/// A layer whose channels are weighed without a gradient.
pub(super) struct Weighed<'a> {
    /// The layer.
    pub layer: ValueId,
    /// Its activation in its own order.
    pub activation: &'a Array,
    /// The same, channels first.
    pub maps: &'a Maps,
    /// The target's number for the whole input.
    pub whole: f64,
}

/// The maps of layers whose channels `weights` weighs.
pub(super) fn weighed(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    layers: &[ValueId],
    values: &Values,
    weights: &dyn Fn(&mut Runner, Weighed<'_>) -> Result<Vec<f64>>,
) -> Result<Vec<Attribution>> {
    let model = runner.model().clone();
    let pass = Pass { activations: layers.to_vec(), ..Pass::forward() };
    let (whole, activations) = runner.one(&pass, target, input.data(), |passed| {
        let arrays: Result<Vec<Array>> = layers.iter().map(|&layer| passed.activation(layer)).collect();
        Ok((passed.number, arrays?))
    })?;
    let mut found = Vec::new();
    for (&layer, activation) in layers.iter().zip(&activations) {
        let maps = Maps::of(&model, layer, activation)?;
        let weights = weights(runner, Weighed { layer, activation, maps: &maps, whole })?;
        found.push(attribution(layer, [maps.rows, maps.columns], weighted_sum(&maps, &weights), values)?);
    }
    Ok(found)
}

/// The activations of layers and the target's gradients with respect to them, from one pass.
pub(super) fn activations_and_gradients(
    runner: &mut Runner,
    input: &Array,
    target: &Target,
    layers: &[ValueId],
) -> Result<Vec<(ValueId, Maps, Maps)>> {
    let model = runner.model().clone();
    runner.one(&Pass::at_layers(layers), target, input.data(), |passed| {
        let of_layer = |&layer: &ValueId| {
            let activation = Maps::of(&model, layer, &passed.activation(layer)?)?;
            Ok((layer, activation, Maps::of(&model, layer, &passed.gradient(layer)?)?))
        };
        layers.iter().map(of_layer).collect()
    })
}

/// The map of a layer, of which the positive part is kept if that is asked for.
pub(super) fn attribution(
    layer: ValueId,
    grid: [usize; 2],
    map: Vec<f64>,
    values: &Values,
) -> Result<Attribution> {
    let is_positive = values.flag(POSITIVE.name);
    let numbers: Vec<f32> =
        map.into_iter().map(|number| if is_positive && number < 0.0 { 0.0 } else { number as f32 }).collect();
    let mut notes = Vec::new();
    if numbers.iter().all(|&number| number == 0.0) {
        notes.push(match is_positive {
            true => "nothing in this layer speaks for the target: the map is zero everywhere; `positive=false` shows what speaks against it",
            false => "the map is zero everywhere: the target does not depend on this layer",
        }
        .to_owned());
    }
    let attribution = Attribution::of_input(Array::new(grid, numbers)?);
    Ok(Attribution { layer: Some(layer), notes, ..attribution })
}

/// `Σ_k w_k A_k`.
pub(super) fn weighted_sum(activation: &Maps, weights: &[f64]) -> Vec<f64> {
    let mut map = vec![0.0; activation.positions()];
    for (channel, &weight) in activation.each().zip(weights) {
        map.iter_mut().zip(channel).for_each(|(sum, &number)| *sum += weight * f64::from(number));
    }
    map
}

/// The mean of each channel.
pub(super) fn means(maps: &Maps) -> Vec<f64> {
    let mean =
        |channel: &[f32]| channel.iter().map(|&number| f64::from(number)).sum::<f64>() / channel.len() as f64;
    maps.each().map(mean).collect()
}

/// `Σ_k f(A_k, g_k)` at each position.
pub(super) fn sum_over_channels(
    activation: &Maps,
    gradient: &Maps,
    term: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let mut map = vec![0.0; activation.positions()];
    for (activations, gradients) in activation.each().zip(gradient.each()) {
        for ((sum, &a), &g) in map.iter_mut().zip(activations).zip(gradients) {
            *sum += term(f64::from(a), f64::from(g));
        }
    }
    map
}

/// What varies most over the positions of a layer, from a number for each of its elements. A component has no sign of its own: the
/// largest magnitude is made positive.
pub(super) fn principal_component(maps: &Maps, number: impl Fn(usize) -> f64) -> Vec<f64> {
    let (channels, positions) = (maps.channels, maps.positions());
    let mut rows = vec![0.0; channels * positions];
    for position in 0..positions {
        for channel in 0..channels {
            rows[position * channels + channel] = number(channel * positions + position);
        }
    }
    first_principal_component(&rows, positions, channels)
}

/// The first of several; a method has at least one layer.
pub(super) fn first(found: Vec<Attribution>) -> Result<Attribution> {
    found.into_iter().next().ok_or_else(|| Error::Option("a class activation map needs a layer".to_owned()))
}

/// The parts of an entry that these methods share.
pub(super) const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    [title, summary, source]: [&'static str; 3],
    parameters: &'static [Parameter],
    make: fn(&Model, &Values) -> Result<Box<dyn Method>>,
) -> Entry {
    Entry { name, aliases, title, summary, source, parameters, layers: true, make }
}
