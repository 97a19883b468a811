//! Activations and gradients of every layer (Simonyan, Vedaldi, Zisserman 2013, §4, and the original project's
//! `backprop_analysis.py`).

use deepinside_engine::{BackwardRule, PlanOptions, Target, Threads};
use deepinside_graph::{Graph, Op, ValueId};
use deepinside_vision::Array;
use deepinside_vision::grid::vis_square;

use crate::classify::{Prediction, prediction, predictions};
use crate::runner::ScoreRunner;
use crate::{Error, Model, Result};

/// What is computed for the layers.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayersOptions {
    /// The class whose score is differentiated; the most probable one when not given.
    pub class: Option<usize>,
    /// What rectifiers do on the way back.
    pub rule: BackwardRule,
    /// Show the gradient that Caffe's Python interface shows under a blob's name: behind an in-place rectifier that is
    /// the gradient *before* it, while the activation is the one after it. Otherwise both belong to the same value.
    pub caffe_gradients: bool,
}

/// One layer's activation and gradient.
#[derive(Debug, Clone)]
pub struct LayerMaps {
    /// The value's name in the source file.
    pub name: String,
    /// The activation, `C × H × W`; `C × 1 × 1` for a fully connected layer.
    pub activation: Array,
    /// The gradient of the class score with respect to it, of the same shape.
    pub gradient: Array,
}

/// The layers of a network for one picture.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The class whose score was differentiated.
    pub class: Prediction,
    /// The most probable classes.
    pub top: Vec<Prediction>,
    /// The layers that lead to the score, from the picture on.
    pub layers: Vec<LayerMaps>,
}

/// Computes all layers for one picture, given as `C × H × W` numbers.
///
/// # Errors
/// When the class does not exist or a layer cannot be computed.
pub fn layers(model: &Model, picture: &[f32], options: &LayersOptions, threads: &Threads) -> Result<Layers> {
    let mut runner = ScoreRunner::new(model, None, threads)?;
    let scores = runner.forward(picture)?;
    let top = predictions(model, &scores, 5);
    let class = options.class.or(top.first().map(|best| best.index)).unwrap_or_default();
    if class >= model.score.classes {
        return Err(Error::ClassOutOfRange { index: class, classes: model.score.classes });
    }
    let shown = shown_values(model);
    let gradient_of = |value: ValueId| -> ValueId {
        if options.caffe_gradients { model.shown_gradient(value) } else { value }
    };
    let plan = PlanOptions {
        activations: shown.clone(),
        gradients: shown.iter().map(|&value| gradient_of(value)).collect(),
        targets: vec![model.score.value],
        rule: options.rule,
        ..PlanOptions::default()
    };
    let mut session = model.session(1, &plan, threads)?;
    session.forward(&[(model.input, picture)])?;
    session.backward(&[(model.score.value, &Target::Class(class))])?;
    let layers = shown.into_iter().map(|value| {
        let extents = &model.graph.value(value).shape.extents()[1..];
        Ok(LayerMaps {
            name: model.graph.value(value).name.clone(),
            activation: maps(extents, session.activation(value)?)?,
            gradient: maps(extents, session.gradient(gradient_of(value))?)?,
        })
    });
    Ok(Layers { class: prediction(model, &scores, class), top, layers: layers.collect::<Result<_>>()? })
}

/// The grid of a layer's maps: scaled over all maps together from the smallest number to the largest, in a square with one
/// pixel of white between.
///
/// # Errors
/// When the maps hold numbers that are not finite.
pub fn grid(maps: &Array) -> Result<Array> {
    Ok(vis_square(maps, 1, 1.0)?)
}

/// The values worth showing: everything named in the source file that leads from the picture to the score. What an in-place
/// layer overwrites is not, nor what only renames another value (flattening, dropout that is not in place).
fn shown_values(model: &Model) -> Vec<ValueId> {
    let graph = &model.graph;
    let leads = leads_to(graph, model.score.value);
    let overwritten = |value: ValueId| graph.value(value).name.contains("@before:");
    let mut shown = Vec::new();
    for node in graph.nodes() {
        let renames = matches!(node.op, Op::Identity(_) | Op::Reshape(_)) && !overwritten(node.inputs[0]);
        for &output in &node.outputs {
            let named = !overwritten(output) && !renames;
            if leads[output.index()] && (named || output == model.score.value) {
                shown.push(output);
            }
        }
    }
    shown
}

/// Which values have a way to `target`.
pub(crate) fn leads_to(graph: &Graph, target: ValueId) -> Vec<bool> {
    let mut leads = vec![false; graph.values().len()];
    leads[target.index()] = true;
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|output| leads[output.index()]) {
            node.inputs.iter().for_each(|input| leads[input.index()] = true);
        }
    }
    leads
}

/// Numbers as `C × H × W`: one axis becomes `C × 1 × 1`, spatial axes beyond two are laid side by side.
fn maps(extents: &[usize], numbers: Vec<f32>) -> Result<Array> {
    let extents = match extents {
        [] => [1, 1, 1],
        &[channels] => [channels, 1, 1],
        &[channels, width] => [channels, 1, width],
        [channels, height, rest @ ..] => [*channels, *height, rest.iter().product()],
    };
    Ok(Array::new(extents, numbers)?)
}
