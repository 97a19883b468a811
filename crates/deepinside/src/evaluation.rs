//! How well a method localises, against boxes that people drew.
//!
//! A box is right where its intersection over union with any box of the true class is at least one half (the rule of ILSVRC).
//! *GT-known* takes the map of the true class; top-1 and top-5 ask that the network names the class as well. The pointing game (Zhang
//! and others 2016) asks whether the map's maximum lies in a box, exactly or within 15 pixels. [`box_accuracy`] has the measures that
//! choose a map's threshold for all pictures together.

pub mod box_accuracy;
mod confusions;
pub mod details;
mod faithfulness;
mod ground_truth;
mod rate;

use std::sync::Arc;
use std::time::Instant;

use deepinside_vision::Photograph;
use deepinside_vision::photograph::LoadOptions;
use deepinside_vision::regions::intersection_over_union;
use serde::{Deserialize, Serialize};

use self::box_accuracy::{OVERLAPS, best_accuracy, overlaps_by_threshold};
pub use self::confusions::{Confusion, Mistakes, confusions};
pub use self::details::{Details, Key, Keyed, Settings};
pub use self::faithfulness::{FaithfulnessResult, FaithfulnessSummary, faithfulness_all, summarise};
pub use self::ground_truth::{GroundTruth, TrueObject, expect_boxes, ground_truth};
pub use self::rate::Rate;
use crate::attribution::Runner;
use crate::classify::{mean_scores, predictions};
use crate::evidence::gather;
use crate::localise::{Method, choose};
use crate::{Error, Model, Result};

/// The overlap from which a box is right.
const RIGHT: f64 = 0.5;

/// How far from a box, in pixels, a maximum may lie and still count (Zhang and others 2016, §5.1).
const TOLERANCE: f64 = 15.0;

/// What came out for one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureResult {
    /// The picture and its true class.
    #[serde(flatten)]
    pub key: Key,
    /// How many classes are more probable than the true one, by the model's own crop.
    pub rank: usize,
    /// The box from the map of the true class: left, top, right, bottom.
    pub bounds: [f64; 4],
    /// Its largest overlap with a true box.
    pub overlap: f64,
    /// The largest overlap of the centred box of 0.70 × 0.75 of the sides.
    pub centred_overlap: f64,
    /// That of the whole picture.
    pub whole_overlap: f64,
    /// How far from the nearest true box the map's maximum lies, in pixels; 0 inside.
    pub distance: f64,
    /// How far from the nearest true box the picture's centre lies.
    pub centre_distance: f64,
    /// Whether the map is the same everywhere: it says nothing, and its box is the whole picture.
    pub is_constant: bool,
    /// Per threshold the overlaps of the largest and of the best region: see [`box_accuracy`].
    pub by_threshold: Vec<[f32; 2]>,
    /// How long it took.
    pub seconds: f64,
}

impl PictureResult {
    /// Whether its box is wrong.
    pub fn is_wrong(&self) -> bool {
        self.overlap < RIGHT
    }
}

