//! Class saliency maps.

use axum::Json;
use axum::extract::State;
use deepinside::attribution::USUAL_DEVIATION;
use deepinside::classify::{Prediction, prediction};
use deepinside::evidence::{EvidenceOptions, Noise, gather};
use deepinside::files::Array;
use deepinside::saliency::{Saliency, SaliencyOptions, Wanted, saliency as explained};
use deepinside::vision::{Crop, Photograph};
use deepinside::{Model, rule_notes};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::choices::{ClassScore, CropChoice, RuleChoice, expect_within};
use super::command_line::CommandLine;
use super::subject::{Subject, compute};
use crate::SharedState;
use crate::body::JsonBody;
use crate::numbers::Numbers;
use crate::problem::{Answer, JobRefusals, Problem};

/// The most classes of one request.
pub const MOST_CLASSES: usize = 20;

/// SmoothGrad (Smilkov and others 2017): the mean gradient over noisy copies.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmoothGrad {
    /// How many copies.
    #[schema(minimum = 1, maximum = 200)]
    samples: u32,
    /// The deviation of the noise, as a share of the input's range.
    #[serde(default = "usual_noise")]
    #[schema(minimum = 0.0, maximum = 1.0, default = usual_noise)]
    noise: f64,
}

fn usual_noise() -> f64 {
    USUAL_DEVIATION
}

/// How maps are made. Requests repeat these fields one by one: what is flattened into a request could not refuse unknown names.
#[derive(Debug, Clone)]
pub struct MapOptions {
    /// What rectifiers do on the way back.
    pub rule: RuleChoice,
    /// The part of the photograph, or the mean over Caffe's ten crops; the model's own crop by default.
    pub crops: Option<CropChoice>,
    /// Averages the gradients of noisy copies.
    pub smooth_grad: Option<SmoothGrad>,
    /// The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side: 0 to 0.5.
    pub smoothing: f64,
    /// The seed of the noise.
    pub seed: u64,
    /// The readable map, which goes with none of the options above.
    pub readable: bool,
}

impl MapOptions {
    /// # Errors
    /// When a number is out of its range.
    pub fn check(&self) -> Answer<()> {
        let is_plain = self.rule.flag().is_none()
            && self.crops.is_none()
            && self.smooth_grad.is_none()
            && self.smoothing == 0.0
            && self.seed == 0;
        if self.readable && !is_plain {
            return Err(Problem::conflict(
                "the readable map settles rule, crops, noise and smoothing itself: leave them out",
            ));
        }
        expect_within("smoothing", self.smoothing, 0.0, 0.5)?;
        expect_within("seed", self.seed, 0, (1 << 53) - 1)?;
        if let Some(SmoothGrad { samples, noise }) = self.smooth_grad {
            expect_within("smooth_grad.samples", samples, 1, 200)?;
            expect_within("smooth_grad.noise", noise, 0.0, 1.0)?;
        }
        Ok(())
    }

    /// Whether maps are gathered in the photograph's own frame, and not in that of one crop.
    fn in_photograph(&self) -> bool {
        let is_averaged =
            self.crops == Some(CropChoice::Ten) || self.smooth_grad.is_some() || self.smoothing > 0.0;
        is_averaged || self.readable
    }

    /// How maps in the photograph's own frame are gathered.
    fn evidence(&self, model: &Model, minus: Option<usize>) -> EvidenceOptions {
        if self.readable {
            return EvidenceOptions { minus, ..EvidenceOptions::readable(model) };
        }
        EvidenceOptions {
            rules: vec![self.rule.into()],
            minus,
            crops: self.crops.map_or_else(|| vec![model.crop], CropChoice::crops),
            noise: self.smooth_grad.map(|smooth| Noise {
                samples: smooth.samples as usize,
                deviation: smooth.noise,
                seed: self.seed,
            }),
            smoothing: self.smoothing,
            ..EvidenceOptions::default()
        }
    }

    /// How many passes through the network the maps of that many classes take at most.
    pub fn passes(&self, model: &Model, classes: usize) -> usize {
        if self.in_photograph() { self.evidence(model, None).passes(classes) } else { 2 + classes }
    }

