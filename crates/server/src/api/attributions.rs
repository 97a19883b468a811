//! Every method of the library's table, by its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use deepinside::attribution::{Choices, Entry, Given, Kind, METHODS, method};
use deepinside::explanation::explain;
use deepinside::files::Array;
use deepinside::saliency::mirror;
use deepinside::vision::Crop;
use deepinside::{Error, Target};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::arrays::array;
use super::choices::expect_within;
use super::subject::compute;
use crate::SharedState;
use crate::body::JsonBody;
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals, Problem};

/// The most layers of one request.
const MOST_LAYERS: usize = 20;

/// A parameter of a method.
#[derive(Debug, Serialize, ToSchema)]
pub struct MethodParameter {
    /// Its name.
    name: &'static str,
    /// What it means.
    help: &'static str,
    /// What it is counted in; empty for what has no unit.
    unit: &'static str,
    /// What it may be: number, whole, choice, flag, array, baseline, classes, numbers or arrays.
    kind: &'static str,
    /// The words that it may be.
    words: Vec<&'static str>,
    /// The smallest number that it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<f64>,
    /// The largest; none where it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<f64>,
    /// What it is unless it is given; none where the method chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
}

/// A method.
#[derive(Debug, Serialize, ToSchema)]
pub struct MethodDescription {
    /// Its name in requests and on the command line.
    name: &'static str,
    /// What else it is called.
    aliases: Vec<&'static str>,
    /// What it is called in a sentence.
    title: &'static str,
    /// What it computes.
    summary: &'static str,
    /// Where it was published.
    source: &'static str,
    /// Whether it looks at layers that can be chosen.
    layers: bool,
    /// What can be chosen.
    parameters: Vec<MethodParameter>,
}

fn described(entry: &Entry) -> MethodDescription {
    let parameter = |parameter: &deepinside::attribution::Parameter| {
        let (kind, words, bounds): (_, &[&str], _) = match parameter.kind {
            Kind::Number { least, most } => ("number", &[], Some((least, most))),
            Kind::Whole { least, most } => ("whole", &[], Some((least as f64, most as f64))),
            Kind::Choice(words) => ("choice", words, None),
            Kind::Flag => ("flag", &[], None),
            Kind::Array => ("array", &[], None),
            Kind::Baseline(words) => ("baseline", words, None),
            Kind::Classes => ("classes", &[], None),
            Kind::Numbers => ("numbers", &[], None),
            _ => ("arrays", &[], None),
        };
        MethodParameter {
            name: parameter.name,
            help: parameter.help,
            unit: parameter.unit,
            kind,
            words: words.to_vec(),
            least: bounds.map(|(least, _)| least),
            most: bounds.map(|(_, most)| most).filter(|most| most.is_finite()),
            default: parameter.default_text(),
        }
    };
    MethodDescription {
        name: entry.name,
        aliases: entry.aliases.to_vec(),
        title: entry.title,
        summary: entry.summary,
        source: entry.source,
        layers: entry.layers,
        parameters: entry.parameters.iter().map(parameter).collect(),
    }
}

/// Lists the methods that explain, with what can be chosen about each.
#[utoipa::path(get, path = "/methods", tag = "models", responses((status = 200, body = Vec<MethodDescription>)))]
pub async fn methods() -> Json<Vec<MethodDescription>> {
    Json(METHODS.iter().map(described).collect())
}

/// Which photograph, what about it, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"photograph": "example-cat", "method": "integrated-gradients", "parameters": {"steps": 20}}))]
#[serde(deny_unknown_fields)]
pub struct AttributionRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The method, by a name of `/methods`.
    #[schema(example = "grad-cam")]
    method: String,
    /// Its parameters by name: numbers, words, flags, and arrays as `{"array": ID}`, where `/arrays` gave the id.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    parameters: BTreeMap<String, serde_json::Value>,
    /// The layers that it looks at, by the names of their values; the method chooses where there are none.
    #[serde(default)]
    #[schema(max_items = 20)]
    layers: Vec<String>,
    /// What is explained, as on the command line; the most probable class by default.
    #[schema(example = "285")]
    target: Option<String>,
    /// The part of the photograph; the model's own crop by default.
    #[schema(example = "centre")]
    crop: Option<String>,
}

/// An attribution.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributionMap {
    /// One number a pixel or position: the largest magnitude over channels where there are channels. Not scaled.
    map: Numbers,
    /// The attribution as it is: C × H × W for input gradients, rows × columns for layers.
    values: Numbers,
    /// The layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    /// What the attributions add up to, and what they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 2)]
    completeness: Option<[f64; 2]>,
    /// What must be known about it.
    notes: Vec<String>,
}

