//! What a photograph shows.

use axum::Json;
use axum::extract::State;
use deepinside::classify::{mean_scores, predictions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::{ClassScore, CropChoice, expect_within};
use super::subject::compute;
use crate::SharedState;
use crate::body::JsonBody;
use crate::problem::{Answer, JobRefusals, Problem};

/// Which photograph, and how it is looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"photograph": "example-cat", "top": 5}))]
pub struct ClassifyRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The part that is looked at; the model's own by default.
    crop: Option<CropChoice>,
    /// How many classes are named.
    #[serde(default = "five")]
    #[schema(minimum = 1, maximum = 100_000, default = 5)]
    top: u32,
}

fn five() -> u32 {
    5
}

/// What a photograph shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct Classified {
    /// The most probable classes, the best first.
    top: Vec<ClassScore>,
    /// The command line that does the same.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Names what a photograph shows.
#[utoipa::path(
    post,
    path = "/classify",
    tag = "photographs",
    request_body = ClassifyRequest,
    responses((status = 200, body = Classified), JobRefusals)
)]
pub async fn classify(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<ClassifyRequest>,
) -> Answer<Json<Classified>> {
    expect_within("top", request.top, 1, 100_000)?;
    compute(&shared, request.model.clone(), request.photograph.clone(), move |subject| {
        let (model, photograph) = (subject.model, subject.photograph()?);
        model.expect_classes()?;
        let crops = request.crop.map_or_else(|| vec![model.crop], CropChoice::crops);
        let scores = subject.with_runner(|runner| {
            let scores = crops.iter().map(|&crop| runner.scores(model.input_of(&photograph, crop)?.data()));
            Ok(scores.collect::<deepinside::Result<Vec<_>>>()?)
        })?;
        let scores = mean_scores(&scores).ok_or_else(|| Problem::internal("there was no crop"))?;
        let crop = match request.crop {
            Some(CropChoice::Ten) => Some("ten".to_owned()),
            Some(crop) => crop.crops().first().map(ToString::to_string),
            None => None,
        };
        let command = subject
            .command("classify")
            .option("--crop", crop)
            .option("--top", (request.top != 5).then_some(request.top));
        Ok(Classified {
            top: predictions(model, &scores, request.top as usize).into_iter().map(Into::into).collect(),
            command: command.finish(),
            seconds: subject.seconds(),
        })
    })
    .await
}
