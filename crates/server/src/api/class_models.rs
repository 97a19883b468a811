//! Class models that grow while they are watched.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use deepinside::class_model::{Objective, RECIPES, Recipe};
use deepinside::drawing::animation::{self, AnimationFormat};
use deepinside::{Interrupt, Model};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command_line::CommandLine;
use super::layers::value_of;
use super::recipe_changes::RecipeChanges;
use crate::SharedState;
use crate::ascents::{Beginning, Change, Growing, State as AscentState};
use crate::body::{JsonBody, PathOf};
use crate::models::Entry;
use crate::problem::{Answer, JobRefusals, Problem, Refusals};

/// For how long a picture of an animation is shown, in milliseconds.
const PICTURE_TIME: u32 = 60;

/// The name of a recipe that is built in.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecipeName {
    /// Simonyan, Vedaldi and Zisserman 2013.
    Paper,
    /// The class project of 2015.
    Original,
    /// Yosinski and others 2015.
    Yosinski,
    /// Olah, Mordvintsev and Schubert 2017.
    Lucid,
    /// The same, for pictures that other networks recognise, too.
    #[default]
    Transfer,
}

impl RecipeName {
    fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Original => "original",
            Self::Yosinski => "yosinski",
            Self::Lucid => "lucid",
            Self::Transfer => "transfer",
        }
    }
}

/// What is maximised: a class, or something of a layer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "an objective is {\"class\": N} or {\"value\": \"NAME\"}, with what else is documented and nothing more"
)]
pub enum ObjectiveRequest {
    /// A class.
    Class(ClassObjective),
    /// A layer.
    Value(ValueObjective),
}

/// The score of a class, or something else about it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"class": 281}))]
pub struct ClassObjective {
    /// The class.
    class: u32,
    /// Maximises the score minus that of this class.
    minus: Option<u32>,
}

/// Half the mean square of a layer, or the mean of one of its channels, or one of its elements.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "_bn0.relu6", "channel": 3}))]
pub struct ValueObjective {
    /// The value.
    value: String,
    /// A channel.
    channel: Option<u32>,
    /// Row and column in the channel: one element.
    #[schema(min_items = 2, max_items = 2)]
    position: Option<[u32; 2]>,
}

/// How a class model begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"objective": {"class": 281}, "recipe": "lucid", "changes": {"iterations": 64}, "seed": 0}))]
pub struct ClassModelRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// What is maximised.
    objective: ObjectiveRequest,
    /// How; "transfer" by default.
    recipe: Option<RecipeName>,
    /// What is changed of the recipe.
    #[serde(default)]
    changes: RecipeChanges,
    /// The random seed.
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    seed: u64,
}

/// Changes on the way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"changes": {"jitter": 4.0, "total_variation": 0.001}}))]
pub struct ChangeRequest {
    /// What is changed of the recipe from the next step on. What is settled when an ascent begins cannot be.
    changes: RecipeChanges,
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"iteration": 0}))]
pub struct RewindRequest {
    /// To how it stood after that many steps.
    iteration: u32,
}

/// A class model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassModelInfo {
    /// Its name.
    id: String,
    /// The model.
    model: String,
    /// What is maximised, in a few words.
    objective: String,
    /// How it stands.
    state: AscentState,
    /// Why, where that is worth a sentence.
    message: Option<String>,
    /// How many steps were taken.
    iteration: usize,
    /// How many it will take.
    iterations: usize,
    /// What the objective reached before each step, in the view of that step.
    values: Vec<f32>,
    /// The recipe as it is now.
    #[schema(value_type = Object)]
    recipe: serde_json::Value,
    /// The random seed.
    seed: u64,
    /// What was changed on the way.
    timeline: Vec<Change>,
    /// The steps that can be gone back to at once; to others it takes the steps again from the last of these.
    snapshots: Vec<usize>,
    /// What a reader of the result should know, in whole sentences.
    notes: Vec<String>,
    /// The command line that makes this picture; where something was changed on the way, the one that began it.
    command: String,
}

impl ClassModelInfo {
    fn new(growing: &Growing) -> Self {
        let report = growing.report();
        Self {
            id: growing.id.clone(),
            model: growing.beginning.entry.source.id.clone(),
            objective: growing.about.clone(),
            state: report.state,
            message: report.message,
            iteration: report.iteration,
            iterations: report.recipe.iterations,
            values: report.values,
            recipe: recipe_json(&report.recipe),
            seed: growing.beginning.seed,
            timeline: report.changes,
            snapshots: report.places,
            notes: report.notes,
            command: growing.beginning.command.clone(),
        }
    }
}

fn recipe_json(recipe: &Recipe) -> serde_json::Value {
    serde_json::to_value(recipe).unwrap_or_default()
}

