//! Reading what requests send, within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::Limited;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::SharedState;
use crate::problem::{Answer, Problem};

/// What a form may hold besides its file, in bytes.
const FORM_BYTES: usize = 64 << 10;

/// The longest JSON body, in bytes.
const JSON_LIMIT: usize = 1 << 20;

/// A JSON body.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<SharedState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &SharedState) -> Answer<Self> {
        let kind = media_type(request.headers());
        if kind != "application/json" {
            return Err(Problem::kind(format!(
                "a body of type application/json is expected, found '{kind}'"
            )));
        }
        expect_length(request.headers(), JSON_LIMIT)?;
        let bytes = read(request.into_body(), JSON_LIMIT, shared.options.limits.body_time).await?;
        let mut value = serde_json::from_slice::<Value>(&bytes)
            .map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))?;
        // Otherwise a list of an object's values would pass for it.
        if !value.is_object() {
            return Err(Problem::unfit("the body: an object is expected"));
        }
        with_integers(&mut value);
        T::deserialize(value)
            .map(JsonBody)
            .map_err(|error: serde_json::Error| Problem::unfit(format!("the body: {error}")))
    }
}

/// JSON knows no integers of their own, and some programs write 5 as 5.0: what is whole becomes an integer.
fn with_integers(value: &mut Value) {
    /// Up to here every whole number is a double.
    const LARGEST: f64 = (1u64 << 53) as f64;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= LARGEST);
            if let Some(whole) = whole {
                *number = if whole < 0.0 { (whole as i64).into() } else { (whole as u64).into() };
            }
        }
        Value::Array(values) => values.iter_mut().for_each(with_integers),
        Value::Object(object) => object.values_mut().for_each(with_integers),
        _ => {}
    }
}

/// A query.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| Problem::unfit(rejection.body_text()))
    }
}

/// The variable parts of a path.
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(path)| Self(path)).map_err(|rejection| Problem::not_found(rejection.body_text()))
    }
}

/// The kind of a body, without its parameters; empty where none is named.
pub fn media_type(headers: &HeaderMap) -> String {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses a body whose length is announced and too long, before a byte of it is read.
///
/// # Errors
/// When it is too long.
pub fn expect_length(headers: &HeaderMap, limit: usize) -> Answer<()> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_long(limit)),
        _ => Ok(()),
    }
}

/// A whole body.
///
/// # Errors
/// When it is too long, or does not arrive in time.
pub async fn read(body: Body, limit: usize, time: Duration) -> Answer<Bytes> {
    match tokio::time::timeout(time, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(broken(&error, limit)),
        Err(_) => Err(Problem::slow()),
    }
}

/// The file that is the body itself, or the field `field` of a form.
///
/// # Errors
/// When it is of another kind, too long, or does not arrive in time.
pub async fn read_file(
    request: Request,
    field: &str,
    kinds: impl Fn(&str) -> bool,
    limit: usize,
    time: Duration,
) -> Answer<Bytes> {
    expect_length(request.headers(), limit)?;
    let kind = media_type(request.headers());
    let bytes = if kind == "multipart/form-data" {
        match tokio::time::timeout(time, read_form(request, field, limit)).await {
            Ok(bytes) => bytes?,
            Err(_) => return Err(Problem::slow()),
        }
    } else if kinds(&kind) {
        read(request.into_body(), limit, time).await?
    } else {
        return Err(Problem::kind(format!(
            "the file itself is expected, or a form (multipart/form-data) with a field '{field}'; found a body of type '{kind}'"
        )));
    };
    if bytes.is_empty() { Err(Problem::unfit("the file is empty")) } else { Ok(bytes) }
}

async fn read_form(request: Request, field: &str, limit: usize) -> Answer<Bytes> {
    let malformed = |text: String| Problem::malformed(format!("the form cannot be read: {text}"));
    // What lies between the files counts, too.
    let request = request.map(|body| Body::new(Limited::new(body, limit + FORM_BYTES)));
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|rejection| malformed(rejection.body_text()))?;
    let failed =
        |error: MultipartError| cut_off(&error, limit).unwrap_or_else(|| malformed(error.body_text()));
    while let Some(part) = form.next_field().await.map_err(failed)? {
        if part.name() == Some(field) {
            let mut part = part;
            let mut bytes = Vec::new();
            while let Some(chunk) = part.chunk().await.map_err(failed)? {
                if bytes.len() + chunk.len() > limit {
                    return Err(too_long(limit));
                }
                bytes.extend_from_slice(&chunk);
            }
            return Ok(bytes.into());
        }
    }
    Err(Problem::unfit(format!("the form has no field '{field}'")))
}

fn too_long(limit: usize) -> Problem {
    let limit = deepinside::files::bytes::readable(limit as u64);
    Problem::too_large(format!("at most {limit} are taken; make the file smaller"))
}

/// Why a body broke off.
fn broken(error: &axum::Error, limit: usize) -> Problem {
    cut_off(error, limit).unwrap_or_else(|| Problem::malformed(format!("the body broke off: {error}")))
}

/// The limit that a body exceeded, where that is why it could not be read.
fn cut_off(error: &(dyn std::error::Error + 'static), limit: usize) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return Some(too_long(limit));
        }
        if error.is::<tower_http::timeout::TimeoutError>() {
            return Some(Problem::slow());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_integers() {
        let mut value = serde_json::json!({"a": [5.0, -2.0, 0.5, 1e300, 7], "b": {"c": 0.0}, "d": "1.0"});
        with_integers(&mut value);
        let whole = serde_json::json!({"a": [5, -2, 0.5, 1e300, 7], "b": {"c": 0}, "d": "1.0"});
        assert_eq!(value, whole);
    }
}