impl Keyed for PictureResult {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

/// The boxes of an object in pixels of its photograph.
pub fn boxes_in_photograph(object: &TrueObject, width: f64, height: f64) -> Vec<[f64; 4]> {
    let [sx, sy] = [width / object.width, height / object.height];
    object.boxes.iter().map(|[x0, y0, x1, y1]| [x0 * sx, y0 * sy, x1 * sx, y1 * sy]).collect()
}

/// Loads the picture of an object as its boxes count: as it is stored, which is how people's boxes mostly do and other programs read
/// pictures; turned as its EXIF orientation says where only that has the stated proportions.
///
/// # Errors
/// When the file is no readable picture.
pub fn photograph_of(object: &TrueObject, model: &Model) -> Result<Photograph> {
    let load = |apply_orientation: bool| {
        model.load_photograph_with(&object.file, LoadOptions { apply_orientation, ..LoadOptions::default() })
    };
    let is_as_wide = |photograph: &Photograph| {
        (photograph.width() > photograph.height()) == (object.width > object.height)
    };
    let stored = load(false)?;
    if object.width == object.height || is_as_wide(&stored) {
        return Ok(stored);
    }
    let turned = load(true)?;
    Ok(if is_as_wide(&turned) { turned } else { stored })
}

/// Localises the true class of one picture and compares with its boxes.
///
/// # Errors
/// When the picture cannot be read or the class does not exist.
pub fn localise_true_class(
    runner: &mut Runner,
    method: &Method,
    object: &TrueObject,
) -> Result<PictureResult> {
    let model = Arc::clone(runner.model());
    let photograph = photograph_of(object, &model)?;
    let start = Instant::now();
    let evidence = gather(runner, &photograph, &[object.class_index], &method.evidence)?;
    let Some(map) = evidence.maps.first() else {
        return Err(Error::Option("no map was made".to_owned()));
    };
    let bounds = choose(&photograph, map, &evidence.seen, method)?.bounds.edges();
    let seconds = start.elapsed().as_secs_f64();
    let (width, height) = (photograph.width() as f64, photograph.height() as f64);
    let truth = boxes_in_photograph(object, width, height);
    let overlap = |bounds: [f64; 4]| {
        truth.iter().map(|truth| intersection_over_union(bounds, *truth)).fold(0.0, f64::max)
    };
    let numbers = map.data();
    let largest = numbers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    let peak = largest.map_or(0, |(index, _)| index);
    let distance = |x: f64, y: f64| {
        let to =
            |[x0, y0, x1, y1]: &[f64; 4]| (x0 - x).max(x - x1).max(0.0).hypot((y0 - y).max(y - y1).max(0.0));
        truth.iter().map(to).fold(f64::INFINITY, f64::min)
    };
    // Not timed: the box of a class that is given needs no such pass.
    let classification = runner.classify(&photograph)?;
    Ok(PictureResult {
        key: Key { file: object.file.clone(), class_index: object.class_index, digest: String::new() },
        rank: classification.rank(&model, object.class_index),
        bounds,
        overlap: overlap(bounds),
        centred_overlap: overlap([0.15 * width, 0.125 * height, 0.85 * width, 0.875 * height]),
        whole_overlap: overlap([0.0, 0.0, width, height]),
        distance: distance(
            (peak % photograph.width()) as f64 + 0.5,
            (peak / photograph.width()) as f64 + 0.5,
        ),
        centre_distance: distance(width / 2.0, height / 2.0),
        is_constant: map.is_constant(),
        by_threshold: overlaps_by_threshold(numbers, photograph.width(), &truth),
        seconds,
    })
}

/// Localises all pictures; `each` hears of every one. What `details` hold already is not computed again, and what is new is
/// added to them.
///
/// # Errors
/// When a picture cannot be read or its class does not exist.
pub fn localise_all(
    runner: &mut Runner,
    method: &Method,
    objects: &[TrueObject],
    mut details: Option<&mut Details<PictureResult>>,
    mut each: impl FnMut(),
) -> Result<Vec<PictureResult>> {
    let mut results = Vec::new();
    for object in objects {
        let key = key(object, details.is_some())?;
        let result = match details.as_mut().and_then(|details| details.take(&key)) {
            Some(known) => known,
            None => {
                let result = PictureResult { key, ..localise_true_class(runner, method, object)? };
                if let Some(details) = details.as_mut() {
                    details.add(&result)?;
                }
                result
            }
        };
        results.push(result);
        each();
    }
    Ok(results)
}

/// What a result is of; what the object's picture and boxes hash to is only found out where that is kept.
fn key(object: &TrueObject, is_kept: bool) -> Result<Key> {
    let digest = if is_kept { object.digest()? } else { String::new() };
    Ok(Key { file: object.file.clone(), class_index: object.class_index, digest })
}

/// Figures over all pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The error of the class alone: top-1, top-5.
    pub classification: [Rate; 2],
    /// The errors of class and box: the best class, one of the best five, the class given.
    pub localisation: [Rate; 3],
    /// The GT-known error of the whole picture and of the centred box.
    pub baselines: [Rate; 2],
    /// How often the map's maximum lies in a box, and within 15 pixels of one.
    pub pointing: [Rate; 2],
    /// The same of the picture's centre.
    pub centre_pointing: [Rate; 2],
    /// MaxBoxAcc and its threshold.
    pub max_box_accuracy: (f64, f64),
    /// MaxBoxAccV2, and per overlap (0.3, 0.5, 0.7) the accuracy and its threshold.
    pub max_box_accuracy_v2: (f64, [(f64, f64); 3]),
    /// How many maps were the same everywhere.
    pub constant_maps: usize,
    /// Seconds for each picture, without reading it.
    pub seconds_per_picture: f64,
}

