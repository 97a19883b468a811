//! Where the object is, from saliency alone.

use axum::Json;
use axum::extract::State;
use deepinside::localise::{CutRule, Localisation, Method, Rule, localise as find};
use deepinside::vision::graph_cut::{CutOptions, Marker};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choices::{ClassScore, expect_within};
use super::saliency::class_list;
use super::subject::{Subject, compute};
use crate::SharedState;
use crate::body::JsonBody;
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals, Problem};

/// A named method, as the command line has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// The one that finds most boxes.
    #[default]
    Default,
    /// The paper's graph cut, with what it leaves open chosen well.
    Paper,
    /// The paper's graph cut to the letter.
    PaperLiteral,
    /// The pixels that hold a share of the map's sum.
    Energy,
    /// Pixels above a multiple of the mean.
    Mean,
    /// Pixels above a share of the range.
    Value,
    /// Energy, on the map of guided backpropagation.
    GuidedEnergy,
    /// The largest expected overlap, on LayerCAM of the last layer of each resolution.
    LayerCam,
    /// A fifth of the range of the last layer's Grad-CAM, the largest region.
    GradCam,
    /// Half as much again as the mean of the last layer's Grad-CAM.
    GradCamMean,
}

impl MethodName {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Paper => "paper",
            Self::PaperLiteral => "paper-literal",
            Self::Energy => "energy",
            Self::Mean => "mean",
            Self::Value => "value",
            Self::GuidedEnergy => "guided-energy",
            Self::LayerCam => "layer-cam",
            Self::GradCam => "grad-cam",
            Self::GradCamMean => "grad-cam-mean",
        }
    }
}

/// Which photograph, which classes, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"photograph": "example-cat", "method": "paper", "foreground_quantile": 0.95}))]
pub struct LocaliseRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The classes, the one of the mask first; the most probable ones by default.
    #[schema(min_items = 1, max_items = 20, example = json!([285]))]
    classes: Option<Vec<u32>>,
    /// How many of the most probable classes get a box, where no class is named.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 20, default = 1)]
    top: u32,
    /// The method.
    #[serde(default)]
    method: MethodName,
    /// Graph cut: pixels above this quantile of the map are foreground.
    #[schema(minimum = 0.0, maximum = 1.0)]
    foreground_quantile: Option<f64>,
    /// Graph cut: pixels below this quantile are background.
    #[schema(minimum = 0.0, maximum = 1.0)]
    background_quantile: Option<f64>,
    /// Graph cut: how often the colour models are learnt again from the labels.
    #[schema(minimum = 0, maximum = 20)]
    refinements: Option<u32>,
}

fn one() -> u32 {
    1
}

/// An object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"index": 285, "name": "Egyptian cat", "score": 8.4, "box": [40.0, 0.0, 451.0, 300.0], "is_constant": false, "nothing_chosen": false}))]
pub struct FoundObject {
    /// Its class.
    index: usize,
    /// The class's name.
    name: String,
    /// Its unnormalised score.
    score: f32,
    /// Left, top, right, bottom, in pixels of the photograph.
    #[schema(min_items = 4, max_items = 4)]
    r#box: [f64; 4],
    /// Whether its map is the same everywhere: then no pixel changes the score, and the box is the whole photograph.
    is_constant: bool,
    /// Whether the method chooses nothing of its map, so that the box is the whole photograph.
    nothing_chosen: bool,
}

/// Where objects are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Localised {
    /// One for each class.
    objects: Vec<FoundObject>,
    /// What the crops of the maps together say, where no class was named and they would have chosen another than the model's
    /// own crop, whose choice is localised.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<ClassScore>,
    /// The first object's pixels (1), height × width of the preview.
    mask: Numbers,
    /// What was known before the cut: 0 unknown, 1 background, 2 object. Only graph cuts have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    markers: Option<Numbers>,
    /// The first class's saliency map, of the same size.
    map: Numbers,
    /// The command lines that do the same, one a line; photographs of more than 1024 pixels a side are reduced here and differ in
    /// detail.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

impl LocaliseRequest {
    fn check(&self) -> Answer<()> {
        expect_within("top", self.top, 1, 20)?;
        for (name, quantile) in [
            ("foreground_quantile", self.foreground_quantile),
            ("background_quantile", self.background_quantile),
        ] {
            expect_within(name, quantile.unwrap_or(0.5), 0.0, 1.0)?;
        }
        expect_within("refinements", self.refinements.unwrap_or(0), 0, 20)
    }

