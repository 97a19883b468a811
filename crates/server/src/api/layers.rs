//! Layers: the network as a graph, one value's maps, and single units.

use axum::Json;
use axum::extract::State;
use deepinside::attribution::largest_magnitude;
use deepinside::files::Array;
use deepinside::graph::ValueId;
use deepinside::layers::{LayerMaps, LayerUnit, LayersOptions, layer_unit, layers_of};
use deepinside::vision::ChannelOrder;
use deepinside::{Error, Model, rule_notes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::{ClassScore, RuleChoice};
use super::subject::compute;
use crate::SharedState;
use crate::body::JsonBody;
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals, Problem};

/// The most numbers of a layer that are answered; larger ones are reduced.
const MOST_NUMBERS: usize = 4 << 20;

/// Which photograph, which value, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"photograph": "example-cat", "value": "_bn0.relu6"}))]
pub struct LayersRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The value, as /models/{model}/graph lists them.
    value: String,
    /// The class whose score is differentiated; the most probable one by default.
    class: Option<u32>,
    /// What rectifiers do on the way back.
    #[serde(default)]
    rule: RuleChoice,
}

/// The maps of one value.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerAnswer {
    /// The value.
    value: String,
    /// Its shape in the network, without the batch axis.
    shape: Vec<usize>,
    /// How many channels it has.
    channels: usize,
    /// How many of its pixels, across and down, are averaged into one here.
    reduced_by: usize,
    /// A sentence about the reduction, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The activations, channels × height × width.
    activations: Numbers,
    /// The gradients of the class score with respect to them.
    gradients: Numbers,
    /// The class.
    class: ClassScore,
    /// The most probable classes.
    top: Vec<ClassScore>,
    /// Where the maps lie in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// What must be known about the backward rule in this network, in whole sentences; mostly nothing.
    notes: Vec<String>,
    /// The command line that shows this and all other layers.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// The value of that name which a network computes or reads.
///
/// # Errors
/// When there is none.
pub fn value_of(model: &Model, name: &str) -> Answer<ValueId> {
    let found = model.graph.find(name).filter(|&value| model.graph.value(value).weights().is_none());
    found.ok_or_else(|| {
        let name: String = name.chars().take(200).collect();
        Problem::not_found(format!(
            "'{}' computes no value called '{name}'; its graph lists those it has",
            model.name
        ))
    })
}

/// Computes one value's activations, and the gradients of a class score with respect to them.
#[utoipa::path(
    post,
    path = "/layers",
    tag = "layers",
    request_body = LayersRequest,
    responses((status = 200, body = LayerAnswer), JobRefusals)
)]
pub async fn layers(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<LayersRequest>,
) -> Answer<Json<LayerAnswer>> {
    compute(&shared, request.model.clone(), request.photograph.clone(), move |subject| {
        let (model, photograph) = (subject.model, subject.photograph()?);
        let value = value_of(model, &request.value)?;
        let input = model.input_of(&photograph, model.crop)?;
        let class = request.class.map(|class| class as usize);
        let options = LayersOptions { class, rule: request.rule.into(), caffe_gradients: false };
        let found = subject.with_runner(|runner| Ok(layers_of(runner, input.data(), &[value], &options)?))?;
        let Some(LayerMaps { activation, gradient, .. }) = found.layers.into_iter().next() else {
            return Err(Problem::internal("the layer has no maps"));
        };
        let shape = activation.shape().to_vec();
        let reduced_by = reduction(&shape);
        let [activation, gradient] = [activation, gradient].map(|maps| reduced(maps, reduced_by));
        let note = (reduced_by > 1).then(|| {
            format!(
                "the maps of {}×{} pixels are reduced: one pixel here is the mean of {reduced_by}×{reduced_by}",
                shape[2], shape[1]
            )
        });
        let command = subject
            .command("layers")
            .option("--class", request.class)
            .option("--rule", request.rule.flag());
        Ok(LayerAnswer {
            value: request.value,
            channels: shape[0],
            shape,
            reduced_by,
            note,
            activations: Numbers::from(&activation?),
            gradients: Numbers::from(&gradient?),
            class: found.class.into(),
            top: found.top.into_iter().map(Into::into).collect(),
            region: model.frame(&photograph, model.crop)?.edges(),
            notes: rule_notes(model, request.rule.into(), model.score.value),
            command: command.finish(),
            seconds: subject.seconds(),
        })
    })
    .await
}

/// By how many pixels a side maps are reduced so that they are not too many numbers.
fn reduction(shape: &[usize]) -> usize {
    let &[channels, height, width] = shape else { return 1 };
    let numbers = |by: usize| channels.saturating_mul(height.div_ceil(by)).saturating_mul(width.div_ceil(by));
    let most = height.max(width).max(1);
    (1..most).find(|&by| numbers(by) <= MOST_NUMBERS).unwrap_or(most)
}