impl Summary {
    /// Sums up.
    pub fn of(results: &[PictureResult]) -> Self {
        let rate = |is: &dyn Fn(&PictureResult) -> bool| Rate::of(results.iter().map(is));
        let curves: Vec<&[[f32; 2]]> = results.iter().map(|result| &result.by_threshold[..]).collect();
        let v2 = OVERLAPS.map(|overlap| best_accuracy(&curves, 1, overlap));
        Self {
            classification: [rate(&|r| r.rank > 0), rate(&|r| r.rank > 4)],
            localisation: [
                rate(&|r| r.is_wrong() || r.rank > 0),
                rate(&|r| r.is_wrong() || r.rank > 4),
                rate(&|r| r.is_wrong()),
            ],
            baselines: [rate(&|r| r.whole_overlap < RIGHT), rate(&|r| r.centred_overlap < RIGHT)],
            pointing: [rate(&|r| r.distance <= 0.0), rate(&|r| r.distance <= TOLERANCE)],
            centre_pointing: [rate(&|r| r.centre_distance <= 0.0), rate(&|r| r.centre_distance <= TOLERANCE)],
            max_box_accuracy: best_accuracy(&curves, 0, RIGHT),
            max_box_accuracy_v2: (v2.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / v2.len() as f64, v2),
            constant_maps: results.iter().filter(|result| result.is_constant).count(),
            seconds_per_picture: results.iter().map(|r| r.seconds).sum::<f64>() / results.len().max(1) as f64,
        }
    }
}

/// How much larger the errors of the first results are than those of the second, over the same pictures: the best class, one of
/// the best five, the class given.
pub fn compare(first: &[PictureResult], second: &[PictureResult]) -> [Rate; 3] {
    let pairs = |most: usize| {
        let wrong = move |result: &PictureResult| result.is_wrong() || result.rank > most;
        Rate::difference(first.iter().zip(second).map(move |(a, b)| (wrong(a), wrong(b))))
    };
    [pairs(0), pairs(4), pairs(usize::MAX)]
}

/// How much more often the maxima of the first results hit than those of the second: exactly, and within 15 pixels.
pub fn compare_pointing(first: &[PictureResult], second: &[PictureResult]) -> [Rate; 2] {
    [0.0, TOLERANCE].map(|tolerance| {
        let hits = |result: &PictureResult| result.distance <= tolerance;
        Rate::difference(first.iter().zip(second).map(|(a, b)| (hits(a), hits(b))))
    })
}

/// The class of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassResult {
    /// The picture and its true class.
    #[serde(flatten)]
    pub key: Key,
    /// How many classes are more probable than the true one.
    pub rank: usize,
    /// What the network says.
    pub named: usize,
    /// How long it took.
    pub seconds: f64,
}

impl Keyed for ClassResult {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

/// Classifies all pictures, by the mean of these crops.
///
/// # Errors
/// When a picture cannot be read or a crop does not fit.
pub fn classify_all(
    runner: &mut Runner,
    crops: &[deepinside_vision::Crop],
    objects: &[TrueObject],
    mut details: Option<&mut Details<ClassResult>>,
    mut each: impl FnMut(),
) -> Result<Vec<ClassResult>> {
    let model = Arc::clone(runner.model());
    let mut results = Vec::new();
    for object in objects {
        let key = key(object, details.is_some())?;
        if let Some(known) = details.as_mut().and_then(|details| details.take(&key)) {
            results.push(known);
            each();
            continue;
        }
        let photograph = photograph_of(object, &model)?;
        let start = Instant::now();
        let inputs = model.inputs(&photograph, crops)?;
        let size = inputs.shape()[1..].iter().product::<usize>().max(1);
        let scores = inputs.data().chunks_exact(size).map(|input| runner.scores(input));
        let scores = scores.collect::<Result<Vec<_>>>()?;
        let scores =
            mean_scores(&scores).ok_or_else(|| Error::Option("at least one crop is needed".to_owned()))?;
        let order = predictions(&model, &scores, scores.scores.len());
        let result = ClassResult {
            key,
            rank: order.iter().take_while(|prediction| prediction.index != object.class_index).count(),
            named: order.first().map(|best| best.index).unwrap_or_default(),
            seconds: start.elapsed().as_secs_f64(),
        };
        if let Some(details) = details.as_mut() {
            details.add(&result)?;
        }
        results.push(result);
        each();
    }
    Ok(results)
}
