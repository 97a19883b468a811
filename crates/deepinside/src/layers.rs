//! Activations and gradients of every layer (Simonyan, Vedaldi, Zisserman 2013, §4, and the original project's
//! `backprop_analysis.py`).

use deepinside_drawing::grid::{tile, vis_square};
use deepinside_drawing::normalise::{Content, Scaling, normalise};
use deepinside_engine::BackwardRule;
use deepinside_files::Array;
use deepinside_graph::{Op, ValueId};

use crate::attribution::{Pass, Runner};
use crate::classify::{Prediction, prediction, predictions};
use crate::{Error, Model, Result, Target, expect_finite};

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
/// When the class does not exist, a layer cannot be computed, or numbers are not finite.
pub fn layers(runner: &mut Runner, picture: &[f32], options: &LayersOptions) -> Result<Layers> {
    let shown = shown_values(runner.model());
    layers_of(runner, picture, &shown, options)
}

/// The same of some values of the network alone.
///
/// # Errors
/// As [`layers`].
pub fn layers_of(
    runner: &mut Runner,
    picture: &[f32],
    values: &[ValueId],
    options: &LayersOptions,
) -> Result<Layers> {
    let model = runner.model().clone();
    let gradient_of = |value: ValueId| -> ValueId {
        if options.caffe_gradients { model.shown_gradient(value) } else { value }
    };
    let pass = Pass {
        rule: options.rule,
        activations: values.to_vec(),
        gradients: values.iter().map(|&value| gradient_of(value)).collect(),
        ..Pass::default()
    };
    runner.expect(&pass, &Target::class(0))?;
    let scores = runner.scores(picture)?;
    let top = predictions(&model, &scores, 5);
    let class = options.class.or(top.first().map(|best| best.index)).unwrap_or_default();
    let layers = runner.one(&pass, &Target::of_classes(&model, class, None)?, picture, |passed| {
        let one = |&value: &ValueId| {
            Ok(LayerMaps {
                name: model.graph.value(value).name.clone(),
                activation: passed.activation_maps(value)?,
                // What Caffe shows under this name may be another value's gradient, of the same extents.
                gradient: model.laid_out(value, passed.gradient(gradient_of(value))?.into_data())?,
            })
        };
        values.iter().map(one).collect::<Result<Vec<_>>>()
    })?;
    Ok(Layers { class: prediction(&model, &scores, class), top, layers })
}

/// What one unit of a layer reacts to.
#[derive(Debug, Clone)]
pub struct LayerUnit {
    /// Its activation.
    pub activation: f32,
    /// Its row and column in the channel's map.
    pub position: [usize; 2],
    /// Its gradient with respect to the picture, `C × H × W`, in the network's own numbers.
    pub gradient: Array,
}

/// The gradient of one unit of a layer with respect to a picture, which under the rules of DeconvNet (Zeiler and Fergus 2013) and guided
/// backpropagation (Springenberg and others 2014) shows what the unit reacts to. Channel, row and column count in the maps of
/// [`LayerMaps::activation`]; without row and column it is the unit with the largest activation.
///
/// # Errors
/// When the layer has no such unit, it does not depend on the picture, or numbers are not finite.
pub fn layer_unit(
    runner: &mut Runner,
    picture: &[f32],
    value: ValueId,
    channel: usize,
    position: Option<[usize; 2]>,
    rule: BackwardRule,
) -> Result<LayerUnit> {
    let model = runner.model().clone();
    let name = &model.graph.value(value).name;
    let pass = Pass { activations: vec![value], ..Pass::to_input(&model, rule) };
    let any = Target::element(&model, value, 0)?;
    runner.expect(&pass, &any)?;
    let forward = Pass { gradients: Vec::new(), ..pass.clone() };
    let maps = runner.one(&forward, &any, picture, |passed| passed.activation_maps(value))?;
    let &[channels, height, width] = maps.shape() else {
        return Err(Error::Option(format!("'{name}' has no channels")));
    };
    if channel >= channels {
        return Err(Error::Option(format!("'{name}' has channels 0 to {}, found {channel}", channels - 1)));
    }
    let map = &maps.data()[channel * height * width..][..height * width];
    let place = match position {
        Some([row, column]) if row < height && column < width => row * width + column,
        Some([row, column]) => {
            return Err(Error::Option(format!(
                "'{name}' has {height} rows and {width} columns, found row {row} and column {column}"
            )));
        }
        None => {
            let strongest = (0..map.len()).max_by(|&a, &b| map[a].total_cmp(&map[b]).then(b.cmp(&a)));
            strongest.unwrap_or_default()
        }
    };
    let element = match model.grid(value) {
        Ok(grid) => grid.element(channel, place / width, place % width).ok_or_else(|| {
            Error::Option(format!(
                "'{name}' has no element at row {} and column {}",
                place / width,
                place % width
            ))
        })?,
        Err(_) => channel * height * width + place,
    };
    let target = Target::element(&model, value, element)?;
    Ok(LayerUnit {
        activation: map[place],
        position: [place / width, place % width],
        gradient: runner.one(&pass, &target, picture, |passed| passed.input_gradient())?,
    })
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
    let leads = graph.leads_to(model.score.value);
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
