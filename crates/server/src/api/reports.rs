//! Report cards: several methods on one photograph, and whether each map deserves belief.

use axum::Json;
use axum::extract::State;
use deepinside::attribution::report::{Card, Control, Faithfulness, ReportSettings, report};
use deepinside::vision::Crop;
use deepinside::{Error, Target};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::expect_within;
use super::subject::compute;
use crate::SharedState;
use crate::body::JsonBody;
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals};

/// The most methods of one report.
const MOST_METHODS: usize = 12;

/// The most steps in which pixels are deleted and inserted.
const MOST_STEPS: u32 = 200;

/// The most depths at which weights are randomised.
const MOST_DEPTHS: u32 = 10;

/// Which photograph, and which methods are compared.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"photograph": "example-cat", "methods": ["gradient", "grad-cam"], "steps": 8, "depths": 1}))]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The methods, each NAME or NAME:PARAMETER=VALUE,PARAMETER=VALUE; those of the command line where there are none.
    #[serde(default)]
    #[schema(max_items = 12)]
    methods: Vec<String>,
    /// What is explained, as on the command line; the most probable class by default.
    #[schema(example = "285")]
    target: Option<String>,
    /// The part of the photograph; the model's own crop by default.
    #[schema(example = "centre")]
    crop: Option<String>,
    /// In how many steps pixels are deleted and inserted.
    #[serde(default = "default_steps")]
    #[schema(minimum = 1, maximum = 200)]
    steps: u32,
    /// At how many depths of the network weights are randomised; 0 leaves that out.
    #[serde(default = "default_depths")]
    #[schema(minimum = 0, maximum = 10)]
    depths: u32,
    /// Whether the unnormalised score is measured and not the probability of the class.
    #[serde(default)]
    of_score: bool,
}

fn default_steps() -> u32 {
    32
}

fn default_depths() -> u32 {
    3
}

/// The target while pixels are deleted and inserted by a map, those that matter most first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MapFaithfulness {
    /// The mean while pixels are deleted; less is better.
    deletion: f64,
    /// The mean while pixels are inserted; more is better.
    insertion: f64,
    /// Insertion minus deletion; more is better.
    difference: f64,
    /// The number while more and more pixels are deleted.
    deletion_curve: Vec<f64>,
    /// The number while more and more pixels are inserted.
    insertion_curve: Vec<f64>,
}

impl From<Faithfulness> for MapFaithfulness {
    fn from(found: Faithfulness) -> Self {
        let difference = found.difference();
        let Faithfulness { deletion, insertion, deletion_curve, insertion_curve } = found;
        Self { deletion, insertion, difference, deletion_curve, insertion_curve }
    }
}

/// What is known about one method's map.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportCard {
    /// The method.
    method: &'static str,
    /// Its name in a sentence.
    title: &'static str,
    /// One number for each pixel that the network read; not scaled.
    map: Numbers,
    /// What deletion and insertion by the map tell.
    faithfulness: MapFaithfulness,
    /// The rank correlation with the map of the network with random weights, from the fewest to all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    randomised: Option<Vec<f64>>,
    /// The largest change under small perturbations of the input, as a share of the attribution's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    sensitivity: Option<f64>,
    /// What the attributions add up to, and what they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 2)]
    completeness: Option<[f64; 2]>,
    /// The Gini index of the map's magnitudes.
    sparseness: f64,
    /// How long the map took.
    seconds: f64,
    /// How many pictures went forward for it.
    forward_passes: usize,
    /// Whether the map deserves belief, in a sentence.
    verdict: String,
    /// What must be known about the map, in whole sentences.
    notes: Vec<String>,
}

impl From<Card> for ReportCard {
    fn from(card: Card) -> Self {
        Self {
            method: card.method,
            title: card.title,
            map: (&card.map).into(),
            faithfulness: card.faithfulness.into(),
            randomised: card.randomised,
            sensitivity: card.sensitivity,
            completeness: card.completeness,
            sparseness: card.sparseness,
            seconds: card.seconds,
            forward_passes: card.forward_passes,
            verdict: card.verdict,
            notes: card.notes,
        }
    }
}

