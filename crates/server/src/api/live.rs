//! The live camera: one frame in, one map out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use deepinside::attribution::Pass;
use deepinside::attribution::largest_magnitude;
use deepinside::classify::predictions;
use deepinside::drawing::normalise::{Scaling, normalise};
use deepinside::vision::Photograph;
use deepinside::{BackwardRule, Interrupt, Target};
use serde::Deserialize;
use utoipa::IntoParams;

use super::choices::ClassScore;
use crate::SharedState;
use crate::body::{QueryOf, expect_length, media_type, read};
use crate::prepared::in_channels_of;
use crate::problem::{Answer, JobRefusals, Problem};
use crate::queue::AskWhenDropped;

/// The longest frame, in bytes: 1182 × 1182 pixels.
const FRAME_BYTES: usize = 4 << 20;

/// The quantile of the map's values above zero that is shown brightest.
const BRIGHTEST: f32 = 0.99;

/// Whose frame it is, and what is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LiveQuery {
    /// The model; the default one by default.
    #[param(example = "built-in")]
    model: Option<String>,
    /// The class; the most probable one by default.
    class: Option<u32>,
    /// The camera's name: of each camera, frames that newer ones overtake are dropped. By default the client's address.
    #[param(max_length = 64)]
    stream: Option<String>,
}

/// Computes the saliency map of one frame of a camera. A frame that waits is dropped (429) when a newer one of the same camera comes.
#[utoipa::path(
    post,
    path = "/live",
    tag = "live",
    params(LiveQuery),
    request_body(
        description = "The frame, exactly the network's input size: height × width × 3 bytes, red first",
        content = inline(super::FileBytes),
        content_type = "application/octet-stream"
    ),
    responses(
        (
            status = 200,
            description = "The map, height × width bytes; 255 is the 0.99 quantile of its values above zero. X-Top holds the three most \
                           probable classes as JSON, X-Class the class of the map, X-Size height and width",
            content_type = "application/octet-stream",
            body = inline(super::FileBytes),
            headers(("X-Top" = String), ("X-Class" = u32), ("X-Size" = String))
        ),
        JobRefusals
    )
)]
pub async fn live(
    State(shared): State<SharedState>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    QueryOf(query): QueryOf<LiveQuery>,
    request: Request,
) -> Answer<Response> {
    let kind = media_type(request.headers());
    if kind != "application/octet-stream" {
        return Err(Problem::kind(format!(
            "a body of type application/octet-stream is expected, found '{kind}'"
        )));
    }
    let stream = query.stream.unwrap_or_else(|| client.ip().to_string());
    super::choices::expect_within("the length of stream", stream.chars().count(), 0, 64)?;
    let limits = &shared.options.limits;
    let longest = limits.upload_bytes.min(FRAME_BYTES);
    expect_length(request.headers(), longest)?;
    let entry = shared.models.get(query.model.as_deref())?;
    let frame = read(request.into_body(), longest, limits.body_time).await?;
    let turn = shared.live.turn(&stream).await?;
    let asked = AskWhenDropped(Interrupt::default());
    let (interrupt, state) = (asked.0.clone(), Arc::clone(&shared));
    // Not through the queue: a frame that waited behind other computations would be too old to be shown.
    let computed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let model = entry.open(&interrupt)?;
        let (height, width) = (model.transformer.height, model.transformer.width);
        if frame.len() != height * width * 3 {
            return Err(Problem::unfit(format!(
                "a frame for '{}' has {height}×{width}×3 = {} bytes, found {}",
                entry.source.id,
                height * width * 3,
                frame.len()
            )));
        }
        let photograph = Photograph::from_samples(height, width, 3, frame.to_vec())?;
        let input = model.transformer.preprocess(&*in_channels_of(&model, &photograph)?)?;
        let (scores, class, gradient) =
            state.prepared.with_runner(&entry.source.id, &model, &interrupt, |runner| {
                // The gradient shares the forward pass that chooses its class.
                runner.expect(&Pass::to_input(&model, BackwardRule::Gradient), &Target::class(0))?;
                let scores = runner.scores(input.data())?;
                let best = || predictions(&model, &scores, 1).first().map(|best| best.index);
                let class = query.class.map(|class| class as usize).or_else(best).unwrap_or_default();
                let target = Target::of_classes(&model, class, None)?;
                let gradient = runner.gradient(BackwardRule::Gradient, &target, input.data())?;
                Ok((scores, class, gradient))
            })?;
        let scaled = normalise(&largest_magnitude(&gradient)?, Scaling::Quantile(BRIGHTEST))?;
        let map: Vec<u8> = scaled.values.data().iter().map(|&number| (number * 255.0 + 0.5) as u8).collect();
        let top = predictions(&model, &scores, 3).into_iter().map(ClassScore::from).collect::<Vec<_>>();
        Ok((map, top, class, [height, width]))
    });
    let joined = tokio::time::timeout(limits.job_time, computed)
        .await
        .map_err(|_| Problem::too_long(limits.job_time.as_secs()))?
        .map_err(|_| Problem::internal("the computation broke off; this is a fault of the program"))?;
    let (map, top, class, [height, width]) = joined?;
    let top = serde_json::to_string(&top).map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = Body::from(map).into_response();
    let headers = response.headers_mut();
    let size = format!("{height},{width}");
    for (name, value) in [("x-top", in_ascii(&top)), ("x-class", class.to_string()), ("x-size", size)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// JSON without letters beyond ASCII, which headers do not take.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            let mut units = [0u16; 2];
            for unit in letter.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_ascii_is_the_same_json() {
        let json = serde_json::json!({"name": "crème brûlée 🐈"}).to_string();
        let ascii = in_ascii(&json);
        assert!(ascii.is_ascii());
        let [one, other] =
            [json, ascii].map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
        assert_eq!(one, other);
    }
}
