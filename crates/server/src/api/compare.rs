//! Methods beside each other.

use axum::Json;
use axum::extract::State;
use deepinside::files::Array;
use deepinside::rule_notes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::{ClassScore, CropChoice, RuleChoice, expect_within};
use super::saliency::{ClassMap, MapOptions, Place, SmoothGrad, class_list, class_map, make_maps};
use super::subject::compute;
use crate::SharedState;
use crate::body::JsonBody;
use crate::problem::{Answer, JobRefusals, Problem};

/// The most numbers of all maps of an answer together: 128 MiB, a third more as text.
const MOST_NUMBERS: usize = 32 << 20;

/// Which photograph, which classes, which methods.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"photograph": "example-cat", "classes": [285, 281], "methods": [{"name": "gradient"}, {"name": "guided", "rule": "guided"}]}))]
pub struct CompareRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The classes: the columns.
    #[schema(min_items = 1, max_items = 20, example = json!([285]))]
    classes: Vec<u32>,
    /// The methods: the rows.
    #[schema(min_items = 1, max_items = 12)]
    methods: Vec<NamedMethod>,
}

/// A way to make maps, and what it is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedMethod {
    /// What it is called in the answer.
    #[schema(max_length = 200)]
    name: String,
    /// What rectifiers do on the way back.
    #[serde(default)]
    rule: RuleChoice,
    /// The part of the photograph, or "ten" for the mean over Caffe's ten crops; the model's own crop by default.
    crops: Option<CropChoice>,
    /// Averages the gradients of noisy copies.
    smooth_grad: Option<SmoothGrad>,
    /// The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side.
    #[serde(default)]
    #[schema(minimum = 0.0, maximum = 0.5, default = 0.0)]
    smoothing: f64,
    /// The seed of the noise.
    #[serde(default)]
    #[schema(maximum = 9007199254740991_i64)]
    seed: u64,
    /// The readable map instead: guided backpropagation times LayerCAM of the last layer, from noisy copies of the whole photograph
    /// (`docs/methods/saliency.md`). It settles how it is made, so no other option goes with it.
    #[serde(default)]
    readable: bool,
}

impl NamedMethod {
    fn options(&self) -> MapOptions {
        let &Self { rule, crops, smooth_grad, smoothing, seed, readable, .. } = self;
        MapOptions { rule, crops, smooth_grad, smoothing, seed, readable }
    }
}

/// A map of the matrix.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cell {
    /// The map.
    #[serde(flatten)]
    map: ClassMap,
    /// Where it lies in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// The parts of the photograph that the network saw, in the same form. Elsewhere the map is 0 and says nothing.
    #[schema(value_type = Vec<Place>, min_items = 1, max_items = 10)]
    seen: Vec<[f64; 4]>,
}

/// Maps beside each other.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comparison {
    /// A row for each method, in it a cell for each class.
    cells: Vec<Vec<Cell>>,
    /// The names of the methods.
    methods: Vec<String>,
    /// The most probable classes, by the model's own crop.
    top: Vec<ClassScore>,
    /// What must be known about the methods' backward rules in this network, in whole sentences; mostly nothing.
    notes: Vec<String>,
    /// The command lines that make the maps, one a line.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Makes the maps of several classes by several methods.
#[utoipa::path(
    post,
    path = "/compare",
    tag = "photographs",
    request_body = CompareRequest,
    responses((status = 200, body = Comparison), JobRefusals)
)]
pub async fn compare(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<CompareRequest>,
) -> Answer<Json<Comparison>> {
    let classes = class_list(&request.classes)?;
    expect_within("the number of methods", request.methods.len(), 1, 12)?;
    for method in &request.methods {
        expect_within("the length of a method's name", method.name.chars().count(), 0, 200)?;
        method.options().check()?;
    }
    compute(&shared, request.model.clone(), request.photograph.clone(), move |subject| {
        let (mut cells, mut commands, mut top) = (Vec::new(), Vec::new(), Vec::new());
        let mut notes = Vec::new();
        let mut numbers = 0;
        let passes = request.methods.iter().map(|method| method.options().passes(subject.model, classes.len()));
        subject.interrupt.expect_steps(passes.sum());
        for options in request.methods.iter().map(NamedMethod::options) {
            let made = make_maps(subject, Some(&classes), None, &options)?;
            numbers += made.maps.iter().map(|(_, map, _)| map.data().len()).sum::<usize>();
            if numbers > MOST_NUMBERS {
                return Err(Problem::unfit(format!(
                    "the maps have more than {MOST_NUMBERS} numbers together; ask for fewer methods or classes"
                )));
            }
            if top.is_empty() {
                top = made.top.into_iter().map(ClassScore::from).collect();
            }
            for note in rule_notes(subject.model, options.rule.into(), subject.model.score.value) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            let line = |&class: &usize| {
                options.flags(subject.command("saliency").option("--class", Some(class))).finish()
            };
            commands.extend(classes.iter().map(line));
            let cell = |(class, map, _): (_, Array, _)| Cell {
                map: class_map(class, &map, None),
                region: made.region,
                seen: made.seen.clone(),
            };
            cells.push(made.maps.into_iter().map(cell).collect());
        }
        Ok(Comparison {
            cells,
            methods: request.methods.into_iter().map(|method| method.name).collect(),
            top,
            notes,
            command: commands.join("\n"),
            seconds: subject.seconds(),
        })
    })
    .await
}