    fn method(&self) -> Answer<Method> {
        let mut method = Method::named(self.method.name())?;
        let changes_cut = self.foreground_quantile.is_some()
            || self.background_quantile.is_some()
            || self.refinements.is_some();
        match method.rule {
            Rule::Cut(rule) => {
                let refinements = self.refinements.map_or(rule.cut.refinements, |count| count as usize);
                method.rule = Rule::Cut(CutRule {
                    foreground: self.foreground_quantile.unwrap_or(rule.foreground),
                    background: self.background_quantile.unwrap_or(rule.background),
                    cut: CutOptions { refinements, ..rule.cut },
                    ..rule
                });
            }
            _ if changes_cut => {
                return Err(Problem::conflict(format!(
                    "the method '{}' has no graph cut; quantiles and refinements are for 'paper' and 'paper-literal'",
                    method.name
                )));
            }
            _ => {}
        }
        Ok(method)
    }

    fn command(&self, subject: &Subject<'_>, class: Option<usize>) -> String {
        let method = Some(self.method.name()).filter(|_| self.method != MethodName::Default);
        subject
            .command("localise")
            .option("--class", class)
            .option("--top", (self.classes.is_none() && self.top != 1).then_some(self.top))
            .option("--method", method)
            .option("--foreground-quantile", self.foreground_quantile)
            .option("--background-quantile", self.background_quantile)
            .option("--refinements", self.refinements)
            .finish()
    }
}

/// Finds objects: their outlines and boxes (Simonyan, Vedaldi, Zisserman 2013, §3.2).
#[utoipa::path(
    post,
    path = "/localise",
    tag = "photographs",
    request_body = LocaliseRequest,
    responses((status = 200, body = Localised), JobRefusals)
)]
pub async fn localise(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<LocaliseRequest>,
) -> Answer<Json<Localised>> {
    request.check()?;
    let method = request.method()?;
    let classes = request.classes.as_deref().map(class_list).transpose()?;
    compute(&shared, request.model.clone(), request.photograph.clone(), move |subject| {
        let (model, kept, interrupt) = (subject.model, subject.kept, subject.interrupt);
        // A copy, since a graph cut asks for all its values, which a photograph keeps once they were made.
        let frame = subject.frame()?.into_owned();
        let gathering = &method.evidence;
        interrupt.expect_steps(gathering.passes(classes.as_ref().map_or(request.top as usize, Vec::len)));
        let (objects, other_choice) = subject.with_runner(|runner| {
            let Some(named) = &classes else {
                // Of the whole photograph, as everywhere; only maps are of the reduced one.
                let classification = runner.classify(&*subject.photograph()?)?;
                let best = classification.top(model, request.top as usize);
                let best: Vec<usize> = best.iter().map(|best| best.index).collect();
                let found = find(runner, &frame, &method, &best)?;
                return Ok((found.objects, classification.other_choice(model, &found.scores)));
            };
            Ok((find(runner, &frame, &method, named)?.objects, None))
        })?;
        let first = objects.first().ok_or_else(|| Problem::conflict("the model has no class"))?;
        let shape = [frame.height(), frame.width()];
        let scale = |whole: usize, part: usize| whole as f64 / part as f64;
        let across = scale(kept.photograph.width(), frame.width());
        let down = scale(kept.photograph.height(), frame.height());
        let found = |object: &Localisation| {
            let [left, top, right, bottom] = object.bounds.edges();
            FoundObject {
                index: object.class.index,
                name: object.class.name.clone(),
                score: object.class.score,
                r#box: [left * across, top * down, right * across, bottom * down],
                is_constant: object.is_constant(),
                nothing_chosen: object.is_empty,
            }
        };
        let mask: Vec<u8> = first.mask.iter().map(|&is_object| u8::from(is_object)).collect();
        let markers = first.markers.as_ref().map(|markers| {
            let numbers = markers.iter().map(|marker| match marker {
                Marker::Unknown => 0,
                Marker::Background => 1,
                Marker::Foreground => 2,
            });
            Numbers::of_bytes(&shape, &numbers.collect::<Vec<u8>>())
        });
        let commands = match &classes {
            None => vec![request.command(subject, None)],
            Some(classes) => classes.iter().map(|&class| request.command(subject, Some(class))).collect(),
        };
        Ok(Localised {
            mask: Numbers::of_bytes(&shape, &mask),
            markers,
            other_choice: other_choice.map(ClassScore::from),
            map: Numbers::from(&first.map),
            objects: objects.iter().map(found).collect(),
            command: commands.join("\n"),
            seconds: subject.seconds(),
        })
    })
    .await
}