/// Attributions of one target.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributionAnswer {
    /// One for each layer, or one.
    attributions: Vec<AttributionMap>,
    /// The target in words.
    #[schema(example = "tabby")]
    title: String,
    /// The target in the grammar that requests take.
    #[schema(example = "281")]
    target: String,
    /// Its number.
    number: f64,
    /// Where the maps lie in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// The command line that does the same.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Flags of a command line with their values.
type Flags = Vec<(String, String)>;

/// Parameters as the library checks them, and as the command line takes them: an array is a file named by its id.
pub(super) fn given(
    shared: &SharedState,
    parameters: BTreeMap<String, serde_json::Value>,
) -> Answer<(BTreeMap<String, Given>, Flags)> {
    let (mut given, mut line) = (BTreeMap::new(), Vec::new());
    for (name, value) in parameters {
        let (own, text) = match value {
            serde_json::Value::String(text) => (Given::Text(text.clone()), text),
            serde_json::Value::Number(number) => (Given::Text(number.to_string()), number.to_string()),
            serde_json::Value::Bool(flag) => (Given::Text(flag.to_string()), flag.to_string()),
            value => match value.get("array").and_then(serde_json::Value::as_str) {
                Some(id) => (Given::Array(array(shared, id)?), format!("{id}.npy")),
                None => {
                    let kinds = "a number, a word, true, false, or an array as {\"array\": ID}";
                    return Err(Problem::conflict(format!("'{name}' is {kinds}")));
                }
            },
        };
        line.push(("--set".to_owned(), format!("{name}={text}")));
        given.insert(name, own);
    }
    Ok((given, line))
}

/// Explains a target by any method of `/methods`.
#[utoipa::path(
    post,
    path = "/attributions",
    tag = "photographs",
    request_body = AttributionRequest,
    responses((status = 200, body = AttributionAnswer), JobRefusals)
)]
pub async fn attributions(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<AttributionRequest>,
) -> Answer<Json<AttributionAnswer>> {
    expect_within("the number of layers", request.layers.len(), 0, MOST_LAYERS)?;
    let entry = method(&request.method)?;
    let crop: Option<Crop> =
        request.crop.as_deref().map(str::parse).transpose().map_err(deepinside::Error::from)?;
    let AttributionRequest { parameters, layers, target, .. } = request;
    let (given, mut line) = given(&shared, parameters)?;
    line.extend(layers.iter().map(|layer| ("--layer".to_owned(), layer.clone())));
    line.extend(target.iter().map(|target| ("--target".to_owned(), target.clone())));
    line.extend(request.crop.iter().map(|crop| ("--crop".to_owned(), crop.clone())));
    let choices = Choices { given, layers };
    let arrays = Arc::clone(&shared);
    // Through the API no text names a file: a target's arrays are those that were sent.
    let of_target = move |id: &str| match arrays.arrays.find(id.strip_suffix(".npy").unwrap_or(id)) {
        Some(array) => Ok(Array::clone(&array)),
        None => Err(Error::Option(format!(
            "'{id}': no array has that id; send its .npy file to /api/v1/arrays first"
        ))),
    };
    compute(&shared, request.model, request.photograph, move |subject| {
        let model = subject.model;
        let method = entry.make(model, &choices)?;
        let photograph = subject.photograph()?;
        let crop = crop.unwrap_or(model.crop);
        let region = model.frame(&photograph, crop)?.edges();
        let target = target.as_deref().map(|text| Target::parse(text, model, &of_target)).transpose()?;
        subject.with_runner(|runner| {
            let explained = explain(runner, photograph, crop, (entry, &*method), target.as_ref())?;
            let answered = |found: deepinside::attribution::Attribution| -> Answer<AttributionMap> {
                let mut map = found.map()?;
                if crop.is_mirrored() {
                    mirror(&mut map);
                }
                Ok(AttributionMap {
                    map: (&map).into(),
                    values: (&found.values).into(),
                    layer: found.layer.map(|layer| model.graph.value(layer).name.clone()),
                    completeness: found.completeness.map(|complete| [complete.sum, complete.difference]),
                    notes: found.notes,
                })
            };
            let command = line.iter().fold(
                subject.command("explain").option("--method", Some(entry.name)),
                |line, (flag, value)| line.option(flag, Some(value)),
            );
            Ok(AttributionAnswer {
                title: explained.target_title(),
                target: explained.target.text(model),
                attributions: explained.attributions.into_iter().map(answered).collect::<Answer<_>>()?,
                number: explained.number,
                region,
                command: command.finish(),
                seconds: subject.seconds(),
            })
        })
    })
    .await
}