/// A map that knows nothing of the network.
#[derive(Debug, Serialize, ToSchema)]
pub struct ControlCard {
    /// What it is: random, centre or edges.
    name: &'static str,
    /// One number for each pixel.
    map: Numbers,
    /// What deletion and insertion by it tell.
    faithfulness: MapFaithfulness,
}

impl From<Control> for ControlCard {
    fn from(control: Control) -> Self {
        Self { name: control.name, map: (&control.map).into(), faithfulness: control.faithfulness.into() }
    }
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportAnswer {
    /// The target in words.
    #[schema(example = "Egyptian cat")]
    title: String,
    /// The target in the grammar that requests take.
    #[schema(example = "285")]
    target: String,
    /// Its number.
    number: f64,
    /// What deletion and insertion measure: the target or its probability.
    measured: String,
    /// A card for each method, in the order in which they were asked for.
    cards: Vec<ReportCard>,
    /// Maps that know nothing of the network.
    controls: Vec<ControlCard>,
    /// The rank correlation of each map with each other, in the order of the cards.
    agreement: Vec<Vec<f64>>,
    /// What holds for all, in whole sentences.
    notes: Vec<String>,
    /// Where the maps lie in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// The command line that does the same.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Compares methods on one photograph, each with measurements that say whether its map deserves belief: what `deepinside report` does.
#[utoipa::path(
    post,
    path = "/reports",
    tag = "photographs",
    request_body = ReportRequest,
    responses((status = 200, body = ReportAnswer), JobRefusals)
)]
pub async fn reports(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<ReportRequest>,
) -> Answer<Json<ReportAnswer>> {
    expect_within("the number of methods", request.methods.len(), 0, MOST_METHODS)?;
    expect_within("steps", request.steps, 1, MOST_STEPS)?;
    expect_within("depths", request.depths, 0, MOST_DEPTHS)?;
    let mut settings = ReportSettings::usual()?;
    if !request.methods.is_empty() {
        settings.methods =
            request.methods.iter().map(|text| ReportSettings::named(text)).collect::<Result<_, Error>>()?;
    }
    settings.steps = request.steps as usize;
    settings.depths = request.depths as usize;
    settings.of_score = request.of_score;
    let crop: Option<Crop> = request.crop.as_deref().map(str::parse).transpose().map_err(Error::from)?;
    let ReportRequest { model, photograph, methods, target, crop: said, steps, depths, of_score } = request;
    compute(&shared, model, photograph, move |subject| {
        let model = subject.model;
        let crop = crop.unwrap_or(model.crop);
        let photograph = subject.photograph()?;
        let input = model.input_of(&photograph, crop)?;
        let region = model.frame(&photograph, crop)?.edges();
        let no_file = |name: &str| Err(Error::Option(format!("'{name}': a report's target names no array")));
        let target = target.as_deref().map(|text| Target::parse(text, model, &no_file)).transpose()?;
        subject.with_runner(|runner| {
            let target = match target.clone() {
                Some(target) => target,
                None => {
                    model.expect_classes()?;
                    runner.classify(&photograph)?.target(model)
                }
            };
            subject.interrupt.expect_steps(settings.passes(model, &input)?);
            let found = report(runner, &input, &target, &settings, &mut |_, _, _| ())?;
            let line = methods
                .iter()
                .fold(subject.command("report"), |line, method| line.option("--method", Some(method)));
            let line = line.option("--target", Some(found.target.as_str())).option("--crop", said.as_deref());
            let line = line
                .option("--steps", (steps != default_steps()).then_some(steps))
                .option("--depths", (depths != default_depths()).then_some(depths));
            let line = if of_score { line.flag("--of-score") } else { line };
            Ok(ReportAnswer {
                title: match target.as_class() {
                    Some(class) => model.class_name(class),
                    None => found.target.clone(),
                },
                target: found.target,
                number: found.number,
                measured: found.measured,
                cards: found.cards.into_iter().map(ReportCard::from).collect(),
                controls: found.controls.into_iter().map(ControlCard::from).collect(),
                agreement: found.agreement,
                notes: found.notes,
                region,
                command: line.option("--output", Some("report.html")).finish(),
                seconds: subject.seconds(),
            })
        })
    })
    .await
}