    /// The flags of `deepinside saliency`.
    pub fn flags(&self, line: CommandLine) -> CommandLine {
        let (ten, crop) = match self.crops {
            Some(CropChoice::Ten) => (true, None),
            Some(crop) => (false, crop.crops().first().map(ToString::to_string)),
            None => (false, None),
        };
        // Without any flag the command line makes the readable map as well, and writes that one.
        let is_plain = crop.is_none() && self.rule.flag().is_none() && !self.in_photograph();
        let line = line.option("--rule", self.rule.flag()).option("--crop", crop);
        let line = if ten { line.flag("--ten-crops") } else { line };
        let line = if is_plain { line.flag("--one-pass") } else { line };
        line.option("--smooth-grad", self.smooth_grad.map(|smooth| smooth.samples))
            .option(
                "--noise",
                self.smooth_grad.map(|smooth| smooth.noise).filter(|noise| *noise != usual_noise()),
            )
            .option("--seed", (self.smooth_grad.is_some() && self.seed != 0).then_some(self.seed))
            .option("--smoothing", (self.smoothing > 0.0).then_some(self.smoothing))
    }
}

/// Which photograph, which classes, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"photograph": "example-cat", "classes": [285], "rule": "gradient"}))]
#[serde(deny_unknown_fields)]
pub struct SaliencyRequest {
    /// The model; the default one by default.
    #[schema(example = "built-in")]
    model: Option<String>,
    /// The photograph.
    #[schema(example = "example-cat")]
    photograph: String,
    /// The classes; the most probable one by default.
    #[schema(min_items = 1, max_items = 20, example = json!([285]))]
    classes: Option<Vec<u32>>,
    /// Another class whose score is subtracted: what speaks for the one and against this.
    minus: Option<u32>,
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
    /// (`docs/methods/saliency.md`). It settles how it is made, so no other option but `minus` and `classes` goes with it.
    #[serde(default)]
    readable: bool,
    /// Whether the signed gradient is given, too. With one crop and without noise or smoothing only.
    #[serde(default)]
    signed: bool,
}

/// A map with what it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassMap {
    /// The class, with its score for what the map was made from.
    pub class: ClassScore,
    /// The map, height × width, not scaled.
    pub map: Numbers,
    /// The sum over the channels of the signed gradient, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Numbers>,
    /// The map's largest value.
    pub maximum: f32,
    /// Whether the map is the same everywhere: then no pixel changes the score.
    pub is_constant: bool,
}

/// A part of a photograph, for the document alone: members of arrays in arrays have no bounds otherwise.
pub struct Place;

impl PartialSchema for Place {
    fn schema() -> RefOr<Schema> {
        let place = ArrayBuilder::new().items(f64::schema()).min_items(Some(4)).max_items(Some(4));
        place.description(Some("Left, top, right, bottom, in pixels of a photograph.")).into()
    }
}

impl ToSchema for Place {}

/// Class saliency maps.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaliencyAnswer {
    /// One map for each class.
    maps: Vec<ClassMap>,
    /// Where the maps lie in the photograph: left, top, right, bottom, in its pixels.
    #[schema(min_items = 4, max_items = 4)]
    region: [f64; 4],
    /// The parts of the photograph that the network saw, in the same form. Elsewhere the maps are 0 and say nothing.
    #[schema(value_type = Vec<Place>, min_items = 1, max_items = 10)]
    seen: Vec<[f64; 4]>,
    /// The share of the photograph that none of several crops shows; the maps are 0 there.
    #[schema(minimum = 0.0, maximum = 1.0)]
    unseen: f64,
    /// The most probable classes, by the model's own crop.
    top: Vec<ClassScore>,
    /// What the parts that were looked at say together, where no class was named and they would have chosen another than the
    /// model's own crop, whose choice is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_choice: Option<ClassScore>,
    /// What must be known about the backward rule in this network, in whole sentences; mostly nothing.
    notes: Vec<String>,
    /// The command lines that do the same, one a line. For photographs of more than 1024 pixels a side, maps that are averaged over
    /// crops, noise or smoothing are made of the reduced photograph here and differ in detail.
    command: String,
    /// How long it took, excluding queue time.
    seconds: f64,
}

