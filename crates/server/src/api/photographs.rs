//! Photographs: uploaded ones and examples.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::SharedState;
use crate::body::{PathOf, read_file};
use crate::photographs::{EXAMPLES, Kept};
use crate::problem::{Answer, JobRefusals, Problem, Refusals};

/// A photograph that is in memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0b6d4fcb3a2c4a1e9d2f8f3f6a7f2f10", "width": 4000, "height": 3000}))]
pub struct PhotographInfo {
    /// Its name, made from the content of its file.
    id: String,
    /// Its width in pixels, turned as its file says.
    width: usize,
    /// Its height in pixels.
    height: usize,
}

impl From<&Kept> for PhotographInfo {
    fn from(kept: &Kept) -> Self {
        Self { id: kept.id.clone(), width: kept.photograph.width(), height: kept.photograph.height() }
    }
}

/// A photograph that is there for everybody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "example-cat", "name": "Chelsea the cat", "credit": "Stéfan van der Walt, CC0"}))]
pub struct ExampleInfo {
    /// Its name, which is also a photograph's.
    id: &'static str,
    /// What it shows.
    name: &'static str,
    /// Whose it is.
    credit: &'static str,
}

/// A photograph in a form.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub struct PhotographForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    photograph: Vec<u8>,
}

/// Lists the example photographs.
#[utoipa::path(get, path = "/examples", tag = "photographs", responses((status = 200, body = Vec<ExampleInfo>), Refusals))]
pub async fn examples() -> Json<Vec<ExampleInfo>> {
    let info = |example: &crate::photographs::Example| ExampleInfo {
        id: example.id,
        name: example.name,
        credit: example.credit,
    };
    Json(EXAMPLES.iter().map(info).collect())
}

/// Gives an example photograph's file.
#[utoipa::path(
    get,
    path = "/examples/{id}",
    tag = "photographs",
    params(("id" = String, Path, example = "example-cat")),
    responses(
        (status = 200, description = "The file", content((inline(super::FileBytes) = "image/png"), (inline(super::FileBytes) = "image/jpeg"))),
        Refusals
    )
)]
pub async fn example(PathOf(id): PathOf<String>) -> Answer<Response> {
    let example = EXAMPLES
        .iter()
        .find(|example| example.id == id)
        .ok_or_else(|| Problem::not_found("there is no such example; /api/v1/examples lists them"))?;
    let headers =
        [(header::CONTENT_TYPE, example.media_type), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, example.bytes).into_response())
}

/// Takes a photograph: the file itself as the body, or as the field `photograph` of a form. It is kept in memory until newer ones
/// need its place.
#[utoipa::path(
    post,
    path = "/photographs",
    tag = "photographs",
    request_body(
        description = "A JPEG, PNG, WebP, TIFF, GIF, BMP or PNM file; any image/* type is taken, too",
        content((inline(super::FileBytes) = "application/octet-stream"), (PhotographForm = "multipart/form-data"))
    ),
    responses((status = 201, description = "It is in memory", body = PhotographInfo), JobRefusals)
)]
pub async fn upload(
    State(shared): State<SharedState>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Answer<(StatusCode, Json<PhotographInfo>)> {
    let limits = &shared.options.limits;
    shared.rate.take(client.ip())?;
    // Bodies are held in memory until they are whole, so only a few may arrive at once.
    let arriving = Arc::clone(&shared.arriving).try_acquire_owned().map_err(|_| {
        Problem::busy("uploads", "several photographs are arriving already; ask again soon", 1)
    })?;
    let is_picture = |kind: &str| kind.starts_with("image/") || kind == "application/octet-stream";
    let bytes = read_file(request, "photograph", is_picture, limits.upload_bytes, limits.body_time).await?;
    let photographs = Arc::clone(&shared);
    let kept = shared
        .queue
        .run(move |interrupt| {
            let kept = photographs.photographs.add(&bytes, interrupt);
            drop((bytes, arriving));
            kept
        })
        .await?;
    Ok((StatusCode::CREATED, Json(PhotographInfo::from(&*kept))))
}

/// Says whether a photograph is still in memory.
#[utoipa::path(
    get,
    path = "/photographs/{id}",
    tag = "photographs",
    params(("id" = String, Path, example = "example-cat")),
    responses((status = 200, body = PhotographInfo), JobRefusals)
)]
pub async fn photograph(
    State(shared): State<SharedState>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<PhotographInfo>> {
    let photographs = Arc::clone(&shared);
    let kept = shared.queue.run(move |_| photographs.photographs.get(&id)).await?;
    Ok(Json(PhotographInfo::from(&*kept)))
}

/// Gives a photograph to look at, as a JPEG file of at most 1024 pixels a side. Maps in the photograph's own frame have exactly
/// its pixels.
#[utoipa::path(
    get,
    path = "/photographs/{id}/preview",
    tag = "photographs",
    params(("id" = String, Path, example = "example-cat")),
    responses((status = 200, description = "The picture", content_type = "image/jpeg", body = inline(super::FileBytes)), JobRefusals)
)]
pub async fn preview(State(shared): State<SharedState>, PathOf(id): PathOf<String>) -> Answer<Response> {
    let photographs = Arc::clone(&shared);
    let job = move |_: &deepinside::Interrupt| Ok(photographs.photographs.get(&id)?.preview()?.to_vec());
    let jpeg = shared.queue.run(job).await?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, jpeg).into_response())
}