/// Means over squares of `by` × `by` pixels, smaller at the right and lower edges.
fn reduced(maps: Array, by: usize) -> Answer<Array> {
    let &[channels, height, width] = maps.shape() else { return Ok(maps) };
    if by <= 1 {
        return Ok(maps);
    }
    let (rows, columns) = (height.div_ceil(by), width.div_ceil(by));
    let mut means = Vec::with_capacity(channels * rows * columns);
    for map in maps.data().chunks_exact(height * width) {
        for row in 0..rows {
            for column in 0..columns {
                let (bottom, right) = ((by * (row + 1)).min(height), (by * (column + 1)).min(width));
                let mut sum = 0.0f64;
                for line in by * row..bottom {
                    let part = &map[line * width..][by * column..right];
                    sum += part.iter().map(|&number| f64::from(number)).sum::<f64>();
                }
                let count = (bottom - by * row) * (right - by * column);
                means.push((sum / count as f64) as f32);
            }
        }
    }
    Ok(Array::new([channels, rows, columns], means)?)
}

/// Which photograph, which unit, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"photograph": "example-cat", "value": "_bn0.relu6", "channel": 3, "rule": "guided"}))]
pub struct UnitRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The value, as /models/{model}/graph lists them.
    value: String,
    /// Its channel.
    channel: u32,
    /// Row and column in the channel's map; the strongest by default.
    #[schema(min_items = 2, max_items = 2)]
    position: Option<[u32; 2]>,
    /// What rectifiers do on the way back.
    #[serde(default)]
    rule: RuleChoice,
}

/// What one unit reacts to.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitAnswer {
    /// Its activation.
    activation: f32,
    /// Its row and column.
    #[schema(min_items = 2, max_items = 2)]
    position: [usize; 2],
    /// The gradient of the unit with respect to the picture, height × width × 3, red first, in the network's own numbers.
    picture: Numbers,
    /// Its largest magnitude over the channels, height × width.
    map: Numbers,
    /// Where they lie in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// What must be known about the backward rule in this network, in whole sentences; mostly nothing.
    notes: Vec<String>,
    /// The command line that shows this layer.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Computes the gradient of one unit with respect to the picture: also by DeconvNet's rule and guided backpropagation.
#[utoipa::path(
    post,
    path = "/unit",
    tag = "layers",
    request_body = UnitRequest,
    responses((status = 200, body = UnitAnswer), JobRefusals)
)]
pub async fn unit(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<UnitRequest>,
) -> Answer<Json<UnitAnswer>> {
    compute(&shared, request.model.clone(), request.photograph.clone(), move |subject| {
        let (model, photograph) = (subject.model, subject.photograph()?);
        let value = value_of(model, &request.value)?;
        let input = model.input_of(&photograph, model.crop)?;
        let (channel, rule) = (request.channel as usize, request.rule.into());
        let position = request.position.map(|place| place.map(|place| place as usize));
        let LayerUnit { activation, position, gradient } = subject.with_runner(|runner| {
            let unit = layer_unit(runner, input.data(), value, channel, position, rule);
            unit.map_err(|error| match error {
                Error::Option(message) => Problem::not_found(message),
                other => other.into(),
            })
        })?;
        let command = subject.command("layers").option("--rule", request.rule.flag());
        Ok(UnitAnswer {
            notes: rule_notes(model, rule, value),
            activation,
            position,
            map: Numbers::from(&largest_magnitude(&gradient)?),
            picture: in_colours(model, &gradient),
            region: model.frame(&photograph, model.crop)?.edges(),
            command: command.finish(),
            seconds: subject.seconds(),
        })
    })
    .await
}

/// A gradient with respect to the network's input as height × width × 3, red first.
fn in_colours(model: &Model, gradient: &Array) -> Numbers {
    let (height, width) = (model.transformer.height, model.transformer.width);
    let planes: [usize; 3] = match model.transformer.channel_order {
        ChannelOrder::Grey => [0, 0, 0],
        ChannelOrder::Bgr => [2, 1, 0],
        _ => [0, 1, 2],
    };
    let area = height * width;
    let numbers = (0..area).flat_map(|pixel| planes.map(|plane| gradient.data()[plane * area + pixel]));
    Numbers::of_floats(&[height, width, 3], &numbers.collect::<Vec<f32>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_maps_are_reduced_to_means() {
        assert_eq!(reduction(&[64, 224, 224]), 1);
        assert_eq!(reduction(&[512, 224, 224]), 3);
        assert_eq!(reduction(&[5 << 20, 1, 1]), 1);
        let maps = Array::new([1, 2, 3], vec![1.0, 3.0, 5.0, 5.0, 7.0, 7.0]).unwrap();
        let reduced = reduced(maps, 2).unwrap();
        assert_eq!((reduced.shape(), reduced.data()), (&[1, 1, 2][..], &[4.0, 6.0][..]));
    }
}
