//! The photographs of a data set that excite a unit most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::attribution::{Choices, method};
use deepinside::files::Array;
use deepinside::{Error, Interrupt};
use deepinside_jobs::exemplars::{Best, Gallery, Seen, seen};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attributions::given;
use crate::SharedState;
use crate::body::JsonBody;
use crate::problem::{Answer, JobRefusals, Problem};

/// The quality of JPEG files.
const QUALITY: u8 = 85;

/// Which unit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "_bn0.relu6", "channel": 3}))]
pub struct ExemplarsRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// A value among the model's `exemplar_layers`.
    value: String,
    /// Its channel.
    channel: u32,
    /// The method, of those that look at the picture, whose map of the unit is drawn; the gradient by default.
    #[schema(example = "guided")]
    method: Option<String>,
    /// The method's parameters, as for `/attributions`.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    parameters: BTreeMap<String, serde_json::Value>,
}

/// What the photographs of a data set say of a unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExemplarsAnswer {
    /// How many photographs were looked at.
    photographs: u64,
    /// In how many of them the unit's largest activation is above zero.
    active: u64,
    /// The mean of its largest activations.
    mean: f64,
    /// How many photographs have a largest activation of at least 2ᵏ and below 2ᵏ⁺¹: k, and their number. Those that are not above
    /// zero are left out.
    histogram: Vec<PowerOfTwo>,
    /// The photographs with the largest activations, largest first.
    exemplars: Vec<ExemplarInfo>,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// A bar of a histogram.
#[derive(Debug, Serialize, ToSchema)]
pub struct PowerOfTwo {
    /// k of at least 2ᵏ and below 2ᵏ⁺¹.
    exponent: i16,
    /// How many photographs.
    photographs: u64,
}

/// A photograph that excites a unit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExemplarInfo {
    /// The unit's largest activation in it.
    activation: f32,
    /// The name of its file.
    photograph: String,
    /// Row and column of the activation in the channel's map.
    #[schema(min_items = 2, max_items = 2)]
    position: [usize; 2],
    /// What it depends on; null where the photograph cannot be read any more.
    seen: Option<SeenInfo>,
}

/// What an activation depends on.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeenInfo {
    /// Left, top, right and bottom in the network's input: outside, the gradient of the activation is zero.
    #[schema(min_items = 4, max_items = 4)]
    bounds: [usize; 4],
    /// What the network reads there: a square JPEG file as a data URL.
    picture: String,
    /// The method's map of the activation over it, likewise.
    map: String,
}

/// Gives the photographs that excite a unit most, with the parts of them that do and a map of what the activation depends on there. Only where the
/// server was started with --exemplars.
#[utoipa::path(
    post,
    path = "/exemplars",
    tag = "layers",
    request_body = ExemplarsRequest,
    responses((status = 200, body = ExemplarsAnswer), JobRefusals)
)]
pub async fn exemplars(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<ExemplarsRequest>,
) -> Answer<Json<ExemplarsAnswer>> {
    let entry = shared.models.get(request.model.as_deref())?;
    let gallery = entry.source.exemplars.clone();
    let gallery = gallery.ok_or_else(|| Problem::not_found("the server knows no exemplars of this model"))?;
    let named = request.method.as_deref().map(method).transpose()?;
    let (given, _) = given(&shared, request.parameters)?;
    let state = Arc::clone(&shared);
    let job = move |interrupt: &Interrupt| {
        let begun = Instant::now();
        let model = entry.open(interrupt)?;
        let choices = Choices { given, layers: Vec::new() };
        let method = named.map(|entry| entry.make(&model, &choices)).transpose()?;
        let (layer, unit) = (&request.value, request.channel as usize);
        let found = gallery.unit(layer, unit).map_err(|error| Problem::not_found(error.to_string()))?;
        let exemplars = state.prepared.with_runner(&entry.source.id, &model, interrupt, |runner| {
            let one = |best: &Best| {
                let input = match gallery.input(&model, best) {
                    Ok(input) => Some(input),
                    Err(Error::Interrupted) => return Err(Error::Interrupted.into()),
                    Err(_) => None,
                };
                let seen = |input: Array| seen(runner, layer, unit, best.place, &input, method.as_deref());
                let seen = input.map(seen).transpose()?;
                let url = |picture: &deepinside::drawing::Picture| -> deepinside::Result<String> {
                    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(picture.to_jpeg(QUALITY)?)))
                };
                let shown = |seen: Seen| -> deepinside::Result<SeenInfo> {
                    let [picture, map] = seen.tiles()?;
                    Ok(SeenInfo { bounds: seen.bounds, picture: url(&picture)?, map: url(&map)? })
                };
                Ok(ExemplarInfo {
                    activation: best.value,
                    photograph: file_name(&gallery, best.row),
                    position: best.place,
                    seen: seen.map(shown).transpose()?,
                })
            };
            found.best.iter().map(one).collect::<Answer<Vec<_>>>()
        })?;
        let bars = found.histogram.iter();
        Ok(ExemplarsAnswer {
            photographs: found.photographs,
            active: found.active,
            mean: found.mean(),
            histogram: bars.map(|(&exponent, &photographs)| PowerOfTwo { exponent, photographs }).collect(),
            exemplars,
            seconds: begun.elapsed().as_secs_f64(),
        })
    };
    Ok(Json(shared.queue.run(job).await?))
}

/// A photograph's name without the folders of this machine.
fn file_name(gallery: &Gallery, row: u64) -> String {
    let key = gallery.key(row);
    deepinside::printable::one_line(key.rsplit(['/', '\\']).next().unwrap_or_default()).into_owned()
}
