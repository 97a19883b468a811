//! The JSON API under `/api/v1`, and its OpenAPI document.
//!
//! One file holds one group of routes with what they take and give. The document is collected from the same functions that are
//! routed, so that neither can have what the other has not.

mod arrays;
mod attributions;
mod choices;
mod class_models;
mod classify;
mod command_line;
mod compare;
mod confusions;
mod events;
mod exemplars;
mod graph;
mod jobs;
mod layers;
mod live;
mod localise;
mod models;
mod photographs;
mod recipe_changes;
mod reports;
mod saliency;
mod subject;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{ErrorBody, Problem, Refusals};
use crate::{SharedState, guard, metrics, page};

/// The head of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    components(schemas(ErrorBody, events::FrameEvent<'_>, events::StateEvent)),
    info(
        title = "deepinside",
        description = "Look inside trained ConvNets. Every address that computes, but for the camera's, takes a place in a bounded queue and answers 429 \
                   with Retry-After when that is full; closing the connection stops the computation. A request with the header X-Job can be \
                   followed at /jobs. Errors have the body \
                   {\"error\": {\"code\", \"message\"}}.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    )
)]
struct Document;

/// The bytes of a file, as they are.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
struct FileBytes(Vec<u8>);

fn documented() -> OpenApiRouter<SharedState> {
    OpenApiRouter::with_openapi(Document::openapi()).nest(
        "/api/v1",
        OpenApiRouter::new()
            .routes(routes!(openapi))
            .routes(routes!(jobs::job))
            .routes(routes!(models::models, models::upload))
            .routes(routes!(models::model, models::remove))
            .routes(routes!(models::classes))
            .routes(routes!(photographs::examples))
            .routes(routes!(photographs::example))
            .routes(routes!(photographs::upload))
            .routes(routes!(photographs::photograph))
            .routes(routes!(photographs::preview))
            .routes(routes!(arrays::upload))
            .routes(routes!(classify::classify))
            .routes(routes!(saliency::saliency))
            .routes(routes!(attributions::methods))
            .routes(routes!(attributions::attributions))
            .routes(routes!(localise::localise))
            .routes(routes!(layers::layers))
            .routes(routes!(layers::unit))
            .routes(routes!(exemplars::exemplars))
            .routes(routes!(compare::compare))
            .routes(routes!(confusions::confusions))
            .routes(routes!(reports::reports))
            .routes(routes!(graph::graph))
            .routes(routes!(graph::filters))
            .routes(routes!(live::live))
            .routes(routes!(class_models::recipes))
            .routes(routes!(class_models::begin))
            .routes(routes!(class_models::info, class_models::change, class_models::cancel))
            .routes(routes!(class_models::pause))
            .routes(routes!(class_models::resume))
            .routes(routes!(class_models::rewind))
            .routes(routes!(class_models::picture))
            .routes(routes!(class_models::animated_png))
            .routes(routes!(class_models::animated_gif))
            .routes(routes!(class_models::animated_webp))
            .routes(routes!(events::events)),
    )
}

/// The OpenAPI document.
pub fn document() -> serde_json::Value {
    bounded(documented().into_openapi())
}

/// The document, in which integers without a sign have the largest value too: the derivation states the smallest alone, and
/// numbers beyond 32 bits are refused.
fn bounded(document: utoipa::openapi::OpenApi) -> serde_json::Value {
    fn bound(value: &mut serde_json::Value) {
        use serde_json::Value;
        if let Value::Object(schema) = value
            && schema.get("format").and_then(Value::as_str).is_some_and(|format| format.ends_with("int32"))
            && schema.get("minimum").and_then(Value::as_f64) == Some(0.0)
        {
            schema.entry("maximum").or_insert(u32::MAX.into());
        }
        match value {
            Value::Object(fields) => fields.values_mut().for_each(bound),
            Value::Array(items) => items.iter_mut().for_each(bound),
            _ => {}
        }
    }
    // A document of strings and numbers can always be written.
    let mut json = serde_json::to_value(document).unwrap_or_default();
    bound(&mut json);
    json
}

/// Everything that the server answers.
pub(crate) fn router(shared: SharedState) -> Router {
    let limits = &shared.options.limits;
    let (router, document) = documented().split_for_parts();
    let _ = shared.openapi.set(Bytes::from(format!("{:#}", bounded(document))));
    router
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics::metrics))
        .fallback(fallback)
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(limits.read_time))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal("this request met a fault of the program").into_response()
        }))
        .layer(middleware::from_fn(crate::jobs::name))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard::guard))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), metrics::count))
        .with_state(shared)
}

/// What is no address of the API is one of the page.
async fn fallback(method: axum::http::Method, uri: axum::http::Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return Problem::not_found("the API has no such address; /api/v1/openapi.json lists all")
            .into_response();
    }
    if !matches!(method, axum::http::Method::GET | axum::http::Method::HEAD) {
        return ([(header::ALLOW, "GET, HEAD")], Problem::method()).into_response();
    }
    page::serve(uri).await
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    responses((status = 200, description = "OpenAPI 3.1", body = Object), Refusals)
)]
async fn openapi(State(shared): State<SharedState>) -> Response {
    let json = shared.openapi.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
