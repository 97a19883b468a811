//! Models and their classes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use deepinside::Model;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::SharedState;
use crate::body::{PathOf, QueryOf, read_file};
use crate::models::Entry;
use crate::options::Origin;
use crate::problem::{Answer, JobRefusals, Problem, Refusals};

/// A model. What is only known once it is open is null before; every request that uses a model opens it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelInfo {
    /// What requests call it.
    id: String,
    /// What it is called.
    name: String,
    /// What `-m` takes for it on the command line; null for the built-in one.
    flag: Option<String>,
    /// Whether it is used where a request names none.
    is_default: bool,
    /// Whether it is open.
    is_open: bool,
    /// What it reads.
    input: Option<InputInfo>,
    /// How many classes it knows.
    classes: Option<usize>,
    /// The value that holds the unnormalised class scores.
    score_value: Option<String>,
    /// The values of whose units exemplars are known.
    exemplar_layers: Vec<String>,
    /// Whether it is known which classes it takes for which.
    has_confusions: bool,
    /// What was assumed about it, and what is suspicious, in whole sentences.
    notes: Vec<String>,
    /// Why it cannot be opened, where that was tried.
    problem: Option<String>,
}

/// What a network reads.
#[derive(Debug, Serialize, ToSchema)]
pub struct InputInfo {
    /// 3, or 1 for grey.
    channels: usize,
    /// Rows.
    height: usize,
    /// Columns.
    width: usize,
}

impl ModelInfo {
    pub(super) fn new(entry: &Entry, is_default: bool) -> Self {
        let state = entry.state();
        let (model, problem) = match state {
            Some(Ok(model)) => (Some(model), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let model = model.as_deref();
        Self {
            id: entry.source.id.clone(),
            // A folder's network may be in a file that many folders have, such as deploy.prototxt.
            name: match (&entry.source.origin, model) {
                (Origin::BuiltIn | Origin::Open(_), Some(model)) => model.name.clone(),
                _ => entry.source.id.clone(),
            },
            flag: entry.source.flag.clone(),
            is_default,
            is_open: model.is_some(),
            input: model.map(|model| InputInfo {
                channels: model.transformer.channel_order.channels(),
                height: model.transformer.height,
                width: model.transformer.width,
            }),
            classes: model.map(|model| model.score.classes),
            score_value: model.map(|model| model.graph.value(model.score.value).name.clone()),
            exemplar_layers: match &entry.source.exemplars {
                Some(gallery) => gallery.found().layers.iter().map(|layer| layer.name.clone()).collect(),
                None => Vec::new(),
            },
            has_confusions: entry.source.mistakes.is_some(),
            notes: model.map(notes).unwrap_or_default(),
            problem,
        }
    }
}

fn notes(model: &Model) -> Vec<String> {
    model.warnings.iter().cloned().chain(model.guesses()).collect()
}

/// Lists the models, the default one first.
#[utoipa::path(get, path = "/models", tag = "models", responses((status = 200, body = Vec<ModelInfo>), Refusals))]
pub async fn models(State(shared): State<SharedState>) -> Json<Vec<ModelInfo>> {
    let entries = shared.models.all();
    Json(entries.iter().enumerate().map(|(index, entry)| ModelInfo::new(entry, index == 0)).collect())
}

/// Opens a model and says what it is.
#[utoipa::path(
    get,
    path = "/models/{model}",
    tag = "models",
    params(("model" = String, Path, example = "built-in")),
    responses((status = 200, body = ModelInfo), JobRefusals)
)]
pub async fn model(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<Json<ModelInfo>> {
    let entry = shared.models.get(Some(&id))?;
    let is_default = shared.models.get(None).is_ok_and(|first| Arc::ptr_eq(&first, &entry));
    let info = shared.queue.run(move |interrupt| {
        entry.open(interrupt)?;
        Ok(ModelInfo::new(&entry, is_default))
    });
    Ok(Json(info.await?))
}

/// What an uploaded model is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UploadQuery {
    /// Its name, of which the identifier is made.
    #[param(max_length = 100, example = "mine")]
    name: Option<String>,
}