/// Maps in one frame.
pub struct Maps {
    /// The classes with their maps, and their signed gradients in the frame of one crop.
    pub maps: Vec<(Prediction, Array, Option<Array>)>,
    /// Left, top, right, bottom in pixels of the photograph.
    pub region: [f64; 4],
    /// The parts that the network saw, in the same form.
    pub seen: Vec<[f64; 4]>,
    /// The share of the photograph that none of several crops shows.
    pub unseen: f64,
    /// The most probable classes, by the model's own crop.
    pub top: Vec<Prediction>,
    /// What the parts that were looked at say, where no class is named and they would have chosen another.
    pub other_choice: Option<Prediction>,
}

/// Makes the maps of some classes, of the best one where none is named; where `minus` is, of how far their scores exceed that
/// class's.
///
/// # Errors
/// When a class does not exist, a crop does not fit, or options contradict each other.
pub fn make_maps(
    subject: &Subject<'_>,
    classes: Option<&[usize]>,
    minus: Option<usize>,
    options: &MapOptions,
) -> Answer<Maps> {
    let model = subject.model;
    if options.in_photograph() {
        return in_photograph(subject, classes, minus, options);
    }
    let photograph = subject.photograph()?;
    let crop = options.crops.and_then(|crops| crops.crops().first().copied()).unwrap_or(model.crop);
    let wanted = classes.map_or(Wanted::Top(1), |classes| Wanted::Classes(classes.to_vec()));
    let options = SaliencyOptions {
        wanted,
        minus,
        rule: options.rule.into(),
        crop: Some(crop),
        ..SaliencyOptions::default()
    };
    let found = subject.with_runner(|runner| Ok(explained(runner, &photograph, &options)?))?;
    let region = model.frame(&photograph, crop)?.edges();
    let (top, other_choice) =
        found.first().map(|one| (one.top.clone(), one.other_choice.clone())).unwrap_or_default();
    let maps = found.into_iter().map(|Saliency { class, map, gradient, .. }| {
        let signed = sum_over_channels(&gradient)?;
        Ok((class, map, Some(signed)))
    });
    Ok(Maps {
        maps: maps.collect::<Answer<_>>()?,
        region,
        seen: vec![region],
        unseen: 0.0,
        top,
        other_choice,
    })
}

/// Maps in the frame of the photograph, reduced where it is large.
fn in_photograph(
    subject: &Subject<'_>,
    classes: Option<&[usize]>,
    minus: Option<usize>,
    options: &MapOptions,
) -> Answer<Maps> {
    let (model, frame) = (subject.model, subject.frame()?);
    let evidence = options.evidence(model, minus);
    subject.with_runner(|runner| {
        // Of the whole photograph, as everywhere; only maps are of the reduced one.
        let classification = runner.classify(&*subject.photograph()?)?;
        let is_named = classes.is_some();
        let wanted = classes.map_or(Wanted::Top(1), |classes| Wanted::Classes(classes.to_vec()));
        let classes = wanted.of(model, &classification);
        let found = gather(runner, &frame, &classes, &evidence)?;
        let other_choice = classification.other_choice(model, &found.scores).filter(|_| !is_named);
        let unseen = found.unseen();
        let maps = classes.iter().zip(found.maps);
        let maps = maps.map(|(&class, map)| (prediction(model, &found.scores, class), map, None)).collect();
        let whole = &subject.kept.photograph;
        let region = [0.0, 0.0, whole.width() as f64, whole.height() as f64];
        let seen = seen(model, &frame, &evidence.crops, whole)?;
        Ok(Maps { maps, region, seen, unseen, top: classification.top(model, 5), other_choice })
    })
}