/// Lists the recipes with all their numbers.
#[utoipa::path(
    get,
    path = "/models/{model}/recipes",
    tag = "class models",
    params(("model" = String, Path, example = "built-in")),
    responses((status = 200, body = Vec<Object>), Refusals)
)]
pub async fn recipes(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<Vec<serde_json::Value>>> {
    shared.models.get(Some(&id))?;
    let recipes = RECIPES.iter().map(|name| Ok(recipe_json(&Recipe::named(name)?)));
    Ok(Json(recipes.collect::<Answer<_>>()?))
}

/// Begins a class model (Simonyan, Vedaldi, Zisserman 2013, §2). One that is neither watched nor asked for is given up after a while.
#[utoipa::path(
    post,
    path = "/class-models",
    tag = "class models",
    request_body = ClassModelRequest,
    responses((status = 201, description = "It grows", body = ClassModelInfo), JobRefusals)
)]
pub async fn begin(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<ClassModelRequest>,
) -> Answer<(StatusCode, Json<ClassModelInfo>)> {
    super::choices::expect_within("seed", request.seed, 0, (1 << 53) - 1)?;
    request.changes.check()?;
    let entry = shared.models.get(request.model.as_deref())?;
    let state = Arc::clone(&shared);
    let job = move |interrupt: &Interrupt| {
        let model = entry.open(interrupt)?;
        let objective = objective(&model, &request.objective)?;
        let name = request.recipe.unwrap_or_default();
        let recipe = Recipe::named(name.name())?.with(request.changes.table())?;
        let command = command(&entry, &request, name);
        let beginning = Beginning { entry, model, objective, recipe, seed: request.seed, command };
        state.ascents.begin(beginning, &state.prepared.threads)
    };
    let growing = shared.queue.run(job).await?;
    Ok((StatusCode::CREATED, Json(ClassModelInfo::new(&growing))))
}

fn objective(model: &Model, request: &ObjectiveRequest) -> Answer<Objective> {
    let class = |class: u32| -> Answer<usize> {
        let (index, classes) = (class as usize, model.score.classes);
        if index < classes {
            Ok(index)
        } else {
            Err(deepinside::Error::ClassOutOfRange { index, classes }.into())
        }
    };
    Ok(match request {
        ObjectiveRequest::Class(ClassObjective { class: index, minus: None }) => {
            Objective::Class(class(*index)?)
        }
        ObjectiveRequest::Class(ClassObjective { class: index, minus: Some(minus) }) => {
            Objective::Difference(class(*index)?, class(*minus)?)
        }
        ObjectiveRequest::Value(ValueObjective { value: name, channel, position }) => {
            let value = value_of(model, name)?;
            let extents = model.graph.value(value).shape.extents().get(1..).unwrap_or_default();
            let channels = extents.first().copied().unwrap_or(1);
            let Some(channel) = channel.map(|channel| channel as usize) else {
                return match position {
                    Some(_) => Err(Problem::conflict("a position lies in a channel; name the channel, too")),
                    None => Ok(Objective::Layer { value }),
                };
            };
            if channel >= channels {
                let message =
                    format!("'{name}' has channels 0 to {}, found {channel}", channels.saturating_sub(1));
                return Err(Problem::not_found(message));
            }
            let Some([row, column]) = position.map(|place| place.map(|place| place as usize)) else {
                return Ok(Objective::Channel { value, channel });
            };
            let [height, width] = match *extents {
                [_, height, width] => [height, width],
                _ => [1, 1],
            };
            if row >= height || column >= width {
                let message = format!(
                    "'{name}' has {height} rows and {width} columns, found row {row} and column {column}"
                );
                return Err(Problem::not_found(message));
            }
            Objective::Neuron { value, position: (channel * height + row) * width + column }
        }
    })
}

fn command(entry: &Entry, request: &ClassModelRequest, name: RecipeName) -> String {
    let mut line = CommandLine::new("class-model", None);
    let line = match &request.objective {
        ObjectiveRequest::Class(ClassObjective { class, minus }) => {
            line.word(&class.to_string());
            line.model(entry).option("--minus", *minus)
        }
        ObjectiveRequest::Value(ValueObjective { value, channel, position }) => {
            let line = line.model(entry).option("--layer", Some(value));
            match (channel, position) {
                (Some(channel), Some([row, column])) => {
                    line.option("--neuron", Some(format!("{channel},{row},{column}")))
                }
                (channel, _) => line.option("--channel", *channel),
            }
        }
    };
    let mut line = line.option("--recipe", Some(name.name()));
    for (field, value) in request.changes.table() {
        line = line.option("--set", Some(format!("{field}={value}")));
    }
    line.option("--seed", (request.seed != 0).then_some(request.seed)).finish()
}

