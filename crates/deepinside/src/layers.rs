//! Activations and gradients of every layer (Simonyan, Vedaldi, Zisserman 2013, §4, and the original project's
//! `backprop_analysis.py`).

use deepinside_engine::{BackwardRule, PlanOptions, Target, Threads};
use deepinside_graph::{Graph, Op, ValueId};
use deepinside_vision::Array;
use deepinside_vision::grid::{tile, vis_square};
use deepinside_vision::normalise::{Content, Scaling, normalise};

use crate::classify::{Prediction, prediction, predictions};
use crate::runner::ScoreRunner;
use crate::{Error, Model, Result, expect_finite};

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
    /// The activation, `C × H × W`, with tokens put back on their grid (see [`crate::grid`]); `C × 1 × 1` for a fully connected
    /// layer.
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
        let name = &model.graph.value(value).name;
        let (activation, gradient) = (session.activation(value)?, session.gradient(gradient_of(value))?);
        expect_finite(|| format!("the activations of '{name}'"), &activation)?;
        expect_finite(|| format!("the gradients of '{name}'"), &gradient)?;
        Ok(LayerMaps {
            name: name.clone(),
            activation: laid_out(model, value, activation)?,
            gradient: laid_out(model, value, gradient)?,
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

/// Maps scaled and laid out in a square.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Rows × columns in [0, 1].
    pub values: Array,
    /// The numbers that became 0 and 1; equal where there was nothing to scale by.
    pub range: [f32; 2],
    /// What the maps hold: where they are constant the grid shows nothing.
    pub content: Content,
}

/// The grid of a layer's maps, scaled over all maps together as `scaling` says, with one pixel between that is white, or ½ for
/// [`Scaling::Signed`], which a diverging colour map shows white. [`Scaling::MinimumMaximum`] gives that of [`grid`].
///
/// # Errors
/// When the maps hold numbers that are not finite, or a quantile is out of its range.
pub fn scaled_grid(maps: &Array, scaling: Scaling) -> Result<Grid> {
    expect_finite(|| "the numbers of the maps".to_owned(), maps.data())?;
    let scaled = normalise(maps, scaling)?;
    let between = if scaling == Scaling::Signed { 0.5 } else { 1.0 };
    Ok(Grid {
        values: tile(&scaled.values, 1, between)?,
        range: [scaled.low, scaled.high],
        content: scaled.content,
    })
}

/// The values worth showing: everything named in the source file that leads from the picture to the score. What an in-place
/// layer overwrites is not, nor what only renames another value (flattening, dropout that is not in place).
pub fn shown_values(model: &Model) -> Vec<ValueId> {
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

/// Which values are computed from `source`, itself included.
pub(crate) fn hangs_on(graph: &Graph, source: ValueId) -> Vec<bool> {
    let mut hangs = vec![false; graph.values().len()];
    hangs[source.index()] = true;
    for node in graph.nodes() {
        if node.inputs.iter().any(|input| hangs[input.index()]) {
            node.outputs.iter().for_each(|output| hangs[output.index()] = true);
        }
    }
    hangs
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

/// Numbers of a value as channels × rows × columns of the picture, where they are about places of it; else by its axes.
pub(crate) fn laid_out(model: &Model, value: ValueId, numbers: Vec<f32>) -> Result<Array> {
    match model.grid(value) {
        Ok(grid) => grid.fold(&numbers),
        Err(_) => maps(model.graph.value(value).shape.extents().get(1..).unwrap_or_default(), numbers),
    }
}

/// Numbers as `C × H × W`: one axis becomes `C × 1 × 1`, spatial axes beyond two are laid side by side.
pub(crate) fn maps(extents: &[usize], numbers: Vec<f32>) -> Result<Array> {
    let extents = match extents {
        [] => [1, 1, 1],
        &[channels] => [channels, 1, 1],
        &[channels, width] => [channels, 1, width],
        [channels, height, rest @ ..] => [*channels, *height, rest.iter().product()],
    };
    Ok(Array::new(extents, numbers)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_say_their_scale_and_when_they_show_nothing() {
        let maps = Array::new([2, 1, 2], vec![-1.0, 0.0, 1.0, 3.0]).unwrap();
        let plain = scaled_grid(&maps, Scaling::MinimumMaximum).unwrap();
        assert_eq!(plain.values, grid(&maps).unwrap());
        assert_eq!((plain.range, plain.content), ([-1.0, 3.0], Content::Varied));
        let signed = scaled_grid(&maps, Scaling::Signed).unwrap();
        // Two maps in a square of two by two cells: −1 and 0, then 1 and 3, each with a border of ½ behind and below.
        let (third, two_thirds) = ((1.0f64 / 3.0) as f32, (2.0f64 / 3.0) as f32);
        assert_eq!(signed.values.data()[..6], [third, 0.5, 0.5, two_thirds, 1.0, 0.5]);
        assert!(signed.values.data()[6..].iter().all(|&number| number == 0.5));
        for scaling in [Scaling::MinimumMaximum, Scaling::Signed, Scaling::Maximum, Scaling::Quantile(0.9)] {
            let nothing = scaled_grid(&Array::filled([3, 2, 2], 0.0).unwrap(), scaling).unwrap();
            assert_eq!((nothing.content, nothing.range), (Content::Constant(0.0), [0.0, 0.0]), "{scaling:?}");
            assert!(nothing.values.data().iter().all(|number| (0.0..=1.0).contains(number)));
            let mut broken = maps.clone();
            broken.data_mut()[2] = f32::NAN;
            assert!(scaled_grid(&broken, scaling).unwrap_err().to_string().contains("1 of 4"));
        }
    }
}
