//! Which classes a network takes for which, as an evaluation found.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deepinside::attribution::Runner;
use deepinside::evaluation::ClassResult;
use deepinside::margin::MarginDrawer;
use deepinside::vision::photograph::LoadOptions;
use deepinside::{Error, Interrupt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SharedState;
use crate::body::JsonBody;
use crate::problem::{Answer, JobRefusals, Problem};

/// How many confusions are named, and how many photographs of one are drawn.
const MOST: usize = 200;
const PHOTOGRAPHS: usize = 6;

/// The longer side of a photograph that is drawn, in pixels, and the quality of JPEG files.
const SIDE: usize = 320;
const QUALITY: u8 = 85;

/// Of which model, and which confusion is looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"model": "built-in", "confusion": 0}))]
pub struct ConfusionsRequest {
    /// The model; the default one by default.
    model: Option<String>,
    /// The position of the confusion whose photographs are drawn; none by default.
    confusion: Option<usize>,
}

/// What an evaluation found.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfusionsAnswer {
    /// How many photographs were classified.
    photographs: usize,
    /// How many of them are taken for another class.
    wrong: usize,
    /// Which classes are taken for which, the most common first: 200 at most.
    confusions: Vec<ConfusionInfo>,
    /// The photographs of the confusion that is looked at, those first for which the network finds the most other classes more probable:
    /// six at most.
    worst: Vec<MistakenPhotograph>,
    /// The method of their maps.
    method: Option<&'static str>,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// A class that is taken for another.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfusionInfo {
    /// What the photographs show.
    class_index: usize,
    /// Its name.
    class: String,
    /// What the network names instead.
    named_index: usize,
    /// Its name.
    named: String,
    /// How many photographs are.
    count: usize,
    /// Of how many of the class.
    of: usize,
}

/// A photograph that is taken for another class.
#[derive(Debug, Serialize, ToSchema)]
pub struct MistakenPhotograph {
    /// The name of its file.
    photograph: String,
    /// How many classes are more probable than the one that is shown.
    rank: usize,
    /// Photograph and map; null where it cannot be read any more.
    drawn: Option<DrawnMistake>,
}

/// A photograph, and what of it speaks for the class that is named.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawnMistake {
    /// A JPEG file as a data URL.
    picture: String,
    /// The same under what speaks for the class that is named and against the one that is shown.
    margin: String,
}

/// Says which classes a model takes for which, and shows the worst photographs of one confusion with the reason. Only where the server was
/// started with --confusions.
#[utoipa::path(
    post,
    path = "/confusions",
    tag = "compare",
    request_body = ConfusionsRequest,
    responses((status = 200, body = ConfusionsAnswer), JobRefusals)
)]
pub async fn confusions(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<ConfusionsRequest>,
) -> Answer<Json<ConfusionsAnswer>> {
    let entry = shared.models.get(request.model.as_deref())?;
    let mistakes = entry.source.mistakes.clone();
    let mistakes =
        mistakes.ok_or_else(|| Problem::not_found("the server knows of no evaluation of this model"))?;
    let state = Arc::clone(&shared);
    let job = move |interrupt: &Interrupt| {
        let begun = Instant::now();
        let model = entry.open(interrupt)?;
        let shown = mistakes.confusions.iter().take(MOST);
        let confusions: Vec<ConfusionInfo> = shown
            .map(|confusion| ConfusionInfo {
                class_index: confusion.class_index,
                class: model.class_name(confusion.class_index),
                named_index: confusion.named,
                named: model.class_name(confusion.named),
                count: confusion.results.len(),
                of: confusion.of,
            })
            .collect();
        let (mut worst, mut method) = (Vec::new(), None);
        if let Some(position) = request.confusion {
            let confusion = mistakes.confusions.get(position).filter(|_| position < MOST);
            let confusion = confusion.ok_or_else(|| {
                Problem::not_found(format!(
                    "there is no confusion {position}; there are {}",
                    confusions.len()
                ))
            })?;
            let drawer = MarginDrawer::new(&model)?;
            method = Some(drawer.title());
            worst = state.prepared.with_runner(&entry.source.id, &model, interrupt, |runner| {
                let worst = confusion.worst(&mistakes.results).into_iter().take(PHOTOGRAPHS);
                worst
                    .map(|index| drawn(runner, &drawer, &mistakes.results[index]))
                    .collect::<Answer<Vec<_>>>()
            })?;
        }
        Ok(ConfusionsAnswer {
            photographs: mistakes.results.len(),
            wrong: mistakes.confusions.iter().map(|confusion| confusion.results.len()).sum(),
            confusions,
            worst,
            method,
            seconds: begun.elapsed().as_secs_f64(),
        })
    };
    Ok(Json(shared.queue.run(job).await?))
}

/// A photograph as the evaluation read it: as it is stored.
fn drawn(runner: &mut Runner, drawer: &MarginDrawer, result: &ClassResult) -> Answer<MistakenPhotograph> {
    let options = LoadOptions { apply_orientation: false, ..LoadOptions::default() };
    let classes = [result.named, result.key.class_index];
    let pictures = runner
        .model()
        .load_photograph_with(&result.key.file, options)
        .and_then(|photograph| drawer.draw(runner, &photograph, classes, SIDE));
    let drawn = match pictures {
        Ok(pictures) => {
            let urls = pictures.map(|picture| -> deepinside::Result<String> {
                Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(picture.to_jpeg(QUALITY)?)))
            });
            let [picture, margin] = urls;
            Some(DrawnMistake { picture: picture?, margin: margin? })
        }
        Err(Error::Interrupted) => return Err(Error::Interrupted.into()),
        Err(_) => None,
    };
    Ok(MistakenPhotograph { photograph: file_name(&result.key.file), rank: result.rank, drawn })
}

/// A photograph's name without the folders of this machine.
fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    deepinside::printable::one_line(&name).into_owned()
}