/// Says how a class model stands.
#[utoipa::path(
    get,
    path = "/class-models/{id}",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, body = ClassModelInfo), Refusals)
)]
pub async fn info(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<ClassModelInfo>> {
    steered(&shared, &id, |_| Ok(()))
}

/// Does something to a class model, and says how it stands then.
fn steered(
    shared: &SharedState,
    id: &str,
    steer: impl FnOnce(&Growing) -> Answer<()>,
) -> Answer<Json<ClassModelInfo>> {
    let growing = shared.ascents.get(id)?;
    steer(&growing)?;
    Ok(Json(ClassModelInfo::new(&growing)))
}

/// Changes the recipe from the next step on.
#[utoipa::path(
    patch,
    path = "/class-models/{id}",
    tag = "class models",
    params(("id" = String, Path)),
    request_body = ChangeRequest,
    responses((status = 200, body = ClassModelInfo), JobRefusals)
)]
pub async fn change(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Answer<Json<ClassModelInfo>> {
    request.changes.check()?;
    request.changes.check_steerable()?;
    steered(&shared, &id, |growing| growing.change(request.changes.table()))
}

/// Cancels a class model. Its picture stays for a while.
#[utoipa::path(
    delete,
    path = "/class-models/{id}",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, body = ClassModelInfo), Refusals)
)]
pub async fn cancel(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<ClassModelInfo>> {
    steered(&shared, &id, |growing| {
        growing.cancel();
        Ok(())
    })
}

/// Waits with the next step.
#[utoipa::path(
    post,
    path = "/class-models/{id}/pause",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, body = ClassModelInfo), JobRefusals)
)]
pub async fn pause(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<ClassModelInfo>> {
    steered(&shared, &id, Growing::pause)
}

/// Goes on after a pause.
#[utoipa::path(
    post,
    path = "/class-models/{id}/resume",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, body = ClassModelInfo), JobRefusals)
)]
pub async fn resume(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<ClassModelInfo>> {
    steered(&shared, &id, Growing::resume)
}

/// Goes back to how it stood after some steps, and on from there with the recipe as it is now; one that is paused stays paused. It does
/// so before its next step, and may have to take some steps again: the answer may still tell how it stood before.
#[utoipa::path(
    post,
    path = "/class-models/{id}/rewind",
    tag = "class models",
    params(("id" = String, Path)),
    request_body = RewindRequest,
    responses((status = 200, body = ClassModelInfo), JobRefusals)
)]
pub async fn rewind(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
    JsonBody(request): JsonBody<RewindRequest>,
) -> Answer<Json<ClassModelInfo>> {
    steered(&shared, &id, |growing| growing.go_back(request.iteration as usize))
}

/// Gives the last picture that was made, as a PNG file: of the last step where it is watched or all steps are taken, else of the last
/// of about sixty.
#[utoipa::path(
    get,
    path = "/class-models/{id}/picture.png",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, description = "The picture", content_type = "image/png", body = inline(super::FileBytes)), JobRefusals)
)]
pub async fn picture(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<Response> {
    let growing = shared.ascents.get(&id)?;
    let picture = growing
        .picture()
        .ok_or_else(|| Problem::conflict("there is no picture yet; ask again after the first step"))?;
    let png = shared.queue.run(move |_| Ok(picture.to_png()?)).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

/// Gives the ascent as an animated PNG file.
#[utoipa::path(
    get,
    path = "/class-models/{id}/animation.png",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, description = "The animation", content_type = "image/png", body = inline(super::FileBytes)), JobRefusals)
)]
pub async fn animated_png(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<Response> {
    animated(&shared, &id, AnimationFormat::Png, "image/png").await
}

/// Gives the ascent as an animated GIF file.
#[utoipa::path(
    get,
    path = "/class-models/{id}/animation.gif",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, description = "The animation", content_type = "image/gif", body = inline(super::FileBytes)), JobRefusals)
)]
pub async fn animated_gif(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<Response> {
    animated(&shared, &id, AnimationFormat::Gif, "image/gif").await
}

/// Gives the ascent as an animated WebP file, without losses.
#[utoipa::path(
    get,
    path = "/class-models/{id}/animation.webp",
    tag = "class models",
    params(("id" = String, Path)),
    responses((status = 200, description = "The animation", content_type = "image/webp", body = inline(super::FileBytes)), JobRefusals)
)]
pub async fn animated_webp(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Response> {
    animated(&shared, &id, AnimationFormat::WebP, "image/webp").await
}

async fn animated(
    shared: &SharedState,
    id: &str,
    format: AnimationFormat,
    media_type: &'static str,
) -> Answer<Response> {
    let growing = shared.ascents.get(id)?;
    let job = move |interrupt: &Interrupt| {
        let pictures = growing.pictures();
        if pictures.is_empty() {
            return Err(Problem::conflict("there is no picture yet; ask again after the first step"));
        }
        interrupt.expect_steps(pictures.len());
        Ok(animation::to_bytes(format, &pictures, PICTURE_TIME, &mut |_| {
            interrupt.count_step();
            interrupt.check().map_err(std::io::Error::other)
        })?)
    };
    let bytes = shared.queue.run(job).await?;
    Ok(([(header::CONTENT_TYPE, media_type)], bytes).into_response())
}
