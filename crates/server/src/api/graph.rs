//! The network itself: its graph, and the filters of its first layer.

use axum::Json;
use axum::extract::State;
use deepinside::graph::{Op, ValueId, described};
use deepinside::layers::shown_values;
use deepinside::vision::ChannelOrder;
use deepinside::{Interrupt, Model};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::layers::value_of;
use crate::SharedState;
use crate::body::{PathOf, QueryOf};
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals, Problem};

/// A network in static single assignment form, in topological order.
#[derive(Debug, Serialize, ToSchema)]
pub struct GraphAnswer {
    /// What is computed.
    nodes: Vec<NodeInfo>,
    /// What is computed from and to, without weights.
    values: Vec<ValueInfo>,
}

/// One application of an operator.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeInfo {
    /// The layer's name.
    name: String,
    /// The operator with its attributes.
    operator: String,
    /// The values it reads, without weights.
    inputs: Vec<String>,
    /// The values it computes.
    outputs: Vec<String>,
}

/// A value.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValueInfo {
    /// Its name.
    name: String,
    /// Its shape with the batch axis.
    shape: Vec<usize>,
    /// Whether it is a layer worth showing: named in the file, and on the way from the picture to the score.
    is_shown: bool,
    /// Whether /models/{model}/filters has filters for it.
    has_filters: bool,
}

/// Gives a model's network.
#[utoipa::path(
    get,
    path = "/models/{model}/graph",
    tag = "models",
    params(("model" = String, Path, example = "built-in")),
    responses((status = 200, body = GraphAnswer), JobRefusals)
)]
pub async fn graph(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<GraphAnswer>> {
    let entry = shared.models.get(Some(&id))?;
    let job = move |interrupt: &Interrupt| Ok(describe(&*entry.open(interrupt)?));
    Ok(Json(shared.queue.run(job).await?))
}

fn describe(model: &Model) -> GraphAnswer {
    let graph = &model.graph;
    let shown = shown_values(model);
    let name = |value: &ValueId| graph.value(*value).name.clone();
    let computed = |value: &&ValueId| graph.value(**value).weights().is_none();
    let nodes = graph.nodes().iter().map(|node| NodeInfo {
        name: node.name.clone(),
        operator: described(&node.op),
        inputs: node.inputs.iter().filter(computed).map(name).collect(),
        outputs: node.outputs.iter().map(name).collect(),
    });
    let outputs = graph.nodes().iter().flat_map(|node| &node.outputs);
    let values = graph.inputs().iter().chain(outputs).map(|value| ValueInfo {
        name: name(value),
        shape: graph.value(*value).shape.extents().to_vec(),
        is_shown: shown.contains(value),
        has_filters: first_convolution(model, *value).is_some(),
    });
    GraphAnswer { nodes: nodes.collect(), values: values.collect() }
}

/// The weights of the convolution that reads the picture and whose result, perhaps rectified or normalised, this value is.
fn first_convolution(model: &Model, mut value: ValueId) -> Option<ValueId> {
    let producers = model.graph.producers();
    loop {
        let node = model.graph.node(producers[value.index()]?);
        match node.op {
            Op::Convolution(_) => {
                let mut read = node.inputs[0];
                // A border of zeros may have been added first.
                while read != model.input {
                    let before = model.graph.node(producers[read.index()]?);
                    match before.op {
                        Op::Pad(_) | Op::Identity(_) => read = before.inputs[0],
                        _ => return None,
                    }
                }
                return Some(node.inputs[1]).filter(|&weights| {
                    let weights = model.graph.value(weights);
                    weights.weights().is_some() && weights.shape.rank() == 4
                });
            }
            Op::Unary(_) | Op::BatchNormalization(_) | Op::Identity(_) => value = node.inputs[0],
            _ => return None,
        }
    }
}

/// Whose filters are given.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FilterQuery {
    /// A value whose `has_filters` is true.
    #[param(example = "_bn0.relu6")]
    value: String,
}

/// Filters.
#[derive(Debug, Serialize, ToSchema)]
pub struct Filters {
    /// Filters × channels × height × width, red first.
    filters: Numbers,
}

/// Gives the filters of a convolution that reads the picture.
#[utoipa::path(
    get,
    path = "/models/{model}/filters",
    tag = "models",
    params(("model" = String, Path, example = "built-in"), FilterQuery),
    responses((status = 200, body = Filters), JobRefusals)
)]
pub async fn filters(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Answer<Json<Filters>> {
    let entry = shared.models.get(Some(&id))?;
    let job = move |interrupt: &Interrupt| {
        let model = entry.open(interrupt)?;
        let value = value_of(&model, &query.value)?;
        let none = || {
            Problem::not_found(format!(
                "'{}' is no result of a convolution that reads the picture; other filters have no colours",
                query.value
            ))
        };
        let weights = model.graph.value(first_convolution(&model, value).ok_or_else(none)?);
        let numbers = weights.weights().ok_or_else(none)?.to_vec();
        Ok(Filters { filters: red_first(&model, weights.shape.extents(), numbers) })
    };
    Ok(Json(shared.queue.run(job).await?))
}

fn red_first(model: &Model, shape: &[usize], mut numbers: Vec<f32>) -> Numbers {
    let &[_, channels, height, width] = shape else { return Numbers::of_floats(shape, &numbers) };
    let area = height * width;
    if channels == 3 && model.transformer.channel_order == ChannelOrder::Bgr {
        for filter in numbers.chunks_exact_mut(3 * area) {
            let (blue, rest) = filter.split_at_mut(area);
            blue.swap_with_slice(&mut rest[area..]);
        }
    }
    Numbers::of_floats(shape, &numbers)
}
