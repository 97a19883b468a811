//! Arrays that targets and parameters of methods refer to.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use deepinside::files::{Array, npy};
use serde::Serialize;
use utoipa::ToSchema;

use crate::SharedState;
use crate::body::read_file;
use crate::photographs::Photographs;
use crate::problem::{Answer, JobRefusals, Problem};

/// An array that is in memory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0b6d4fcb3a2c4a1e9d2f8f3f6a7f2f10", "shape": [3, 224, 224]}))]
pub struct ArrayInfo {
    /// Its name, made from the content of its file.
    id: String,
    /// Its extents.
    shape: Vec<usize>,
}

/// An array in a form.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub struct ArrayForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    array: Vec<u8>,
}

/// Takes an array: a `.npy` file of numbers as the body, or as the field `array` of a form. Targets and parameters of `/attributions` name
/// it by its id. It is kept in memory until newer ones need its place.
#[utoipa::path(
    post,
    path = "/arrays",
    tag = "photographs",
    request_body(
        description = "A .npy file of numbers",
        content((inline(super::FileBytes) = "application/octet-stream"), (ArrayForm = "multipart/form-data"))
    ),
    responses((status = 201, description = "It is in memory", body = ArrayInfo), JobRefusals)
)]
pub async fn upload(
    State(shared): State<SharedState>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Answer<(StatusCode, Json<ArrayInfo>)> {
    let limits = &shared.options.limits;
    shared.rate.take(client.ip())?;
    // Bodies are held in memory until they are whole, so only a few may arrive at once.
    let arriving = Arc::clone(&shared.arriving)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("uploads", "several files are arriving already; ask again soon", 1))?;
    let is_array = |kind: &str| kind == "application/octet-stream";
    let bytes = read_file(request, "array", is_array, limits.upload_bytes, limits.body_time).await?;
    let kept = Arc::clone(&shared);
    let info = shared
        .queue
        .run(move |_| {
            let array = npy::from_bytes(&bytes, "'array'")?;
            let info = ArrayInfo { id: Photographs::id_of(&bytes), shape: array.shape().to_vec() };
            let size = std::mem::size_of_val(array.data());
            kept.arrays.keep(info.id.clone(), Arc::new(array), size);
            drop((bytes, arriving));
            Ok(info)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(info)))
}

/// The array of that id.
///
/// # Errors
/// When there is none.
pub(super) fn array(shared: &SharedState, id: &str) -> Answer<Arc<Array>> {
    shared.arrays.find(id).ok_or_else(|| {
        let id: String = id.chars().take(64).collect();
        Problem::not_found(format!("no array has the id '{id}'; send its .npy file to /api/v1/arrays first"))
    })
}