/// A model in a form.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub struct ModelForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    model: Vec<u8>,
}

/// Takes a model: an .onnx file with its weights inside, as the body or as the field `model` of a form. Only where the server was
/// started with --allow-model-upload; it is kept in memory until it is removed or the server
/// ends.
#[utoipa::path(
    post,
    path = "/models",
    tag = "models",
    params(UploadQuery),
    request_body(
        description = "An .onnx file",
        content((inline(super::FileBytes) = "application/octet-stream"), (ModelForm = "multipart/form-data"))
    ),
    responses((status = 201, description = "It can be used", body = ModelInfo), JobRefusals)
)]
pub async fn upload(
    State(shared): State<SharedState>,
    QueryOf(query): QueryOf<UploadQuery>,
    request: Request,
) -> Answer<(StatusCode, Json<ModelInfo>)> {
    if !shared.options.allow_model_upload {
        let message = "models cannot be uploaded; start the server with --allow-model-upload";
        return Err(Problem::forbidden("model_upload", message));
    }
    let name = query.name.unwrap_or_else(|| "uploaded".to_owned());
    super::choices::expect_within("the length of name", name.chars().count(), 0, 100)?;
    // One at a time, since bodies are held in memory.
    let _arriving = shared
        .model_arriving
        .try_acquire()
        .map_err(|_| Problem::busy("uploads", "another model is arriving; ask again soon", 2))?;
    let limits = &shared.options.limits;
    let is_model = |kind: &str| kind == "application/octet-stream";
    let onnx = read_file(request, "model", is_model, limits.model_bytes, limits.body_time).await?;
    let state = Arc::clone(&shared);
    let entry = shared.queue.run(move |interrupt| state.models.add(&name, onnx, interrupt)).await?;
    Ok((StatusCode::CREATED, Json(ModelInfo::new(&entry, false))))
}

/// Forgets an uploaded model and gives its memory back. Others stay.
#[utoipa::path(
    delete,
    path = "/models/{model}",
    tag = "models",
    params(("model" = String, Path, example = "uploaded")),
    responses((status = 204, description = "It is forgotten"), JobRefusals)
)]
pub async fn remove(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<StatusCode> {
    shared.models.remove(&id)?;
    // Giving back large memory takes a moment.
    let state = Arc::clone(&shared);
    let _ = tokio::task::spawn_blocking(move || state.prepared.forget(&id)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Which classes are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ClassQuery {
    /// Words of a name or their beginnings, a synset or an index; all classes by default.
    #[serde(default)]
    query: String,
    /// How many at most.
    #[serde(default = "twenty")]
    #[param(minimum = 1, maximum = 100_000, default = 20)]
    limit: u32,
}

fn twenty() -> u32 {
    20
}

/// A class.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"index": 281, "synset": "n02123045", "name": "tabby, tabby cat"}))]
pub struct ClassInfo {
    /// The class.
    index: usize,
    /// Its WordNet synset, where the names state one.
    synset: Option<String>,
    /// Its name.
    name: String,
}

/// Lists a model's classes, the best matches first.
#[utoipa::path(
    get,
    path = "/models/{model}/classes",
    tag = "models",
    params(("model" = String, Path, example = "built-in"), ClassQuery),
    responses((status = 200, body = Vec<ClassInfo>), JobRefusals)
)]
pub async fn classes(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<ClassQuery>,
) -> Answer<Json<Vec<ClassInfo>>> {
    super::choices::expect_within("limit", query.limit, 1, 100_000)?;
    let entry = shared.models.get(Some(&id))?;
    let job = move |interrupt: &deepinside::Interrupt| {
        let model = entry.open(interrupt)?;
        let found = model.labels.search(&query.query, model.score.classes, query.limit as usize);
        Ok(found.into_iter().map(|index| info(&model, index)).collect())
    };
    Ok(Json(shared.queue.run(job).await?))
}

fn info(model: &Model, index: usize) -> ClassInfo {
    let synset = model.labels.get(index).and_then(|label| label.synset.clone());
    ClassInfo { index, synset, name: model.class_name(index) }
}