/// Where crops of a photograph that was reduced lie in the photograph itself, each place once.
///
/// # Errors
/// When one does not fit.
pub fn seen(model: &Model, frame: &Photograph, crops: &[Crop], whole: &Photograph) -> Answer<Vec<[f64; 4]>> {
    let across = whole.width() as f64 / frame.width() as f64;
    let down = whole.height() as f64 / frame.height() as f64;
    let mut seen = Vec::new();
    for &crop in crops {
        let [left, top, right, bottom] = model.frame(frame, crop)?.edges();
        let place = [left * across, top * down, right * across, bottom * down];
        // A mirrored crop lies where the other one does.
        if !seen.contains(&place) {
            seen.push(place);
        }
    }
    Ok(seen)
}

fn sum_over_channels(gradient: &Array) -> Answer<Array> {
    let extents = gradient.shape().get(1..).unwrap_or_default().to_vec();
    let area: usize = extents.iter().product();
    let mut sums = vec![0.0f32; area];
    for channel in gradient.data().chunks_exact(area.max(1)) {
        sums.iter_mut().zip(channel).for_each(|(sum, number)| *sum += number);
    }
    Ok(Array::new(extents, sums)?)
}

/// A map as it is answered.
pub fn class_map(class: Prediction, map: &Array, signed: Option<&Array>) -> ClassMap {
    let (least, most) =
        map.data().iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &number| {
            (least.min(number), most.max(number))
        });
    ClassMap {
        class: class.into(),
        map: map.into(),
        signed: signed.map(Numbers::from),
        maximum: most,
        is_constant: least >= most,
    }
}

/// Makes class saliency maps (Simonyan, Vedaldi, Zisserman 2013, §3.1).
#[utoipa::path(
    post,
    path = "/saliency",
    tag = "photographs",
    request_body = SaliencyRequest,
    responses((status = 200, body = SaliencyAnswer), JobRefusals)
)]
pub async fn saliency(
    State(shared): State<SharedState>,
    JsonBody(request): JsonBody<SaliencyRequest>,
) -> Answer<Json<SaliencyAnswer>> {
    let SaliencyRequest { rule, crops, smooth_grad, smoothing, seed, readable, .. } = request;
    let options = MapOptions { rule, crops, smooth_grad, smoothing, seed, readable };
    options.check()?;
    let classes = request.classes.as_deref().map(class_list).transpose()?;
    if request.signed && options.in_photograph() {
        return Err(Problem::conflict(
            "signed gradients are given with one crop, and without noise and smoothing, only",
        ));
    }
    let minus = request.minus.map(|minus| minus as usize);
    compute(&shared, request.model, request.photograph, move |subject| {
        let count = classes.as_ref().map_or(1, Vec::len);
        subject.interrupt.expect_steps(options.passes(subject.model, count));
        let made = make_maps(subject, classes.as_deref(), minus, &options)?;
        let line = |class: usize| {
            let line = subject
                .command("saliency")
                .option("--class", classes.is_some().then_some(class))
                .option("--minus", minus);
            let gradient = request.signed.then_some("gradient.npy");
            options.flags(line).option("--raw-gradient", gradient).finish()
        };
        let commands: Vec<String> = made.maps.iter().map(|(class, ..)| line(class.index)).collect();
        let answered = |(class, map, signed): (Prediction, Array, Option<Array>)| {
            class_map(class, &map, signed.as_ref().filter(|_| request.signed))
        };
        Ok(SaliencyAnswer {
            command: commands.join("\n"),
            top: made.top.into_iter().map(Into::into).collect(),
            other_choice: made.other_choice.map(Into::into),
            notes: rule_notes(subject.model, rule.into(), subject.model.score.value),
            maps: made.maps.into_iter().map(answered).collect(),
            region: made.region,
            seen: made.seen,
            unseen: made.unseen,
            seconds: subject.seconds(),
        })
    })
    .await
}

/// # Errors
/// When there are none or too many.
pub fn class_list(classes: &[u32]) -> Answer<Vec<usize>> {
    expect_within("the number of classes", classes.len(), 1, MOST_CLASSES)?;
    Ok(classes.iter().map(|&class| class as usize).collect())
}
